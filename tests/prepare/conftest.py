"""Fixtures for the tests of stage 01: a stage to run, a small table of images, its census."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lib.prepare import census
from tests.prepare.stage import Stage

COLUMNS = ["split", "reason", "positive", "n_annotations", "area_px", "label_rows", "repeated_rows",
           "overlapping", "patient_id", "sex", "age", "view", "pixel_spacing_mm", "source",
           "sha256", "cleaned"]  # fmt: skip
CLEANED = [["age", "413", "missing"]]
ROWS = {
    "a": ("train", "", 1, 2, 900, 2, 0, 1, "p", "F", "40", "AP", "0.1", "dicom 8-bit", "1", ""),
    "b": ("train", "", 0, 0, 0, 1, 0, 0, "p", "F", "", "PA", "0.1", "dicom 8-bit", "2", CLEANED),
    "c": ("train", "", 1, 1, 500, 1, 0, 0, "q", "M", "60", "AP", "0.1",
          "dicom 12-bit window 40/400", "3", ""),
    "d": ("train", "", 0, 0, 0, 2, 1, 0, "", "", "50", "", "0.1",
          "dicom 12-bit window 41/400", "4", CLEANED),
    "e": ("excluded", "duplicate: same pixels as a", 1, 1, 900, 1, 0, 0, "r", "F", "1", "AP", "0.1",
          "dicom 8-bit", "1", ""),
    "f": ("excluded", "no label row", None, None, None, None, None, None, "s", "F", "1", "AP",
          "0.1", "dicom 8-bit", "6", ""),
    "g": ("test", "", None, None, None, None, None, None, "t", "M", "70", "PA", "0.1",
          "dicom 8-bit", "2", ""),
}  # fmt: skip
NUMBERS = COLUMNS[2:8]  # missing where an image has no label


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(tmp_path, monkeypatch)


@pytest.fixture
def images() -> pd.DataFrame:
    """Seven images as `dataset.tabulate` returns them: four to train on, one for test."""
    images = pd.DataFrame.from_dict(ROWS, orient="index", columns=COLUMNS)
    return images.astype(dict.fromkeys(NUMBERS, "Int64"))


@pytest.fixture
def summary(images: pd.DataFrame) -> dict[str, Any]:
    """The census of these images; two of nine files were left out by --limit."""
    folds = pd.Series({"a": 0, "b": 1, "c": 1, "d": 0})
    return census.summarize(images, folds, n_files=9, frame_size=1024)
