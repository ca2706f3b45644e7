"""Tables of WORK/dataset: every image with its role, truth, fold, or reason for exclusion."""

from collections.abc import Iterator, Mapping

import pandas as pd

from lib import csv_files, rle
from lib.artifacts import Artifact, Draft
from lib.errors import InputError
from lib.files import write_bytes, write_json
from lib.prepare import cache, census, folds, header, labels
from lib.prepare.cache import CacheDrafts, Record
from lib.prepare.plan import Plan

DECODED = ["patient_id", "sex", "age", "view", "pixel_spacing_mm", "rows", "columns", "source",
           "sha256"]  # fmt: skip
COLUMNS = ["ImageId", "split", "reason", "positive", "n_annotations", "area_px", *DECODED]
FROM_LABELS = ["positive", "n_annotations", "area_px", "label_rows", "repeated_rows", "overlapping"]
CLEANERS = {"sex": header.clean_sex, "age": header.clean_age, "view": header.clean_view}


def build_dataset(
    draft: Draft, plan: Plan, caches: CacheDrafts, *, allow_unreadable: bool, workers: int
) -> Artifact:
    """Decode every file once, fill the caches on the way, and write the tables.

    Args:
        draft: the dataset.
        plan: the role of each image.
        caches: the caches to fill, from `cache.begin`.
        allow_unreadable: exclude test images that cannot be read.
        workers: processes.

    Raises:
        InputError: if a test image cannot be read, or the images cannot be split.
    """
    truth = labels.unite(plan.annotations, plan.config["rle_size"])
    records = _decode_images(draft, plan, caches, truth, workers)
    images = tabulate(plan, truth, records)
    if not allow_unreadable:
        _check_readable(images.loc[sorted(plan.roles.test), "reason"])
    train = images[images["split"] == "train"]
    train = train.assign(fold=_assign_folds(plan, train), EncodedPixels=truth["EncodedPixels"])
    n_files, frame_size = len(plan.source.images), plan.config["rle_size"]
    summary = census.summarize(images, train["fold"], n_files, frame_size)
    tables = {
        "images.csv": images.reset_index()[COLUMNS],
        "truth.csv": train.reset_index()[list(csv_files.RLE_COLUMNS)],
        "folds.csv": train.reset_index()[["ImageId", "fold", "patient_id", "positive"]],
        "sample.csv": pd.DataFrame({"ImageId": plan.roles.sample}),
    }
    for name, table in tables.items():
        csv_files.write(draft.path(name), table)
    write_json(draft.path("census.json"), summary)
    if len(train):
        write_bytes(draft.path("sex.png"), census.draw_sexes(summary))
    paths = {name: plan.source.root / path for name, path in plan.source.images.items()}
    masks = census.draw_masks(paths, dict(train["EncodedPixels"]), frame_size)
    if masks:
        write_bytes(draft.path("masks.png"), masks)
    write_bytes(draft.path("census.md"), census.to_markdown(summary).encode())
    return draft.finish(workers=workers)


def tabulate(plan: Plan, truth: pd.DataFrame, records: Mapping[str, Record]) -> pd.DataFrame:
    """Return a row for each image with a file, a label or a place in the sample submission.

    Args:
        plan: the role of each image.
        truth: from `labels.unite`.
        records: the record of each decoded image, by ImageId.

    Returns:
        Indexed by ImageId, sorted: the columns of images.csv, and others that the census counts.
    """
    image_ids = plan.image_ids
    rows = [records.get(image_id, {}) for image_id in image_ids]
    index = pd.Index(image_ids, name="ImageId")
    images = pd.DataFrame(rows, index, [*DECODED, "cleaned", "unreadable"], dtype=object).fillna("")
    images = _add_patients(images, plan.patients).join(_label_columns(truth))
    images["split"] = ["test" if name in plan.roles.test else "train" for name in image_ids]
    images["reason"] = ""
    for reasons in _exclusions(plan, truth, images):
        # The first reason counts; duplicates are looked for among the images that remain.
        new = {name: reason for name, reason in reasons.items() if not images.at[name, "reason"]}
        images.loc[list(new), "reason"] = list(new.values())
    images.loc[images["reason"] != "", "split"] = "excluded"
    return images


