"""Tables as people write them: each is read right, or refused in one line that says where.

The frame has 4 x 4 pixels, so a code may reach pixel 16.
"""

import csv
import gzip
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lib import csv_files, rle, score
from lib.errors import InputError
from lib.prepare import discover, folds, labels, plan
from lib.submit import validation
from lib.submit.masks import Row, digest

FRAME = 4
HEAD = "ImageId,EncodedPixels\n"
GOOD = f"{HEAD}a,-1\nb,0 3\n"
Content = str | bytes
Pairs = list[tuple[str, str]]


def refusal(reader: Callable[[], object]) -> str:
    """The one line that a reader refuses with."""
    with pytest.raises(InputError) as caught:
        reader()
    (line,) = str(caught.value).splitlines()
    assert len(line) < 600
    return line


def saved(tmp_path: Path, content: Content, name: str = "odd.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read_labels(path: Path) -> Pairs:
    frame = labels.read(path, FRAME)
    return list(zip(frame["ImageId"], frame["EncodedPixels"], strict=True))


AB = [("a", "-1"), ("b", "0 3")]
LEGAL = [
    pytest.param(GOOD, AB, id="plain"),
    pytest.param(GOOD.encode("utf-8-sig"), AB, id="byte-order-mark"),
    pytest.param(GOOD.replace("\n", "\r\n"), AB, id="crlf"),
    pytest.param(GOOD.replace("\n", "\r"), AB, id="cr-only"),
    pytest.param(GOOD.replace("-1\n", "-1\r\n"), AB, id="line-ends-of-both-kinds"),
    pytest.param(GOOD.removesuffix("\n"), AB, id="no-line-end-at-the-end"),
    pytest.param(f"\n\n{HEAD}\na,-1\n\n\nb,0 3\n\n", AB, id="blank-lines"),
    pytest.param(GOOD.replace("b,", ",\n , \nb,"), AB, id="rows-of-empty-cells"),
    pytest.param('"ImageId","EncodedPixels"\n"a","-1"\n"b","0 3"\n', AB, id="all-in-quotes"),
    pytest.param('ImageId, "EncodedPixels"\na, "-1"\nb, "0 3"\n', AB, id="blank-before-quotes"),
    pytest.param(' ImageId , EncodedPixels \n a , -1 \n b , 0  3 \n',
                 [("a", "-1"), ("b", "0  3")], id="blanks-everywhere"),
    pytest.param("ImageId,EncodedPixels,\na,-1,\nb,0 3,\n", AB, id="comma-at-the-end"),
    pytest.param("n,EncodedPixels,note,ImageId\n1,-1,é ☃,a\n2,0 3,,b\n", AB, id="more-columns"),
    pytest.param('x,ImageId,EncodedPixels\n"1\n2\n3",a,-1\n,b,0 3\n', AB, id="quoted-line-ends"),
    pytest.param('x,ImageId,EncodedPixels\n"""1"", 2",a,-1\n,b,0 3\n', AB, id="quoted-quotes"),
    pytest.param(HEAD + "a,-1.0\nb,0 3\n", AB, id="minus-one-as-a-float"),
    pytest.param(HEAD + "1.20,-1\nNaN,-1\n1e3,-1\n007,-1\n",
                 [("1.20", "-1"), ("NaN", "-1"), ("1e3", "-1"), ("007", "-1")], id="odd-ids"),
    pytest.param(HEAD + "a,0 1\na,0 1\na,3 1\n", [("a", "0 1"), ("a", "0 1"), ("a", "3 1")],
                 id="several-rows-of-an-image"),
    pytest.param(HEAD + "a,0 1 0 2\n", [("a", "0 1 0 2")], id="runs-that-adjoin"),
    pytest.param(HEAD + "a,15 1\n", [("a", "15 1")], id="run-to-the-last-pixel"),
    pytest.param(HEAD + "a,0003 01\n", [("a", "0003 01")], id="leading-zeros"),
    pytest.param(HEAD + "x" * 128 + ",-1\n", [("x" * 128, "-1")], id="longest-id"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "expected"), LEGAL)
@pytest.mark.parametrize("name", ["odd.csv", "ODD.CSV.GZ"])
def test_what_is_odd_but_legal_is_read(
    tmp_path: Path, content: Content, expected: Pairs, name: str
) -> None:
    content = content.encode() if isinstance(content, str) else content
    content = gzip.compress(content) if name.endswith("GZ") else content
    path = saved(tmp_path, content, name)
    assert read_labels(path) == expected
    assert csv_files.read_rles(path).shape == (len(expected), 2)
    assert score.compare(path, path, FRAME).dice == 1


# What a reader of codes refuses: the line where it is, and what to do.
ROWS = [
    pytest.param(b"", 1, "no column ImageId", id="empty-file"),
    pytest.param("\n\n\n", 1, "no column ImageId", id="blank-lines-only"),
    pytest.param("a,-1\nb,-1\n", 1, r"no column ImageId, it has \['a', '-1'\]", id="no-header"),
    pytest.param(GOOD.replace(",", ";"), 1, "with commas between them", id="semicolons"),
    pytest.param(GOOD.replace(",", "\t"), 1, "with commas between them", id="tabs"),
    pytest.param("# made by me\n" + GOOD, 1, "no column ImageId", id="comment-before-the-header"),
    pytest.param(HEAD + "# note\na,-1\n", 2, "1 cells where the header has 2", id="comment"),
    pytest.param(HEAD + "# a,-1\n", 2, "ImageId '# a' cannot", id="row-in-a-comment"),
    pytest.param("imageid,encodedpixels\na,-1\n", 1, "no column ImageId", id="other-case"),
    pytest.param("ImageId\na\n", 1, "no column EncodedPixels", id="column-missing"),
    pytest.param("ImageId,ImageId,EncodedPixels\na,b,-1\n", 1, "more than one column 'ImageId'",
                 id="column-twice"),
    pytest.param("ImageId,x,x,EncodedPixels\na,1,2,-1\n", 1, "more than one column 'x'",
                 id="other-column-twice"),
    pytest.param(HEAD + "a,-1\nb,0,3\n", 3, "3 cells .* in quotes", id="row-too-long"),
    pytest.param(HEAD + "a,-1\nb\n", 3, "1 cells where", id="row-too-short"),
    pytest.param("x," + HEAD + '"1\n2",a,-1\n\n,b,0,3\n', 5, "4 cells where",
                 id="row-too-long-after-a-quoted-line-end"),
    pytest.param(HEAD + 'a,-1\nb,"0 3\nc,-1\n', 3, "quotes that do not", id="quote-left-open"),
    pytest.param(HEAD + 'a,-1\n"b"x,0 3\n', 3, "quotes that do not match", id="text-after-a-quote"),
    pytest.param(GOOD.encode("utf-16"), 1, "no UTF-8 text; save", id="utf-16"),
    pytest.param(GOOD.encode("utf-16-le"), 1, "a null byte; save", id="utf-16-without-a-mark"),
    pytest.param(GOOD.encode("utf-32"), 1, "no UTF-8 text", id="utf-32"),
    pytest.param((HEAD + "a,-1\né,-1\n").encode("latin-1"), 3, "no UTF-8 text", id="latin-1"),
    pytest.param((HEAD + "a,-1\né,-1\n").replace("\n", "\r").encode("latin-1"), 3, "no UTF-8 text",
                 id="latin-1-with-cr-only"),
    pytest.param(HEAD + "a,-1\nb\0,-1\n", 3, "a null byte", id="null-byte"),
    pytest.param(b"PK\x03\x04" + b"\0" * 50, 1, "a null byte", id="zip-file"),
    pytest.param(gzip.compress(GOOD.encode()), 1, "no UTF-8 text", id="gz-by-another-name"),
    pytest.param(HEAD + "a,-1\n,-1\n", 3, "ImageId ''", id="no-id"),
    pytest.param(HEAD + "../../etc/passwd,-1\n", 2, "cannot be a file name", id="id-out-of-here"),
    pytest.param(HEAD + "/etc/passwd,-1\n", 2, "cannot be a file name", id="id-from-the-root"),
    pytest.param(HEAD + "..,-1\n", 2, "cannot be a file name", id="id-of-two-dots"),
    pytest.param(HEAD + "a\\b,-1\n", 2, "cannot be a file name", id="id-with-a-backslash"),
    pytest.param(HEAD + "é,-1\n", 2, "cannot be a file name: use letters", id="id-of-unicode"),
    pytest.param(HEAD + "a\u202eb,-1\n", 2, "cannot be a file name", id="id-turned-around"),
    pytest.param(HEAD + '"a\nb",-1\n', 2, "cannot be a file name", id="id-with-a-line-end"),
    pytest.param(HEAD + "x" * 10_000 + ",-1\n", 2, "cannot be a file name", id="very-long-id"),
    pytest.param(HEAD + "a,-1\nb,\n", 3, "EncodedPixels is empty; -1 means", id="no-code"),
    pytest.param(HEAD + "a,nan\n", 2, "'nan', which is not a whole number", id="nan"),
    pytest.param(HEAD + "a,None\n", 2, "'None', which is not", id="none"),
    pytest.param(HEAD + "a,1.0 3\n", 2, "'1.0', which is not", id="float"),
    pytest.param(HEAD + "a,1e1 3\n", 2, "'1e1', which is not", id="exponent"),
    pytest.param(HEAD + "a,0x1 3\n", 2, "'0x1', which is not", id="hexadecimal"),
    pytest.param(HEAD + "a,٣ 3\n", 2, "which is not a whole number", id="digits-of-another-script"),
    pytest.param(HEAD + "a,0:3\n", 2, "'0:3', which is not", id="other-separator-of-runs"),
    pytest.param(HEAD + f"a,{'9' * 5000} 1\n", 2, "which is not a whole number", id="huge-number"),
    pytest.param(HEAD + f"a,{2**40} 1\n", 2, "which no image can hold", id="large-number"),
    pytest.param(HEAD + "a,1 2 3\n", 2, "3 numbers, not pairs .* cut short", id="odd-count"),
    pytest.param(HEAD + "a,5\n", 2, "1 numbers, not pairs", id="one-number"),
    pytest.param(HEAD + "a,-2\n", 2, "1 numbers, not pairs", id="minus-two"),
    pytest.param(HEAD + "a,-1 -1\n", 2, "negative offset", id="minus-one-twice"),
    pytest.param(HEAD + "a,4 4 -2 3\n", 2, "negative offset.*do not overlap", id="runs-overlap"),
    pytest.param(HEAD + "a,0 0\n", 2, "length 0; the shortest is 1", id="run-of-no-length"),
    pytest.param(HEAD + "a,3 -2\n", 2, "length -2", id="run-of-negative-length"),
    pytest.param(HEAD + "\n\na,-1\n\nb,10 7\n", 6, "past 4x4", id="past-the-frame-after-blanks"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "line", "reason"), ROWS)
def test_odd_labels_and_truths_are_refused_with_their_line(
    tmp_path: Path, content: Content, line: int, reason: str
) -> None:
    odd, good = saved(tmp_path, content), saved(tmp_path, GOOD + "c,-1\n", "good.csv")
    for reader in (lambda: labels.read(odd, FRAME), lambda: score.check(odd, FRAME),
                   lambda: score.compare(good, odd, FRAME)):  # fmt: skip
        message = refusal(reader)
        assert re.match(rf"{odd}, line {line}\b.*{reason}", message)


def test_what_is_no_readable_file_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(GOOD.encode() * 9)
    for content in (whole[:-9], whole[:20] + b"?" + whole[21:], GOOD.encode()):
        path = saved(tmp_path, content, "odd.csv.gz")
        assert "cannot be read as CSV" in refusal(lambda path=path: csv_files.read_rles(path))
    assert "Is a directory" in refusal(lambda: csv_files.read_rles(tmp_path))
    assert "is not there" in refusal(lambda: csv_files.read_rles(tmp_path / "none.csv"))


SPLIT = "ImageId,fold\n"
SPLITS = [
    pytest.param(SPLIT + "a,0\nb,1.0\n", "line 3, image b: fold '1.0' is not a whole", id="float"),
    pytest.param(SPLIT + "a,0\nb,-1\n", "line 3, image b: fold '-1'", id="negative"),
    pytest.param(SPLIT + "a,0\nb,\n", "line 3, image b: fold ''", id="no-fold"),
    pytest.param(SPLIT + "a,0\nb,NaN\n", "fold 'NaN'", id="nan"),
    pytest.param(SPLIT + "a,0\nb,٣\n", "fold '٣'", id="digits-of-another-script"),
    pytest.param(SPLIT + "a,0\nb,1e3\n", "fold '1e3'", id="exponent"),
    pytest.param(SPLIT + f"a,0\nb,{'9' * 5000}\n", "from 0 to 999", id="huge-number"),
    pytest.param(SPLIT + "a,0\nb,1000\n", "line 3.*from 0 to 999", id="beyond"),
    pytest.param(SPLIT + "a,0\nb,1\n\na,1\n", "line 5: a is there twice, first in line 2",
                 id="in-two-folds"),
    pytest.param(SPLIT + "a,0\nb,1\na,0\n", "line 4: a is there twice", id="image-twice"),
    pytest.param(SPLIT + "a,0\n", r"lacks 1 labelled images \(b", id="image-missing"),
    pytest.param(SPLIT, "lacks 2 labelled", id="header-only"),
    pytest.param(SPLIT + "a,0\nb,0\n", "one fold only", id="one-fold"),
    pytest.param("ImageId,Fold\na,0\nb,1\n", "no column fold", id="other-case"),
    pytest.param("ImageId,fold,fold\na,0,1\nb,1,1\n", "more than one column", id="column-twice"),
    pytest.param(SPLIT + "../a,0\nb,1\n", "line 2: ImageId '../a'", id="id-out-of-here"),
    pytest.param(SPLIT + "a,0\nb\n", "line 3: 1 cells", id="row-too-short"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "reason"), SPLITS)
def test_odd_splits_are_refused(tmp_path: Path, content: str, reason: str) -> None:
    path = saved(tmp_path, content)
    assert re.search(reason, refusal(lambda: folds.read_split(path, ["a", "b"])))


def test_a_split_may_have_more_rows_columns_and_any_folds(tmp_path: Path) -> None:
    path = saved(tmp_path, SPLIT.replace("\n", ",x\n") + "z,1,\nb,07,\n\na,0,?\n")
    assert folds.read_split(path, ["a", "b"]).to_dict() == {"a": 0, "b": 7}


GROUP = "ImageId,patient_id\n"


@pytest.fixture
def planned(tmp_path: Path) -> Callable[..., plan.Plan]:
    """Plan a dataset of a, b, c and d, of which a and b are positive."""
    for name in "abcd":
        saved(tmp_path, "x", f"{name}.png")
    saved(tmp_path, f"{HEAD}a,0 3\nb,0 3\nc,-1\nd,-1\n", "train.csv")

    def make(groups: str, split: str | None = None) -> plan.Plan:
        return plan.make_plan(
            discover.scan_raw_folder(tmp_path), rle_size=FRAME, n_folds=2,
            groups_csv=saved(tmp_path, groups, "groups.csv"),
            folds_csv=saved(tmp_path, split, "folds.csv") if split else None,
        )  # fmt: skip

    return make


@pytest.mark.parametrize(
    ("groups", "split", "reason"),
    [
        (GROUP + "a,p\nb,q\na,p\n", None, "groups.csv, line 4: a is there twice, first in line 2"),
        (GROUP + "x,p\ny,q\n", None, "groups.csv has none of the images"),
        (GROUP, None, "groups.csv has none of the images"),
        ("ImageId,patient\na,p\n", None, "line 1: the table has no column patient_id"),
        ("ImageId,patient_id,sex,sex\na,p,F,M\n", None, "more than one column 'sex'"),
        (GROUP + "../a,p\n", None, "line 2: ImageId '../a' cannot be a file name"),
        (GROUP + "a,p,q\n", None, "line 2: 3 cells"),
        (GROUP + "a,p\nc,q\nb,p\n", SPLIT + "a,0\nc,1\n\nb,1\nd,0\n",
         "folds.csv, line 5: b is in fold 1, another image of its patient 'p' in fold 0; keep"),
        (GROUP + "a,\n", SPLIT + "a,0\nb,0\nc,1\nd,1\n", "folds.csv: fold 1 has no positive image"),
        (GROUP + "a,\n", SPLIT + "a,0\nb,0\nc,0\nd,0\nz,1\n", "folds.csv has one fold only"),
    ],
)  # fmt: skip
def test_odd_groups_are_refused(
    planned: Callable[..., plan.Plan], groups: str, split: str | None, reason: str
) -> None:
    assert reason in refusal(lambda: planned(groups, split))


def test_groups_may_leave_patients_and_images_out(planned: Callable[..., plan.Plan]) -> None:
    split = SPLIT + "a,0\nb,1\nc,0\nd,1\n"
    made = planned("age,ImageId,patient_id\n,a,\n9,b,\n?,z,p\n", split)
    assert made.patients["patient_id"].to_dict() == {"a": "", "b": "", "z": "p"}


@pytest.mark.parametrize("nobody", ["NaN", "nan", "None", "NULL", "n/a", "<NA>", " NaN "])
def test_a_patient_that_is_no_one_is_unknown(
    planned: Callable[..., plan.Plan], nobody: str
) -> None:
    made = planned(f"{GROUP}a,{nobody}\nb,{nobody}\nc,Nan Li\n")
    assert made.patients["patient_id"].to_dict() == {"a": "", "b": "", "c": "Nan Li"}


SAMPLES = [
    pytest.param("ImageId\n", "has no rows", id="header-only"),
    pytest.param("id\na\n", "no column ImageId", id="other-header"),
    pytest.param(HEAD + "../x,-1\n", "line 2: ImageId '../x' cannot be", id="id-out-of-here"),
    pytest.param(HEAD + "x\n", "line 2: 1 cells", id="row-too-short"),
    pytest.param(HEAD + "x,-1\n", "1 of 1 test images have no file", id="unknown-image"),
    pytest.param(HEAD + "a,-1\n", "are labelled in", id="labelled-image"),
]


@pytest.mark.parametrize(("content", "reason"), SAMPLES)
def test_odd_sample_submissions_are_refused(
    tmp_path: Path, planned: Callable[..., plan.Plan], content: str, reason: str
) -> None:
    saved(tmp_path, content, "sample_submission.csv")
    assert reason in refusal(lambda: planned(GROUP + "a,p\n"))


# Submissions: of other people against a truth, and our own before it leaves.


@pytest.mark.parametrize(("content", "line", "reason"), ROWS)
def test_odd_submissions_are_refused_with_their_line(
    tmp_path: Path, content: Content, line: int, reason: str
) -> None:
    odd, truth = saved(tmp_path, content), saved(tmp_path, GOOD, "truth.csv")
    message = refusal(lambda: score.compare(odd, truth, FRAME))
    assert re.match(rf"{odd}, line {line}\b.*{reason}", message)


@pytest.mark.parametrize(("content", "line", "reason"), ROWS)
def test_none_of_them_passes_for_our_own(
    tmp_path: Path, content: Content, line: int, reason: str
) -> None:
    rows = [Row("a", "-1", 0, digest(np.zeros((4, 4), bool))),
            Row("b", "0 3", 3, digest(rle.decode("0 3", 4, 4)))]  # fmt: skip
    refusal(lambda: validation.check(saved(tmp_path, content), rows, FRAME))
    validation.check(saved(tmp_path, GOOD), rows, FRAME)


# Round trips.

anything = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@given(st.lists(st.tuples(anything, anything), max_size=6), st.sampled_from(["\n", "\r\n", "\r"]))
@settings(deadline=None, suppress_health_check=list(HealthCheck))
def test_every_cell_comes_back_with_the_line_of_its_row(
    tmp_path: Path, cells: list[tuple[str, str]], line_end: str
) -> None:
    written, lines = io.StringIO(newline=""), []
    writer = csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator=line_end)
    for row in [("x", "y"), *cells]:
        lines.append(len(io.StringIO(written.getvalue(), newline="").readlines()) + 1)
        writer.writerow(row)
    frame = csv_files.read(saved(tmp_path, written.getvalue()), ("x", "y"))
    there = {
        line: [cell.strip() for cell in row] for line, row in zip(lines[1:], cells, strict=True)
    }
    there = {line: row for line, row in there.items() if any(row)}
    assert dict(zip(frame.index, frame.to_numpy().tolist(), strict=True)) == there


