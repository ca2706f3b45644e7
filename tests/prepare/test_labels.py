"""The label file: forms of -1, wrong codes, several rows of an image."""

import gzip
from pathlib import Path

import pandas as pd
import pytest

from lib.errors import InputError
from lib.prepare import labels
from tests.raw_folders import write_labels

FRAME = 4  # codes run over 16 pixels


def unite(tmp_path: Path, *rows: tuple[str, str]) -> pd.DataFrame:
    return labels.unite(labels.read(write_labels(tmp_path / "l.csv", rows), FRAME), FRAME)


def test_a_single_row_of_an_image_stays_unchanged(tmp_path: Path) -> None:
    united = unite(tmp_path, ("b", "0 3"), ("a", "-1"))
    assert united.index.tolist() == ["a", "b"]
    assert united["EncodedPixels"].tolist() == ["-1", "0 3"]
    assert united["n_annotations"].tolist() == [0, 1]
    assert united["area_px"].tolist() == [0, 3]


def test_overlapping_annotations_are_united_not_summed(tmp_path: Path) -> None:
    row = unite(tmp_path, ("a", "0 4"), ("a", "2 4")).loc["a"]
    assert row["EncodedPixels"] == "0 6"
    assert row["area_px"] == 6
    assert row["n_annotations"] == 2
    assert row["overlapping"]


def test_annotations_apart_do_not_overlap(tmp_path: Path) -> None:
    row = unite(tmp_path, ("a", "0 2"), ("a", "8 3")).loc["a"]
    assert row["EncodedPixels"] == "0 2 6 3"
    assert not row["overlapping"]


def test_a_repeated_row_counts_once(tmp_path: Path) -> None:
    united = unite(tmp_path, ("a", "0 2"), ("a", "0 2"), ("b", "-1"), ("b", "-1"))
    assert united["n_annotations"].tolist() == [1, 0]
    assert united["repeated_rows"].tolist() == [1, 1]
    assert not united["conflict"].any()


def test_empty_and_a_mask_is_a_conflict(tmp_path: Path) -> None:
    united = unite(tmp_path, ("a", "-1"), ("a", "0 2"), ("b", "0 2"), ("c", "-1"))
    assert united["conflict"].tolist() == [True, False, False]


@pytest.mark.parametrize(
    "text",
    [
        "ImageId, EncodedPixels\na, -1\nb, 0 3\n",
        "ImageId,EncodedPixels\r\na,-1\r\nb,0 3\r\n",
        "\ufeffImageId,EncodedPixels\na,-1.0\nb,0 3\n",
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_all_headers_and_forms_of_minus_one(tmp_path: Path, text: str, packed: bool) -> None:
    path = tmp_path / ("l.csv.gz" if packed else "l.csv")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    assert labels.read(path, FRAME)["EncodedPixels"].tolist() == ["-1", "0 3"]


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("0 3 5", "3 numbers"),
        ("0 x", "'x'"),
        ("-4 3", "negative offset"),
        ("10 7", "past 4x4.*--rle-size"),
        ("0 0", "length 0"),
    ],
)
def test_a_wrong_code_is_named_with_file_line_and_image(
    tmp_path: Path, code: str, fault: str
) -> None:
    path = write_labels(tmp_path / "l.csv", [("a", "-1"), ("bad", code)])
    with pytest.raises(InputError, match=f"l.csv, line 3, image bad: .*{fault}"):
        labels.read(path, FRAME)


def test_a_run_may_end_with_the_frame(tmp_path: Path) -> None:
    assert labels.read(write_labels(tmp_path / "l.csv", [("a", "15 1")]), FRAME).shape == (1, 3)


def test_a_file_without_the_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("image,mask\na,-1\n")
    with pytest.raises(InputError, match="no column ImageId"):
        labels.read(tmp_path / "l.csv", FRAME)


@pytest.mark.parametrize(
    ("code", "other", "expected"),
    [
        ("-1", "-1", True),
        ("-1", "0 4", False),
        ("0 4", "0 4", True),
        ("0 4", "1 4", True),  # Dice 6 / 8
        ("0 4", "3 4", False),  # Dice 2 / 8
    ],
)
def test_masks_agree_if_both_are_empty_or_much_alike(code: str, other: str, expected: bool) -> None:
    assert labels.masks_agree(code, other, FRAME) is expected
    assert labels.masks_agree(other, code, FRAME) is expected
