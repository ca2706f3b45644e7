"""What each image of a raw folder is for, decided and checked before any is decoded."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lib import csv_files
from lib.errors import InputError
from lib.files import sha256
from lib.prepare import folds, labels, patients
from lib.prepare.discover import RawFolder


@dataclass(frozen=True)
class ImageRoles:
    """What the images are for; some may lack a file.

    Attributes:
        train: the labelled ones.
        test: those to be predicted.
        unlabelled: the rest, which are never taken for negatives.
        sample: the ids that a submission must have, in its order.
    """

    train: set[str]
    test: set[str]
    unlabelled: set[str]
    sample: list[str]


@dataclass(frozen=True)
class Plan:
    """What a dataset is made from.

    Attributes:
        annotations: the label rows of `roles.train`, checked.
        groups: patient_id, and perhaps sex, age and view, by ImageId; empty if not given.
        split: the CSV with the folds; None: a split is made.
        config: all that decides the dataset. That something may be missing is a permission, and
            changes nothing where nothing is missing: it is no fact.
    """

    source: RawFolder
    roles: ImageRoles
    annotations: pd.DataFrame
    groups: pd.DataFrame
    split: Path | None
    config: Mapping[str, Any]

    @property
    def image_ids(self) -> list[str]:
        return sorted(self.roles.train | self.roles.test | self.roles.unlabelled)


def make_plan(
    source: RawFolder,
    rle_size: int,
    n_folds: int,
    limit: int | None = None,
    allow_missing: bool = False,
    folds_csv: Path | None = None,
    groups_csv: Path | None = None,
) -> Plan:
    """Plan a dataset.

    Args:
        source: the raw folder.
        rle_size: the side of the RLE frame, in pixels.
        n_folds: how many folds a split that is made here has.
        limit: for a trial, at most so many training and so many test images, of those with a file.
        allow_missing: go on where labelled or test images have no file.
        folds_csv: the split, instead of one that is made.
        groups_csv: ImageId and patient_id; sex, age and view too if it has them.

    Raises:
        InputError: for everything in labels, sample, folds and groups that does not fit.
    """
    annotations = _annotations(source, rle_size)
    labelled = set(annotations["ImageId"])
    sample_csv, sample = _sample(source, labelled)
    roles = _roles(source, labelled, sample)
    if limit:
        roles = _limited(roles, source, annotations, limit)
    elif not allow_missing:
        _refuse_missing(roles.train - source.images.keys(), len(roles.train), "labelled", source)
        _refuse_missing(roles.test - source.images.keys(), len(roles.test), "test", source)
    annotations = annotations[annotations["ImageId"].isin(roles.train)]
    split = _split(annotations, n_folds, folds_csv)
    config = {
        "rle_size": rle_size,
        "n_folds": None if split else n_folds,
        "seed": None if split else folds.SEED,
        "limit": limit,
        "image_files_sha256": source.digest,
        "labels_sha256": _digest(source.labels),
        "sample_sha256": _digest(sample_csv),
        "folds_sha256": _digest(split),
        "groups_sha256": _digest(groups_csv),
    }
    patients = _patients(groups_csv, roles.train | roles.test)
    if folds_csv:
        folds.refuse_torn_patients(folds_csv, patients["patient_id"])
    return Plan(source, roles, annotations, patients, split, config)


def _annotations(source: RawFolder, rle_size: int) -> pd.DataFrame:
    if source.labels is None:
        return pd.DataFrame(columns=[*csv_files.RLE_COLUMNS, "area_px"])
    rows = labels.read(source.labels, rle_size)
    if rows.empty:
        raise InputError(f"{source.labels} has no rows; without labels, take it out of the folder")
    return rows


def _sample(source: RawFolder, labelled: set[str]) -> tuple[Path | None, list[str]]:
    """The sample submission that counts, and its ids, once each.

    An image cannot be both labelled and test: a sample submission with labelled ids belongs to an
    earlier stage, whose test images became training images. It is passed over beside one without.
    """
    ids = {path: _sample_ids(path) for path in source.samples}
    fitting = [path for path in ids if labelled.isdisjoint(ids[path])]
    if len(fitting) > 1:
        named = ", ".join(str(path.relative_to(source.root)) for path in fitting)
        raise InputError(
            f"{source.root} has more than one sample submission ({named}); leave one there"
        )
    if ids and not fitting:
        path, names = next(iter(ids.items()))
        both = [name for name in names if name in labelled]
        raise InputError(
            f"{path}: {len(both)} of {len(names)} ids are labelled in {source.labels} too "
            f"({_few(both)}), and no image can be both for training and for test; "
            "take one of the two files out of the folder, or give other --labels"
        )
    return (fitting[0], ids[fitting[0]]) if fitting else (None, [])


def _sample_ids(path: Path) -> list[str]:
    ids = list(dict.fromkeys(csv_files.read(path, ("ImageId",))["ImageId"]))
    if not ids:
        raise InputError(f"{path} has no rows; a sample submission names the test images")
    return ids


def _roles(source: RawFolder, labelled: set[str], sample: list[str]) -> ImageRoles:
    """Labelled images are for training. Test images are the ids of the sample submission; without
    one, the unlabelled images in a folder whose name says test; without labels, every image.
    """
    if not labelled:
        test = {*source.images, *sample}
    elif sample:
        test = set(sample)
    else:
        test = {name for name in source.images if source.in_test_folder(name)} - labelled
    return ImageRoles(
        labelled, test, source.images.keys() - labelled - test, sample or sorted(test)
    )


def _limited(
    roles: ImageRoles, source: RawFolder, annotations: pd.DataFrame, limit: int
) -> ImageRoles:
    """The first so many by ImageId and in the sample, positives in their share."""
    train = sorted(roles.train & source.images.keys())
    with_mask = set(annotations["ImageId"][annotations["area_px"] > 0])
    positive = [name for name in train if name in with_mask]
    negative = [name for name in train if name not in with_mask]
    if len(train) > limit:
        kept = math.ceil(limit * len(positive) / len(train))
        train = positive[:kept] + negative[: limit - kept]
    sample = [name for name in roles.sample if name in source.images][:limit]
    return ImageRoles(set(train), set(sample), set(), sample)


def _refuse_missing(missing: Collection[str], total: int, what: str, source: RawFolder) -> None:
    if missing:
        raise InputError(
            f"{len(missing)} of {total} {what} images have no file in {source.root} "
            f"({_few(missing)}); add them, or go on without them by --allow-missing, or with "
            "a part of those that are there by --limit N"
        )


def _split(annotations: pd.DataFrame, n_folds: int, folds_csv: Path | None) -> Path | None:
    """The CSV with the folds: the one given, else the committed one if it has every image."""
    positive = annotations.groupby("ImageId")["area_px"].max() > 0
    if folds_csv:
        folds.refuse_one_kind(folds_csv, folds.read_split(folds_csv, positive.index), positive)
        return folds_csv
    if len(positive) and n_folds == folds.N_FOLDS and folds.committed_covers(positive.index):
        return folds.COMMITTED
    if len(positive):  # patients are known only after decoding, but this much is now
        folds.check_enough("images with a pneumothorax", int(positive.sum()), n_folds)
    return None


def _patients(path: Path | None, image_ids: set[str]) -> pd.DataFrame:
    if path is None:
        return pd.DataFrame({"patient_id": {}}, dtype=str)
    return patients.read(path, image_ids)


def _digest(path: Path | None) -> str | None:
    return sha256(path) if path else None


def _few(names: Collection[str]) -> str:
    return ", ".join(sorted(names)[:3]) + (", ..." if len(names) > 3 else "")
