"""CSV files: ours strict, other people's in all the ways they are written."""

import gzip
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib import csv_files
from lib.errors import InputError

HEADER = "ImageId,EncodedPixels\n"


def saved(tmp_path: Path, content: str | bytes, name: str = "a.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows(frame: pd.DataFrame) -> list[list[str]]:
    return frame.to_numpy().tolist()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(HEADER + "a,-1\nb,1 2\n", [["a", "-1"], ["b", "1 2"]], id="plain"),
        pytest.param("ImageId, EncodedPixels\na, -1\n", [["a", "-1"]], id="blanks-of-stage-1"),
        pytest.param(HEADER + "a,-1.0\n", [["a", "-1"]], id="float-minus-one"),
        pytest.param(HEADER + 'a,"-1"\n', [["a", "-1"]], id="quoted-minus-one"),
        pytest.param(HEADER + "1.20,-1\n", [["1.20", "-1"]], id="id-that-looks-like-a-number"),
        pytest.param(HEADER + "NaN,-1\nnull,-1\n", [["NaN", "-1"], ["null", "-1"]], id="id-nan"),
        pytest.param("\ufeff" + HEADER + "a,-1\n", [["a", "-1"]], id="byte-order-mark"),
        pytest.param(HEADER.strip() + "\r\na,-1\r\n", [["a", "-1"]], id="crlf"),
        pytest.param(HEADER + "a,-1", [["a", "-1"]], id="no-newline-at-the-end"),
        pytest.param(HEADER + "\na,-1\n\n\n", [["a", "-1"]], id="blank-lines"),
        pytest.param("x,EncodedPixels,ImageId\n7,-1,a\n", [["a", "-1"]], id="other-order-and-more"),
        pytest.param(HEADER, [], id="header-only"),
        pytest.param("\n" + HEADER + "a,-1\n", [["a", "-1"]], id="blank-first-line"),
    ],
)
def test_all_spellings_are_read(tmp_path: Path, content: str, expected: list[list[str]]) -> None:
    assert rows(csv_files.read_rles(saved(tmp_path, content))) == expected


def test_gz_is_read_too(tmp_path: Path) -> None:
    path = saved(tmp_path, gzip.compress(f"{HEADER}a,-1\n".encode()), "a.csv.gz")
    assert rows(csv_files.read_rles(path)) == [["a", "-1"]]


def test_the_index_is_the_line_in_the_file(tmp_path: Path) -> None:
    frame = csv_files.read(saved(tmp_path, HEADER + "a,-1\n\nb,-1\n"), csv_files.RLE_COLUMNS)
    assert list(frame.index) == [2, 4]


def test_missing_values_are_empty_text(tmp_path: Path) -> None:
    frame = csv_files.read(saved(tmp_path, "ImageId,sex,age\na,,3\nb,,\n"), ["ImageId"])
    assert rows(frame) == [["a", "", "3"], ["b", "", ""]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("", r"line 1: the table has no column ImageId, it has \[\]", id="empty"),
        pytest.param(
            "ImageId\na\n", r"no column EncodedPixels, it has \['ImageId'\]", id="column-missing"
        ),
        pytest.param(
            "ImageId,ImageId,EncodedPixels\na,b,-1\n", "more than one column 'ImageId'", id="twice"
        ),
        pytest.param("imageid,EncodedPixels\na,-1\n", "no column ImageId", id="other-case"),
        pytest.param("ImageId;EncodedPixels\na;-1\n", "no column ImageId", id="semicolons"),
        pytest.param(HEADER + "a,-1,7\n", "line 2: 3 cells where", id="too-many-cells"),
        pytest.param(HEADER + '"a,-1\n', "line 2: quotes that", id="quote-never-closed"),
        pytest.param(HEADER.encode("utf-16"), "line 1 holds what is no UTF-8", id="utf-16"),
        pytest.param(b"\x89PNG\r\n\x1a\n\xff\xfe", "line 1 holds what is no", id="an-image"),
        pytest.param(HEADER + "a,-1\n,-1\n", "line 3: ImageId '' cannot", id="no-id"),
        pytest.param(HEADER + "a,\n", "line 2: EncodedPixels is empty; -1 means", id="no-code"),
        pytest.param(HEADER + "a\n", "line 2: 1 cells where", id="row-cut-short"),
    ],
)
def test_refuses_what_it_cannot_read(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        csv_files.read_rles(saved(tmp_path, content))
    assert len(str(refused.value).splitlines()) == 1


def test_refuses_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not there"):
        csv_files.read_rles(tmp_path / "none.csv")
    with pytest.raises(InputError, match="cannot be read as CSV"):
        csv_files.read_rles(tmp_path)


def test_a_table_with_a_row_an_image_has_no_image_twice(tmp_path: Path) -> None:
    path = saved(tmp_path, "ImageId,fold\na,0\n\nb,1\na,0\n")
    with pytest.raises(InputError, match="line 5: a is there twice, first in line 2; leave one"):
        csv_files.read_images(path, ("ImageId", "fold"))


def test_archives_are_not_unpacked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no column ImageId"):
        csv_files.read_rles(saved(tmp_path, b"PK\x03\x04", "a.zip"))


def test_a_damaged_gz_is_refused_wherever_it_is_damaged(tmp_path: Path) -> None:
    whole = gzip.compress((HEADER + "a,-1\nb,1 2\n" * 50).encode(), mtime=0)
    for position in range(10, len(whole)):
        flipped = whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :]
        with pytest.raises(InputError, match="CSV|column|line"):
            csv_files.read_rles(saved(tmp_path, flipped, "a.csv.gz"))
    with pytest.raises(InputError, match="cannot be read as CSV"):
        csv_files.read_rles(saved(tmp_path, whole[:-9], "a.csv.gz"))


cells = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)


@given(st.lists(st.tuples(cells, cells), max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read_back(tmp_path: Path, table: list[tuple[str, str]]) -> None:
    path = tmp_path / "a.csv"
    csv_files.write(path, pd.DataFrame(table, columns=["y", "x"]))
    assert rows(csv_files.read(path, ("y", "x"))) == [list(row) for row in table]


@given(st.binary(max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_read_or_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    said = "read"
    try:
        csv_files.read_rles(saved(tmp_path, b"ImageId,EncodedPixels" + content))
    except InputError as error:
        said = str(error)
    assert len(said.splitlines()) == 1


def test_equal_tables_are_equal_bytes_with_unix_line_ends(tmp_path: Path) -> None:
    frame = pd.DataFrame({"ImageId": ["a", "b"], "p": [0.5, 0.25]}, index=[7, 3])
    csv_files.write(tmp_path / "a.csv", frame)
    assert (tmp_path / "a.csv").read_bytes() == b"ImageId,p\na,0.5\nb,0.25\n"
