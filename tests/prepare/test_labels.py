"""The label file: forms of -1, wrong codes, several rows of an image."""

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


def test_annotations_are_united_and_overlaps_not_summed(tmp_path: Path) -> None:
    united = unite(tmp_path, ("a", "0 4"), ("a", "2 4"), ("b", "0 2"), ("b", "8 3"))
    assert united["EncodedPixels"].tolist() == ["0 6", "0 2 6 3"]
    assert united["area_px"].tolist() == [6, 5]
    assert united["n_annotations"].tolist() == [2, 2]
    assert united["overlapping"].tolist() == [True, False]


def test_a_repeated_row_counts_once(tmp_path: Path) -> None:
    united = unite(tmp_path, ("a", "0 2"), ("a", "0 2"), ("b", "-1"), ("b", "-1"))
    assert united["n_annotations"].tolist() == [1, 0]
    assert united["repeated_rows"].tolist() == [1, 1]
    assert not united["conflict"].any()


def test_empty_and_a_mask_is_a_conflict(tmp_path: Path) -> None:
    united = unite(tmp_path, ("a", "-1"), ("a", "0 2"), ("b", "0 2"), ("c", "-1"))
    assert united["conflict"].tolist() == [True, False, False]


def test_a_wrong_code_is_named_with_file_line_image_and_cure(tmp_path: Path) -> None:
    path = write_labels(tmp_path / "l.csv", [("a", "-1"), ("bad", "10 7")])
    with pytest.raises(InputError, match="l.csv, line 3, image bad: .* past 4x4.*--rle-size"):
        labels.read(path, FRAME)


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