@given(st.lists(hnp.arrays(bool, (FRAME, FRAME)), min_size=1, max_size=5))
@settings(deadline=None, suppress_health_check=list(HealthCheck))
def test_masks_survive_a_label_file(tmp_path: Path, masks: Sequence[np.ndarray]) -> None:
    rows = "".join(f"i{n},{rle.encode(mask)}\n" for n, mask in enumerate(masks))
    read = labels.read(saved(tmp_path, HEAD + rows), FRAME)
    for mask, code, area in zip(masks, read["EncodedPixels"], read["area_px"], strict=True):
        assert (rle.decode(code, FRAME, FRAME) == mask).all()
        assert area == mask.sum()


def test_the_longest_code_of_all_is_read(tmp_path: Path) -> None:
    chess = np.indices((1024, 1024)).sum(axis=0) % 2 == 0
    path = saved(tmp_path, f"{HEAD}a,{rle.encode(chess)}\n")
    assert path.stat().st_size > 2_000_000
    assert labels.read(path, 1024)["area_px"].tolist() == [2**19]


@given(st.binary(max_size=80), st.sampled_from(["", HEAD, SPLIT, GROUP]))
@settings(deadline=None, suppress_health_check=list(HealthCheck))
def test_any_bytes_are_read_or_refused_in_one_line(
    tmp_path: Path, content: bytes, head: str
) -> None:
    path = saved(tmp_path, head.encode() + content)
    for reader in (lambda: labels.read(path, FRAME), lambda: folds.read_split(path, []),
                   lambda: score.compare(path, path, FRAME)):  # fmt: skip
        said = "read"
        try:
            reader()
        except InputError as error:
            said = str(error)
        assert len(said.splitlines()) == 1