def _decode_images(
    draft: Draft, plan: Plan, caches: CacheDrafts, truth: pd.DataFrame, workers: int
) -> dict[str, Record]:
    """Decode all images but those with a record in the journal, from an interrupted run."""
    records = {record["ImageId"]: record for record in draft.journal.read()}
    codes = dict.fromkeys(plan.roles.test, rle.EMPTY) | dict(truth["EncodedPixels"])
    jobs = cache.plan_jobs(plan.source, plan.image_ids, codes, plan.config["rle_size"], caches)
    remaining = [job for job in jobs if job.image_id not in records or not job.is_cached]
    for record in cache.decode(remaining, workers):
        draft.journal.append([record])
        records[record["ImageId"]] = record
    return records


def _add_patients(images: pd.DataFrame, patients: pd.DataFrame) -> pd.DataFrame:
    """Add the values of the table of patients (--groups).

    Its patient_id takes precedence: ids in headers often differ for every image. Its other columns
    only fill what the headers lack.
    """
    table = patients.reindex(images.index).fillna("")
    patient_ids = table["patient_id"].where(table["patient_id"] != "", images["patient_id"])
    images = images.assign(patient_id=patient_ids)
    for column in CLEANERS.keys() & table.columns:
        cleaned = [CLEANERS[column](value)[0] for value in table[column]]
        images[column] = images[column].where(images[column] != "", cleaned)
    return images


def _label_columns(truth: pd.DataFrame) -> pd.DataFrame:
    """Return the columns from the label file; missing values where its rows are in conflict."""
    columns = truth.assign(positive=truth["area_px"] > 0).rename(columns={"rows": "label_rows"})
    columns = columns[FROM_LABELS].astype("Int64")
    columns.loc[truth["conflict"], ["positive", "n_annotations", "area_px"]] = pd.NA
    return columns


def _exclusions(plan: Plan, truth: pd.DataFrame, images: pd.DataFrame) -> Iterator[dict[str, str]]:
    """Yield ImageId -> reason for exclusion, for one kind of reason after the other."""
    missing = images.index.difference(list(plan.source.images))
    yield dict.fromkeys(missing, census.NO_FILE)
    unreadable = images["unreadable"][images["unreadable"] != ""]
    yield {str(name): f"unreadable: {message}" for name, message in unreadable.items()}
    yield dict.fromkeys(plan.roles.unlabelled, "no label row")
    yield dict.fromkeys(truth.index[truth["conflict"]], labels.CONFLICT)
    yield _duplicates(images, truth["EncodedPixels"], plan.config["rle_size"])


def _duplicates(images: pd.DataFrame, codes: pd.Series, frame_size: int) -> dict[str, str]:
    """Return reasons for labelled images with equal pixels.

    The first one stays if all labels agree; otherwise all are excluded.
    """
    reasons: dict[str, str] = {}
    train = images[(images["split"] == "train") & (images["reason"] == "")]
    for _, equal in train.groupby("sha256"):
        first, *others = equal.index
        if all(labels.masks_agree(codes[first], codes[other], frame_size) for other in others):
            reasons |= dict.fromkeys(others, f"duplicate: same pixels as {first}")
        else:
            reasons |= dict.fromkeys(others, f"contradiction: same pixels as {first}, other label")
            reasons[first] = f"contradiction: same pixels as {others[0]}, other label"
    return reasons


def _check_readable(reasons: pd.Series) -> None:
    unreadable = reasons[reasons.str.startswith("unreadable")]
    if len(unreadable):
        raise InputError(
            f"{len(unreadable)} test images are unreadable (first {unreadable.index[0]}, "
            f"{unreadable.iloc[0]}); get the files again, or leave them out by --allow-unreadable"
        )


def _assign_folds(plan: Plan, train: pd.DataFrame) -> pd.Series:
    if plan.split:
        return folds.read_split(plan.split, train.index)
    if not plan.roles.train:
        return pd.Series(dtype=int)
    return folds.split(train, plan.config["n_folds"], plan.config["seed"])
