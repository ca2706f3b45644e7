"""The table of patients: read for the images of a dataset, and checked against a given split."""

from pathlib import Path

import pandas as pd
import pytest

from lib.errors import InputError
from lib.prepare import patients
from tests.raw_folders import write_csv


def test_placeholders_are_unknown_patients_and_other_columns_stay(tmp_path: Path) -> None:
    rows = [("ImageId", "patient_id", "sex"), ("a", "p1", "F"), ("b", "NaN", "M"), ("z", "p2", "")]
    table = patients.read(write_csv(tmp_path / "p.csv", rows), ["a", "b"])
    assert table["patient_id"].to_dict() == {"a": "p1", "b": "", "z": "p2"}
    assert table.loc["b", "sex"] == "M"


def test_a_patient_in_two_folds_is_refused_with_the_line(tmp_path: Path) -> None:
    rows = [("ImageId", "fold"), ("a", 0), ("b", 0), ("c", 1), ("d", 1)]
    path = write_csv(tmp_path / "f.csv", rows)
    patients.check_split(path, pd.Series({"a": "p", "b": "p", "c": "q", "d": ""}))
    with pytest.raises(InputError, match="f.csv, line 4: c is in fold 1, .*'p' in fold 0; keep"):
        patients.check_split(path, pd.Series({"a": "p", "c": "p", "b": "", "d": ""}))
