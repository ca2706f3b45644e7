"""Split of the labelled images into folds: stratified by mask area, grouped by patient.

python -m lib.prepare.folds LABELS PATIENTS OUT [--n-folds 5] [--seed 42]
"""

import argparse
import re
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd

from lib import csv_files, rle
from lib.cli import int_in_range, run_stage
from lib.errors import InputError
from lib.prepare import labels, patients

N_FOLDS, SEED = 5, 42
MAX_SEED = 2**32 - 1  # of NumPy's legacy generator, with which scikit-learn shuffles
AREA_BINS = 4
COMMITTED_SPLIT = Path(__file__).parents[2] / "folds" / "siim_stage2.csv"


def split(images: pd.DataFrame, n_folds: int, seed: int = SEED) -> pd.Series:
    """Assign folds, stratified by presence x area quartile and grouped by patient.

    Few positives get fewer area bins, so that every fold can have an image of each bin.

    Args:
        images: indexed by ImageId, with patient_id ("" if unknown: a patient of its own) and
            area_px (0 without a pneumothorax).
        n_folds: number of folds, 2 or more.
        seed: of the shuffling.

    Returns:
        The fold of each image, 0 to n_folds - 1, in the order of `images`.

    Raises:
        InputError: if there are fewer positives or patients than folds.

    Reference:
        sklearn.model_selection.StratifiedGroupKFold.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # late: it takes a second to load

    images = images.sort_index()
    patient_ids = images["patient_id"].where(images["patient_id"] != "", images.index)
    positive = images["area_px"] > 0
    check_enough("images with a pneumothorax", int(positive.sum()), n_folds)
    _check_patients("patients with a pneumothorax", patient_ids[positive], n_folds)
    _check_patients("patients", patient_ids, n_folds)
    folds = pd.Series(0, index=images.index, name="fold")
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    strata = _strata(images, n_folds)
    for fold, (_, rows) in enumerate(splitter.split(images, strata, patient_ids)):
        folds.iloc[rows] = fold
    if folds[positive].nunique() < n_folds:
        raise InputError(
            f"{int(positive.sum())} positive images of {patient_ids[positive].nunique()} patients "
            f"leave one of {n_folds} folds without any; use a smaller --n-folds"
        )
    return folds


def read_split(path: Path, image_ids: Collection[str]) -> pd.Series:
    """Read a given split (--folds-csv, or the committed one).

    Args:
        path: a CSV with ImageId and fold.
        image_ids: the images that it must cover.

    Returns:
        The fold of each of these images, sorted by ImageId.

    Raises:
        InputError: if an image is missing or there twice, a fold is not a number from 0 to 999, or
            all images are in one fold.
    """
    rows = csv_files.read_images(path, ("ImageId", "fold"), image_ids)
    for line, image_id, fold in rows[["ImageId", "fold"]].itertuples():
        if not re.fullmatch("[0-9]{1,3}", fold):
            raise InputError(
                f"{path}, line {line}, image {image_id}: fold {fold[:40]!r} is not a whole number "
                "from 0 to 999"
            )
    folds = rows.set_index("ImageId")["fold"].astype(int)
    missing = sorted(set(image_ids) - set(folds.index))
    if missing:
        raise InputError(
            f"{path} lacks {len(missing)} labelled images ({', '.join(missing[:3])}, ...); add "
            "them, or leave out --folds-csv to have a split made"
        )
    folds = folds.loc[sorted(image_ids)]
    if folds.nunique() == 1:
        raise InputError(
            f"{path} has one fold only of the {len(folds)} labelled images; a split needs 2 folds "
            "or more"
        )
    return folds


def check_both_classes(path: Path, folds: pd.Series, positive: pd.Series) -> None:
    """Refuse a given split with a fold that lacks positive or negative images.

    Args:
        path: the CSV that it was read from, for the message.
        folds: the fold by ImageId.
        positive: True for images with a pneumothorax, by ImageId.

    Raises:
        InputError: with the first fold that lacks a class.
    """
    for kind, of_kind in (("positive", positive), ("negative", ~positive)):
        lacking = sorted(set(folds) - set(folds[of_kind.index[of_kind]]))
        if lacking:
            raise InputError(
                f"{path}: fold {lacking[0]} has no {kind} image among those labelled; give every "
                "fold both, or leave out --folds-csv to have a split made"
            )


def committed_split_covers(image_ids: Collection[str]) -> bool:
    """Return True if the split in this repository has all of these images."""
    return set(image_ids) <= set(csv_files.read(COMMITTED_SPLIT, ("ImageId", "fold"))["ImageId"])


def check_enough(items: str, count: int, n_folds: int, cure: str = "more images") -> None:
    """Refuse fewer than 2 folds, and fewer items than folds; `items` names them in the message."""
    if n_folds < 2:
        raise InputError(f"--n-folds {n_folds}: a split needs 2 folds or more")
    if count < n_folds:
        raise InputError(
            f"{count} {items} cannot fill {n_folds} folds; use a smaller --n-folds or {cure}"
        )


def _strata(images: pd.DataFrame, n_folds: int) -> np.ndarray:
    """Return 0 for negative images, 1 to 4 for positive ones by the quartile of their area."""
    areas = images["area_px"].to_numpy()
    strata = np.zeros(len(areas), int)
    positive = areas > 0
    bins = int(np.clip(positive.sum() // n_folds, 1, AREA_BINS))
    edges = np.quantile(areas[positive], np.arange(1, bins) / bins)
    strata[positive] = 1 + np.searchsorted(edges, areas[positive])
    return strata


def _check_patients(items: str, patient_ids: pd.Series, n_folds: int) -> None:
    cure = "more of them; if one id stands for many patients, name them with --groups CSV"
    check_enough(items, patient_ids.nunique(), n_folds, cure)


def main() -> None:
    parser = argparse.ArgumentParser(description="Split labelled images by patient.")
    parser.add_argument("labels", type=Path, help="label CSV: ImageId, EncodedPixels")
    parser.add_argument("patients", type=Path, help="CSV with ImageId and patient_id")
    parser.add_argument("out", type=Path, help="CSV to write: ImageId, fold")
    parser.add_argument("--n-folds", type=int_in_range(2), default=N_FOLDS)
    parser.add_argument("--seed", type=int_in_range(0, MAX_SEED), default=SEED)
    args = parser.parse_args()
    images = labels.unite(labels.read(args.labels, rle.COMPETITION_FRAME), rle.COMPETITION_FRAME)
    patient_ids = patients.read(args.patients, images.index)["patient_id"]
    inputs = (args.labels, args.patients)
    if args.out.exists() and any(args.out.samefile(path) for path in inputs):
        raise InputError(f"{args.out} is a table that is read; choose another OUT")
    images["patient_id"] = patient_ids.reindex(images.index).fillna("")
    folds = split(images, args.n_folds, args.seed)
    csv_files.write(args.out, folds.reset_index())
    print(f"{len(folds)} images in {args.n_folds} folds -> {args.out}")


if __name__ == "__main__":
    run_stage(main)
