"""Splitting the labelled images into folds: even in what they show, no patient in two of them.

python -m lib.prepare.folds LABELS PATIENTS OUT [--n-folds 5] [--seed 42]
"""

import argparse
import re
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd

from lib import tables
from lib.errors import InputError, run_stage
from lib.prepare import labels

N_FOLDS, SEED = 5, 42
AREA_BINS = 4
COMMITTED = Path(__file__).parents[2] / "folds" / "siim_stage2.csv"
COMPETITION_FRAME = 1024


def split(images: pd.DataFrame, n_folds: int, seed: int = SEED) -> pd.Series:
    """Assign folds, stratified by presence x area quartile and grouped by patient.

    Few positives make fewer bins of area: each must be able to reach every fold.

    Args:
        images: indexed by ImageId, with patient_id ("" if unknown: a patient of its own) and
            area_px (0 for none).
        n_folds: how many.
        seed: of the shuffling.

    Returns:
        The fold of each image, 0 to n_folds - 1, in the order of `images`.

    Raises:
        InputError: if there are too few positives or patients for so many folds.

    Reference:
        sklearn.model_selection.StratifiedGroupKFold.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # late: it takes a second to load

    images = images.sort_index()
    groups = images["patient_id"].where(images["patient_id"] != "", images.index)
    positive = images["area_px"] > 0
    check_enough("images with a pneumothorax", int(positive.sum()), n_folds)
    check_enough("patients with a pneumothorax", groups[positive].nunique(), n_folds)
    check_enough("patients", groups.nunique(), n_folds)
    folds = pd.Series(0, index=images.index, name="fold")
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    for fold, (_, held_out) in enumerate(splitter.split(images, _strata(images, n_folds), groups)):
        folds.iloc[held_out] = fold
    if folds[positive].nunique() < n_folds:
        raise InputError(
            f"{int(positive.sum())} positive images of {groups[positive].nunique()} patients leave "
            f"one of {n_folds} folds without any; use a smaller --n-folds"
        )
    return folds


def read_split(path: Path, image_ids: Collection[str]) -> pd.Series:
    """Read a split that others made.

    Args:
        path: a CSV with ImageId and fold.
        image_ids: those that it must cover.

    Returns:
        The fold of each of them.

    Raises:
        InputError: if an image is missing or there twice, or a fold is no number from 0.
    """
    rows = tables.read_images(path, ("ImageId", "fold"))
    for line, image_id, fold in rows[["ImageId", "fold"]].itertuples():
        if not re.fullmatch("[0-9]{1,3}", fold):
            raise InputError(
                f"{path}, line {line}, image {image_id}: fold {fold[:40]!r} is not a whole number "
                "from 0 to 999"
            )
    given = rows.set_index("ImageId")["fold"].astype(int)
    missing = sorted(set(image_ids) - set(given.index))
    if missing:
        raise InputError(
            f"{path} lacks {len(missing)} labelled images ({', '.join(missing[:3])}, ...); add "
            "them, or leave out --folds-csv to have a split made"
        )
    if given.nunique() == 1:
        raise InputError(f"{path} has one fold only; a split needs 2 folds or more")
    return given.loc[sorted(image_ids)]


def refuse_torn_patients(path: Path, patients: pd.Series) -> None:
    """Refuse a split that others made if it has images of one patient in two folds.

    Args:
        path: a CSV with ImageId and fold.
        patients: the patient by ImageId, "" if unknown.

    Raises:
        InputError: with the line of the image that is in another fold than those before it.
    """
    rows = tables.read_images(path, ("ImageId", "fold"))
    rows = rows.assign(patient=rows["ImageId"].map(patients))
    rows = rows[rows["patient"].notna() & (rows["patient"] != "")]
    first = rows.groupby("patient")["fold"].transform("first")
    torn = rows[rows["fold"] != first]
    if len(torn):
        line, row = torn.index[0], torn.iloc[0]
        raise InputError(
            f"{path}, line {line}: {row['ImageId']} is in fold {row['fold']}, another image of its "
            f"patient {row['patient'][:40]!r} in fold {first[line]}; keep a patient in one fold, "
            "or leave out --groups"
        )


def committed_covers(image_ids: Collection[str]) -> bool:
    """Whether the split that comes with this project has all of these images."""
    return set(image_ids) <= set(tables.read(COMMITTED, ("ImageId", "fold"))["ImageId"])


def _strata(images: pd.DataFrame, n_folds: int) -> np.ndarray:
    """0 for a negative image, else 1 to 4 by the quartile of its area."""
    areas = images["area_px"].to_numpy()
    strata = np.zeros(len(areas), int)
    positive = areas > 0
    bins = int(np.clip(positive.sum() // n_folds, 1, AREA_BINS))
    edges = np.quantile(areas[positive], np.arange(1, bins) / bins)
    strata[positive] = 1 + np.searchsorted(edges, areas[positive])
    return strata


def check_enough(what: str, count: int, n_folds: int) -> None:
    if n_folds < 2:
        raise InputError(f"--n-folds {n_folds}: a split needs 2 folds or more")
    if count < n_folds:
        raise InputError(
            f"{count} {what} cannot fill {n_folds} folds; use a smaller --n-folds or more images"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Split labelled images by patient.")
    parser.add_argument("labels", type=Path, help="label CSV: ImageId, EncodedPixels")
    parser.add_argument("patients", type=Path, help="CSV with ImageId and patient_id")
    parser.add_argument("out", type=Path, help="CSV to write: ImageId, fold")
    parser.add_argument("--n-folds", type=int, default=N_FOLDS)
    parser.add_argument("--seed", type=int, default=SEED)
    args = parser.parse_args()
    images = labels.unite(labels.read(args.labels, COMPETITION_FRAME), COMPETITION_FRAME)
    patients = tables.read_images(args.patients, ("ImageId", "patient_id")).set_index("ImageId")
    images["patient_id"] = patients["patient_id"].reindex(images.index).fillna("")
    folds = split(images, args.n_folds, args.seed)
    tables.write(args.out, folds.reset_index())
    print(f"{len(folds)} images in {args.n_folds} folds -> {args.out}")


if __name__ == "__main__":
    run_stage(main)
