"""Readers of other people's tables: each table is read right, or refused in one line."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lib import rle, score
from lib.errors import InputError
from lib.layout import Work
from lib.prepare import discover, folds, labels, plan
from lib.submit import validation
from lib.submit.masks import Row, digest
from tests.csv_cases import (
    BAD_RLES,
    BAD_TABLES,
    BLANK_RLE,
    FRAME,
    GOOD,
    HEAD,
    ODD_BUT_READ,
    Content,
    Pairs,
    refusal,
    saved,
)


def read_labels(path: Path) -> Pairs:
    frame = labels.read(path, FRAME)
    return list(zip(frame["ImageId"], frame["EncodedPixels"], strict=True))


@pytest.mark.parametrize(("content", "expected"), ODD_BUT_READ)
def test_odd_but_legal_labels_are_read(tmp_path: Path, content: Content, expected: Pairs) -> None:
    path = saved(tmp_path, content)
    assert read_labels(path) == expected
    assert score.compare(path, path, FRAME).dice == 1


def refusals_of_labels(path: Path, good: Path) -> list[str]:
    """Return the messages of all readers of labels and truths."""
    owner = Work(path.parent).dataset
    return [
        refusal(lambda: labels.read(path, FRAME)),
        refusal(lambda: score.check_test(path, FRAME, ["a"], owner)),
        refusal(lambda: score.compare(good, path, FRAME)),
    ]


@pytest.mark.parametrize(("content", "line", "reason"), BAD_TABLES + BAD_RLES)
def test_bad_labels_and_truths_are_refused_with_their_line(
    tmp_path: Path, content: Content, line: int, reason: str
) -> None:
    odd, good = saved(tmp_path, content), saved(tmp_path, GOOD + "c,-1\n", "good.csv")
    for message in refusals_of_labels(odd, good):
        assert re.match(rf"{odd}, line {line}\b.*{reason}", message)


def test_labels_and_truths_with_a_blank_rle_are_refused(tmp_path: Path) -> None:
    odd, good = saved(tmp_path, BLANK_RLE), saved(tmp_path, GOOD, "good.csv")
    for message in refusals_of_labels(odd, good):
        assert f"{odd}, line 3: EncodedPixels is empty; -1 means no mask" in message


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
    pytest.param(SPLIT + "a,0\nb,0\nz,1\n", "one fold only of the 2 labelled", id="one-fold"),
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
    ],
)  # fmt: skip
def test_odd_groups_are_refused(
    planned: Callable[..., plan.Plan], groups: str, split: str | None, reason: str
) -> None:
    assert reason in refusal(lambda: planned(groups, split))


def test_groups_may_leave_patients_and_images_out(planned: Callable[..., plan.Plan]) -> None:
    split = SPLIT + "a,0\nb,1\nc,0\nd,1\n"
    dataset = planned("age,ImageId,patient_id\n,a,\n9,b,\n?,z,p\n", split)
    assert dataset.patients["patient_id"].to_dict() == {"a": "", "b": "", "z": "p"}


@pytest.mark.parametrize("missing", ["NaN", "nan", "None", "NULL", "n/a", "<NA>", " NaN "])
def test_a_missing_value_is_an_unknown_patient(
    planned: Callable[..., plan.Plan], missing: str
) -> None:
    dataset = planned(f"{GROUP}a,{missing}\nb,{missing}\nc,Nan Li\n")
    assert dataset.patients["patient_id"].to_dict() == {"a": "", "b": "", "c": "Nan Li"}


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


@pytest.mark.parametrize(("content", "line", "reason"), BAD_TABLES + BAD_RLES)
def test_bad_submissions_are_refused_with_their_line(
    tmp_path: Path, content: Content, line: int, reason: str
) -> None:
    odd, truth = saved(tmp_path, content), saved(tmp_path, GOOD, "truth.csv")
    message = refusal(lambda: score.compare(odd, truth, FRAME))
    assert re.match(rf"{odd}, line {line}\b.*{reason}", message)


def test_a_submission_with_a_blank_rle_has_no_mask_there(tmp_path: Path) -> None:
    odd, truth = saved(tmp_path, BLANK_RLE), saved(tmp_path, GOOD, "truth.csv")
    scored = score.compare(odd, truth, FRAME)
    assert (scored.dices.tolist(), scored.blank) == ([1, 0], ("b",))


@pytest.mark.parametrize(
    "content", [case.values[0] for case in BAD_TABLES + BAD_RLES] + [BLANK_RLE]
)
def test_the_check_of_a_new_submission_refuses_them_too(tmp_path: Path, content: Content) -> None:
    rows = [Row("a", "-1", 0, digest(np.zeros((4, 4), bool))),
            Row("b", "0 3", 3, digest(rle.decode("0 3", 4, 4)))]  # fmt: skip
    refusal(lambda: validation.check(saved(tmp_path, content), rows, FRAME))
    validation.check(saved(tmp_path, GOOD), rows, FRAME)


@given(st.lists(hnp.arrays(bool, (FRAME, FRAME)), min_size=1, max_size=5))
@settings(suppress_health_check=list(HealthCheck))
def test_masks_survive_a_label_file(tmp_path: Path, masks: Sequence[np.ndarray]) -> None:
    rows = "".join(f"i{n},{rle.encode(mask)}\n" for n, mask in enumerate(masks))
    read = labels.read(saved(tmp_path, HEAD + rows), FRAME)
    for mask, code, area in zip(masks, read["EncodedPixels"], read["area_px"], strict=True):
        assert (rle.decode(code, FRAME, FRAME) == mask).all()
        assert area == mask.sum()


def test_the_longest_rle_is_read(tmp_path: Path) -> None:
    chess = np.indices((1024, 1024)).sum(axis=0) % 2 == 0
    path = saved(tmp_path, f"{HEAD}a,{rle.encode(chess)}\n")
    assert path.stat().st_size > 2_000_000
    assert labels.read(path, 1024)["area_px"].tolist() == [2**19]


@given(st.binary(max_size=80), st.sampled_from(["", HEAD, SPLIT, GROUP]))
@settings(suppress_health_check=list(HealthCheck))
def test_any_bytes_are_read_or_refused_in_one_line(
    tmp_path: Path, content: bytes, head: str
) -> None:
    path = saved(tmp_path, head.encode() + content)
    for reader in (lambda: labels.read(path, FRAME), lambda: folds.read_split(path, []),
                   lambda: score.compare(path, path, FRAME)):  # fmt: skip
        message = ""
        try:
            reader()
        except InputError as error:
            message = str(error)
        assert len(message.splitlines()) <= 1
