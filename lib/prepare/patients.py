"""The table of patients that others made: whose images belong together."""

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from lib import csv_files
from lib.errors import InputError
from lib.prepare.header import clean_patient


def read(path: Path, image_ids: Collection[str]) -> pd.DataFrame:
    """Read a table of patients.

    Args:
        path: a CSV with ImageId and patient_id, perhaps of other images too.
        image_ids: those whose patients are wanted.

    Returns:
        All columns, indexed by ImageId; patient_id is "" if unknown.

    Raises:
        InputError: if none of the images is in it, or one is there twice.
    """
    groups = csv_files.read_images(path, ("ImageId", "patient_id")).set_index("ImageId")
    if groups.index.isin(list(image_ids)).any():
        return groups.assign(patient_id=[clean_patient(raw)[0] for raw in groups["patient_id"]])
    raise InputError(f"{path} has none of the images; a table of patients has their ImageIds")
