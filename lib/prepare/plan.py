"""Plan of a dataset: the role of each image, chosen and checked before any is decoded."""

import math
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from lib import csv_files, frame, rle
from lib.errors import InputError
from lib.files import sha256
from lib.prepare import dicom, folds, labels, masks, patients
from lib.prepare.discover import RawFolder
from lib.prepare.labels import Labels

N_SIZES = 20  # images whose size is read from the header


@dataclass(frozen=True)
class ImageRoles:
    """The role of each image; some images may lack a file.

    Attributes:
        train: the labelled images.
        test: the images to predict.
        unlabelled: all others; they are never used as negatives.
        sample: the ids that a submission must have, in its order.
    """

    train: set[str]
    test: set[str]
    unlabelled: set[str]
    sample: list[str]


@dataclass(frozen=True)
class Plan:
    """The checked inputs of a dataset.

    Attributes:
        annotations: the label rows of `roles.train`.
        patients: patient_id, and perhaps sex, age and view, by ImageId; empty without --groups.
        split: the CSV with the folds; None: a split is computed.
        sample_csv: the sample submission; None without one.
        notes: lines for the log.
        config: all that determines the dataset. The --allow flags are no part of it: they only
            permit gaps, and change nothing where there are none.
    """

    source: RawFolder
    roles: ImageRoles
    annotations: pd.DataFrame
    patients: pd.DataFrame
    split: Path | None
    sample_csv: Path | None
    notes: Sequence[str]
    config: Mapping[str, Any]

    @property
    def image_ids(self) -> list[str]:
        return sorted(self.roles.train | self.roles.test | self.roles.unlabelled)

    def describe(self) -> str:
        """Return a line that names the tables, the split and the RLE frame in use, and notes."""
        tables = (self.source.labels, self.sample_csv)
        labels, sample = (self.source.relative(path) if path else "none" for path in tables)
        split = f"computed, {self.config['n_folds']} folds" if self.roles.train else "none"
        side = self.config["rle_size"]
        inputs = (
            f"labels: {labels}; sample submission: {sample}; split: {self.split or split}; "
            f"RLE frame: {side}x{side}"
        )
        return "\n".join([inputs, *self.notes])


def make_plan(
    source: RawFolder,
    *,
    rle_size: int | None,
    n_folds: int,
    limit: int | None = None,
    balanced: bool = False,
    allow_missing: bool = False,
    folds_csv: Path | None = None,
    groups_csv: Path | None = None,
    workers: int | None = None,
) -> Plan:
    """Plan a dataset.

    Args:
        source: the raw folder.
        rle_size: the side of the RLE frame, in pixels; None: that of the masks, else 1024.
        n_folds: number of folds of a computed split.
        limit: maximum number of training images, and of test images, among those with a file.
        balanced: take as many training images without a pneumothorax as with one.
        allow_missing: accept labelled and test images without a file.
        folds_csv: a given split, instead of a computed one.
        groups_csv: ImageId and patient_id; it may have sex, age and view too.
        workers: processes that read masks.

    Raises:
        InputError: if labels, sample submission, folds or patients do not fit the images, or a
            balanced set lacks a class.
    """
    all_labels = _read_labels(source, rle_size, workers)
    annotations = all_labels.rows
    labelled = set(annotations["ImageId"])
    sample_csv, sample_names = _choose_sample(source, labelled)
    sample_ids = list(dict.fromkeys(sample_names.values()))
    roles = _assign_roles(source, labelled, sample_ids)
    if not labelled:
        _check_unlabelled(source, set(sample_ids))
    elif labelled.isdisjoint(source.images):
        raise InputError(
            f"{source.labels} labels {_first_names(labelled)}, but no image in {source.root} has "
            f"one of its ids: files are named as {_first_names(source.images)}; give other "
            "--labels or --masks"
        )
    if not limit and not allow_missing:
        _check_files(roles.train, "labelled", source)
        _check_files(roles.test, "test", source)
    if balanced:
        roles = _balance_classes(roles, source, annotations)
    if limit:
        roles = _limit_images(roles, source, annotations, limit)
    annotations = annotations[annotations["ImageId"].isin(roles.train)]
    split = _choose_split(annotations, n_folds, folds_csv)
    patient_table = _read_patients(groups_csv, roles.train | roles.test)
    if folds_csv:
        patients.check_split(folds_csv, patient_table["patient_id"])
    config = {
        "rle_size": all_labels.frame_size,
        "n_folds": None if split else n_folds,
        "seed": None if split else folds.SEED,
        "limit": limit,
        "image_files_sha256": source.digest,
        "labels_sha256": all_labels.sha256,
        "sample_sha256": _digest(sample_csv),
        "folds_sha256": _digest(split),
        "groups_sha256": _digest(groups_csv),
    }
    if balanced:  # no key otherwise: datasets of earlier versions stay up to date
        config["balanced"] = True
    notes = [all_labels.note] if all_labels.note else []
    renamed = [(name, image_id) for name, image_id in sample_names.items() if name != image_id]
    if renamed:
        name, image_id = renamed[0]
        notes.append(
            f"{len(renamed)} ids of the sample submission match images without an extension only; "
            f"submission.csv has {image_id} for {name}"
        )
    if labelled and (annotations["area_px"] > 0).all():
        notes.append(
            "warning: every labelled image has a pneumothorax, so networks will find one in every "
            f"image; {len(roles.unlabelled)} images without a label are left out: one without a "
            "pneumothorax needs a label row with -1"
        )
    elif source.masks and roles.unlabelled:
        notes.append(
            f"{len(roles.unlabelled)} images without a mask are left out; without a pneumothorax, "
            "an image has a mask of zeros"
        )
    return Plan(source, roles, annotations, patient_table, split, sample_csv, notes, config)


