"""Splitting the labelled images into folds: even in what they show, no patient in two of them.

python -m lib.prepare.folds LABELS PATIENTS OUT [--n-folds 5] [--seed 42]
"""

import argparse
import re
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd

from lib import csv_files
from lib.cli import int_in_range, run_stage
from lib.errors import InputError
from lib.prepare import labels, patients

N_FOLDS, SEED = 5, 42
LAST_SEED = 2**32 - 1  # that NumPy's legacy generator takes, which shuffles
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
    patients = images["patient_id"].where(images["patient_id"] != "", images.index)
    positive = images["area_px"] > 0
    check_enough("images with a pneumothorax", int(positive.sum()), n_folds)
    _check_patients("patients with a pneumothorax", patients[positive], n_folds)
    _check_patients("patients", patients, n_folds)
    folds = pd.Series(0, index=images.index, name="fold")
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    strata = _strata(images, n_folds)
    for fold, (_, held_out) in enumerate(splitter.split(images, strata, patients)):
        folds.iloc[held_out] = fold
    if folds[positive].nunique() < n_folds:
        raise InputError(
            f"{int(positive.sum())} positive images of {patients[positive].nunique()} patients "
            f"leave one of {n_folds} folds without any; use a smaller --n-folds"
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
    rows = csv_files.read_images(path, ("ImageId", "fold"))
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
    given = given.loc[sorted(image_ids)]
    if given.nunique() == 1:
        raise InputError(
            f"{path} has one fold only of the {len(given)} labelled images; a split needs 2 folds "
            "or more"
        )
    return given


def refuse_one_kind(path: Path, given: pd.Series, positive: pd.Series) -> None:
    """Refuse a split that others made if a fold lacks positive or negative images.

    Args:
        path: where it is from.
        given: the fold by ImageId.
        positive: whether an image shows a pneumothorax, of the same images.

    Raises:
        InputError: with the first fold that has none of a kind.
    """
    for kind, own in (("positive", positive), ("negative", ~positive)):
        lacking = sorted(set(given) - set(given[own.index[own]]))
        if lacking:
            raise InputError(
                f"{path}: fold {lacking[0]} has no {kind} image among those labelled; give every "
                "fold both, or leave out --folds-csv to have a split made"
            )


def refuse_torn_patients(path: Path, patients: pd.Series) -> None:
    """Refuse a split that others made if it has images of one patient in two folds.

    Args:
        path: a CSV with ImageId and fold.
        patients: the patient by ImageId, "" if unknown.

    Raises:
        InputError: with the line of the image that is in another fold than those before it.
    """
    rows = csv_files.read_images(path, ("ImageId", "fold"))
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
    return set(image_ids) <= set(csv_files.read(COMMITTED, ("ImageId", "fold"))["ImageId"])


def _strata(images: pd.DataFrame, n_folds: int) -> np.ndarray:
    """0 for a negative image, else 1 to 4 by the quartile of its area."""
    areas = images["area_px"].to_numpy()
    strata = np.zeros(len(areas), int)
    positive = areas > 0
    bins = int(np.clip(positive.sum() // n_folds, 1, AREA_BINS))
    edges = np.quantile(areas[positive], np.arange(1, bins) / bins)
    strata[positive] = 1 + np.searchsorted(edges, areas[positive])
    return strata


def check_enough(what: str, count: int, n_folds: int, cure: str = "more images") -> None:
    if n_folds < 2:
        raise InputError(f"--n-folds {n_folds}: a split needs 2 folds or more")
    if count < n_folds:
        raise InputError(
            f"{count} {what} cannot fill {n_folds} folds; use a smaller --n-folds or {cure}"
        )


def _check_patients(what: str, patients: pd.Series, n_folds: int) -> None:
    cure = "more of them; where one id stands for many, --groups CSV tells them apart"
    check_enough(what, patients.nunique(), n_folds, cure)


def main() -> None:
    parser = argparse.ArgumentParser(description="Split labelled images by patient.")
    parser.add_argument("labels", type=Path, help="label CSV: ImageId, EncodedPixels")
    parser.add_argument("patients", type=Path, help="CSV with ImageId and patient_id")
    parser.add_argument("out", type=Path, help="CSV to write: ImageId, fold")
    parser.add_argument("--n-folds", type=int_in_range(2), default=N_FOLDS)
    parser.add_argument("--seed", type=int_in_range(0, LAST_SEED), default=SEED)
    args = parser.parse_args()
    images = labels.unite(labels.read(args.labels, COMPETITION_FRAME), COMPETITION_FRAME)
    patient_ids = patients.read(args.patients, images.index)["patient_id"]
    if args.out.exists() and any(args.out.samefile(read) for read in (args.labels, args.patients)):
        raise InputError(f"{args.out} is a table that is read; choose another OUT")
    images["patient_id"] = patient_ids.reindex(images.index).fillna("")
    folds = split(images, args.n_folds, args.seed)
    csv_files.write(args.out, folds.reset_index())
    print(f"{len(folds)} images in {args.n_folds} folds -> {args.out}")


if __name__ == "__main__":
    run_stage(main)
