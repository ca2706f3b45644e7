"""CSV files: read in all the ways in which people write them, or refused with the line."""

import csv
import gzip
import io
import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib import csv_files
from lib.errors import InputError
from tests.csv_cases import (
    BAD_TABLES,
    BLANK_RLE,
    GOOD,
    HEAD,
    ODD_BUT_READ,
    Content,
    Pairs,
    refusal,
    saved,
)


def rows(frame: pd.DataFrame) -> list[list[str]]:
    return frame.to_numpy().tolist()


@pytest.mark.parametrize(("content", "expected"), ODD_BUT_READ)
@pytest.mark.parametrize("name", ["odd.csv", "ODD.CSV.GZ"])
def test_odd_but_legal_tables_are_read(
    tmp_path: Path, content: Content, expected: Pairs, name: str
) -> None:
    content = content.encode() if isinstance(content, str) else content
    content = gzip.compress(content) if name.endswith("GZ") else content
    assert rows(csv_files.read_rles(saved(tmp_path, content, name))) == [list(e) for e in expected]


def test_a_header_alone_is_an_empty_table(tmp_path: Path) -> None:
    assert rows(csv_files.read_rles(saved(tmp_path, HEAD))) == []


@pytest.mark.parametrize(("content", "line", "reason"), BAD_TABLES)
def test_bad_tables_are_refused_with_their_line(
    tmp_path: Path, content: Content, line: int, reason: str
) -> None:
    path = saved(tmp_path, content)
    message = refusal(lambda: csv_files.read_rles(path))
    assert re.match(rf"{path}, line {line}\b.*{reason}", message)


def test_a_blank_rle_is_refused_unless_it_is_allowed(tmp_path: Path) -> None:
    path = saved(tmp_path, BLANK_RLE)
    assert "line 3: EncodedPixels is empty; -1 means" in refusal(lambda: csv_files.read_rles(path))
    allowed = csv_files.read_rles(path, allow_blank=True)
    assert rows(allowed) == [["a", "-1"], ["b", ""]]


def test_the_index_is_the_line_and_missing_values_are_empty_text(tmp_path: Path) -> None:
    frame = csv_files.read(saved(tmp_path, "ImageId,sex,age\na,,3\n\nb,,\n"), ["ImageId"])
    assert list(frame.index) == [2, 4]
    assert rows(frame) == [["a", "", "3"], ["b", "", ""]]


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    for path, reason in (
        (saved(tmp_path, GOOD, "odd.csv.gz"), "cannot be read as CSV"),
        (tmp_path, "cannot be read as CSV: Is a directory"),
        (tmp_path / "none.csv", "does not exist"),
    ):
        assert f"{path} {reason}" in refusal(lambda path=path: csv_files.read_rles(path))


def test_a_table_of_images_has_no_image_twice(tmp_path: Path) -> None:
    path = saved(tmp_path, "ImageId,fold\na,0\n\nb,1\na,0\n")
    with pytest.raises(InputError, match="line 5: a is there twice, first in line 2; leave one"):
        csv_files.read_images(path, ("ImageId", "fold"))


def test_a_table_names_no_image_twice_with_other_extensions(tmp_path: Path) -> None:
    path = saved(tmp_path, "ImageId\na.png\nb\na.jpg\n")
    names = csv_files.read_images(path, ("ImageId",), ["b"])["ImageId"]
    assert names.tolist() == ["a.png", "b", "a.jpg"]
    with pytest.raises(InputError, match="line 4: a is there twice, first in line 2"):
        csv_files.read_images(path, ("ImageId",), ["a", "b"])


def test_a_damaged_gz_is_refused_wherever_it_is_damaged(tmp_path: Path) -> None:
    whole = gzip.compress((HEAD + "a,-1\nb,1 2\n" * 50).encode(), mtime=0)
    for position in range(10, len(whole)):
        flipped = whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :]
        with pytest.raises(InputError, match="CSV|column|line"):
            csv_files.read_rles(saved(tmp_path, flipped, "a.csv.gz"))
    with pytest.raises(InputError, match="cannot be read as CSV"):
        csv_files.read_rles(saved(tmp_path, whole[:-9], "a.csv.gz"))


anything = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@given(st.lists(st.tuples(anything, anything), max_size=6), st.sampled_from(["\n", "\r\n", "\r"]))
@settings(suppress_health_check=list(HealthCheck))
def test_every_cell_comes_back_with_the_line_of_its_row(
    tmp_path: Path, cells: list[tuple[str, str]], line_end: str
) -> None:
    written, lines = io.StringIO(newline=""), []
    writer = csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator=line_end)
    for row in [("x", "y"), *cells]:
        lines.append(len(io.StringIO(written.getvalue(), newline="").readlines()) + 1)
        writer.writerow(row)
    frame = csv_files.read(saved(tmp_path, written.getvalue()), ("x", "y"))
    stripped = {
        line: [cell.strip() for cell in row] for line, row in zip(lines[1:], cells, strict=True)
    }
    expected = {line: row for line, row in stripped.items() if any(row)}
    assert dict(zip(frame.index, frame.to_numpy().tolist(), strict=True)) == expected


cells = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)


@given(st.lists(st.tuples(cells, cells), max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_written_table_is_read_back(tmp_path: Path, table: list[tuple[str, str]]) -> None:
    path = tmp_path / "a.csv"
    csv_files.write(path, pd.DataFrame(table, columns=["y", "x"]))
    assert rows(csv_files.read(path, ("y", "x"))) == [list(row) for row in table]


def test_equal_tables_are_equal_bytes_with_unix_line_ends(tmp_path: Path) -> None:
    frame = pd.DataFrame({"ImageId": ["a", "b"], "p": [0.5, 0.25]}, index=[7, 3])
    csv_files.write(tmp_path / "a.csv", frame)
    assert (tmp_path / "a.csv").read_bytes() == b"ImageId,p\na,0.5\nb,0.25\n"