def _read_labels(source: RawFolder, rle_size: int | None, workers: int | None) -> Labels:
    frame_size = rle_size or rle.COMPETITION_FRAME
    if source.labels is None:
        return Labels(pd.DataFrame(columns=[*csv_files.RLE_COLUMNS, "area_px"]), frame_size)
    if source.masks:
        found = masks.read(source.labels, source.masks, rle_size, workers)
    else:
        found = Labels(labels.read(source.labels, frame_size), frame_size, sha256(source.labels))
    rows = found.rows
    rows["ImageId"] = csv_files.replace_ids(rows["ImageId"], source.images)
    if rows.empty:
        raise InputError(f"{source.labels} has no rows; without labels, take it out of the folder")
    if not source.masks:
        frame.check_shapes(
            source.labels, rows, frame_size, labels.FRAME_CURE,
            image_size=_image_side(source, rows),
        )  # fmt: skip
    return found


def _image_side(source: RawFolder, rows: pd.DataFrame) -> int | None:
    """Return the side of images with a mask; None if they are not square or differ in size."""
    with_mask = [name for name in rows["ImageId"][rows["area_px"] > 0] if name in source.images]
    some = with_mask[:: -(-len(with_mask) // N_SIZES) or 1]
    sizes = {dicom.read_size(source.root / source.images[name]) for name in some}
    rows_columns = sizes.pop() if len(sizes) == 1 else None
    return rows_columns[0] if rows_columns and len({*rows_columns}) == 1 else None


def _choose_sample(source: RawFolder, labelled: set[str]) -> tuple[Path | None, dict[str, str]]:
    """Return the sample submission that applies, and the image of each name in it.

    An image is either labelled or test: a sample submission with labelled ids belongs to an earlier
    stage, whose test images became training images. It is ignored beside one without labelled ids.
    """
    samples = {path: _read_sample(path, source.images) for path in source.samples}
    fitting = [path for path, names in samples.items() if labelled.isdisjoint(names.values())]
    if len(fitting) > 1:
        paths = ", ".join(str(path.relative_to(source.root)) for path in fitting)
        raise InputError(
            f"{source.root} has more than one sample submission ({paths}); leave one there"
        )
    if samples and not fitting:
        path, names = next(iter(samples.items()))
        both = [image_id for image_id in names.values() if image_id in labelled]
        raise InputError(
            f"{path}: {len(both)} of {len(names)} ids are labelled in {source.labels} too "
            f"({_first_names(both)}), and no image can be both for training and for test; "
            "take one of the two files out of the folder, or give other --labels"
        )
    return (fitting[0], samples[fitting[0]]) if fitting else (None, {})


def _read_sample(path: Path, image_ids: Collection[str]) -> dict[str, str]:
    """Return the image of each name, in the order of the file."""
    names = csv_files.read(path, ("ImageId",))["ImageId"]
    if names.empty:
        raise InputError(f"{path} has no rows; a sample submission names the test images")
    return dict(zip(names, csv_files.replace_ids(names, image_ids), strict=True))


def _assign_roles(source: RawFolder, labelled: set[str], sample_ids: list[str]) -> ImageRoles:
    """Assign a role to each image.

    Labelled images are for training. Test images are the ids of the sample submission; without one,
    the unlabelled images in a folder named test; without labels, all images.
    """
    if not labelled:
        test = {*source.images, *sample_ids}
    elif sample_ids:
        test = set(sample_ids)
    else:
        test = {name for name in source.images if source.in_test_folder(name)} - labelled
    unlabelled = source.images.keys() - labelled - test
    return ImageRoles(labelled, test, unlabelled, sample_ids or sorted(test))


def _check_unlabelled(source: RawFolder, sample_ids: set[str]) -> None:
    """Refuse images of a training folder without any labels: they would become test images."""
    training = [name for name in source.images if source.in_train_folder(name)]
    if sample_ids.issuperset(training):
        return
    unread = ", ".join(map(source.relative, source.tables[:3]))
    without = f" (no labels in {unread})" if unread else ""
    raise InputError(
        f"{source.root} has {len(training)} images in a training folder ({_first_names(training)}) "
        f"but no label file with the columns ImageId and EncodedPixels{without}; give it by "
        "--labels CSV, or rename the folder to predict all images"
    )


def _limit_images(
    roles: ImageRoles, source: RawFolder, annotations: pd.DataFrame, limit: int
) -> ImageRoles:
    """Keep the first images by ImageId or in the sample; the positive rate stays the same."""
    train = sorted(roles.train & source.images.keys())
    positive, negative = _split_classes(train, annotations)
    if len(train) > limit:
        n_positive = math.ceil(limit * len(positive) / len(train))
        train = positive[:n_positive] + negative[: limit - n_positive]
    sample_ids = [name for name in roles.sample if name in source.images][:limit]
    return ImageRoles(set(train), set(sample_ids), set(), sample_ids)


def _balance_classes(roles: ImageRoles, source: RawFolder, annotations: pd.DataFrame) -> ImageRoles:
    """Draw as many training images of each class as the smaller class has, all with a file.

    Raises:
        InputError: if a class is empty.
    """
    classes = _split_classes(sorted(roles.train & source.images.keys()), annotations)
    count, rng = min(map(len, classes)), random.Random(folds.SEED)
    if not count:
        counts = " and ".join(map(str, map(len, classes)))
        raise InputError(
            f"{source.root} has {counts} labelled images with and without a pneumothorax; "
            "--balanced needs both"
        )
    drawn = {name for names in classes for name in rng.sample(names, count)}
    return replace(roles, train=drawn)


def _split_classes(
    image_ids: Sequence[str], annotations: pd.DataFrame
) -> tuple[list[str], list[str]]:
    """Return the images with a mask, and those without."""
    with_mask = set(annotations["ImageId"][annotations["area_px"] > 0])
    positive = [name for name in image_ids if name in with_mask]
    negative = [name for name in image_ids if name not in with_mask]
    return positive, negative


def _check_files(image_ids: set[str], kind: str, source: RawFolder) -> None:
    """Refuse images of a kind without a file."""
    missing = image_ids - source.images.keys()
    if missing:
        raise InputError(
            f"{len(missing)} of {len(image_ids)} {kind} images have no file in {source.root} "
            f"({_first_names(missing)}); add them, or go on without them by --allow-missing, or "
            "with a part of those that are there by --limit N"
        )


def _choose_split(annotations: pd.DataFrame, n_folds: int, folds_csv: Path | None) -> Path | None:
    """Return the given split, else the committed one if it has all images, else None."""
    positive = annotations.groupby("ImageId")["area_px"].max() > 0
    if folds_csv:
        given = folds.read_split(folds_csv, positive.index)
        folds.check_both_classes(folds_csv, given, positive)
        return folds_csv
    if len(positive) and n_folds == folds.N_FOLDS and folds.committed_split_covers(positive.index):
        return folds.COMMITTED_SPLIT
    if len(positive):  # patients are known only after decoding; positives are known now
        folds.check_enough("images with a pneumothorax", int(positive.sum()), n_folds)
    return None


def _read_patients(path: Path | None, image_ids: set[str]) -> pd.DataFrame:
    if path is None:
        return pd.DataFrame({"patient_id": {}}, dtype=str)
    return patients.read(path, image_ids)


def _digest(path: Path | None) -> str | None:
    return sha256(path) if path else None


def _first_names(names: Collection[str]) -> str:
    return ", ".join(sorted(names)[:3]) + (", ..." if len(names) > 3 else "")
