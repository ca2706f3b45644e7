"""The table of patients (--groups): which images belong to one person."""

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from lib import csv_files
from lib.errors import InputError
from lib.prepare.header import clean_patient


def read(path: Path, image_ids: Collection[str]) -> pd.DataFrame:
    """Read a table of patients.

    Args:
        path: a CSV with ImageId and patient_id; it may have rows of other images.
        image_ids: the images of the dataset.

    Returns:
        All columns and rows, indexed by ImageId; patient_id is "" if unknown.

    Raises:
        InputError: if the table has none of the images, or an image twice.
    """
    table = csv_files.read_images(path, ("ImageId", "patient_id"), image_ids).set_index("ImageId")
    if table.index.isin(list(image_ids)).any():
        return table.assign(patient_id=[clean_patient(raw)[0] for raw in table["patient_id"]])
    raise InputError(f"{path} has none of the images; a table of patients has their ImageIds")


def check_split(path: Path, patients: pd.Series) -> None:
    """Refuse a given split (--folds-csv) with images of one patient in two folds.

    Args:
        path: a CSV with ImageId and fold.
        patients: the patient by ImageId, "" if unknown.

    Raises:
        InputError: with the line of the first image in another fold than an earlier one.
    """
    rows = csv_files.read_images(path, ("ImageId", "fold"), patients.index)
    rows = rows.assign(patient=rows["ImageId"].map(patients))
    rows = rows[rows["patient"].notna() & (rows["patient"] != "")]
    first_folds = rows.groupby("patient")["fold"].transform("first")
    split_rows = rows[rows["fold"] != first_folds]
    if len(split_rows):
        line, row = split_rows.index[0], split_rows.iloc[0]
        raise InputError(
            f"{path}, line {line}: {row['ImageId']} is in fold {row['fold']}, another image of its "
            f"patient {row['patient'][:40]!r} in fold {first_folds[line]}; keep a patient in one "
            "fold, or leave out --groups"
        )
