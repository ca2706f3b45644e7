"""The tables of WORK/dataset: what became of every image, its truth, and its fold."""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from lib import csv_files, rle
from lib.artifacts import Artifact, Draft
from lib.errors import InputError
from lib.files import write_bytes, write_json
from lib.prepare import cache, census, census_markdown, folds, header, labels
from lib.prepare.cache import Job, Record
from lib.prepare.plan import Plan

DECODED = ["patient_id", "sex", "age", "view", "pixel_spacing_mm", "rows", "columns", "source",
           "sha256"]  # fmt: skip
COLUMNS = ["ImageId", "split", "reason", "positive", "n_annotations", "area_px", *DECODED]
FROM_LABELS = ["positive", "n_annotations", "area_px", "label_rows", "repeated_rows", "overlapping"]
CLEANERS = {"sex": header.clean_sex, "age": header.clean_age, "view": header.clean_view}


def build_dataset(
    draft: Draft, caches: Sequence[Draft], plan: Plan, allow_unreadable: bool, workers: int
) -> Artifact:
    """Decode every file once, fill the caches on the way, and write the tables.

    Args:
        draft: the dataset.
        caches: those to fill.
        plan: what each image is for.
        allow_unreadable: go on without test images that cannot be read.
        workers: processes.

    Raises:
        InputError: if a test image cannot be read, or the images cannot be split.
    """
    truth = labels.unite(plan.annotations, plan.config["rle_size"])
    records = _decode(draft, caches, plan, truth, workers)
    images = tabulate(plan, truth, records)
    if not allow_unreadable:
        _refuse_unreadable(images.loc[sorted(plan.roles.test), "reason"])
    train = images[images["split"] == "train"]
    train = train.assign(fold=_split(plan, train), EncodedPixels=truth["EncodedPixels"])
    summary = census.summarize(images, train["fold"], len(plan.source.images))
    written = {
        "images.csv": images.reset_index()[COLUMNS],
        "truth.csv": train.reset_index()[list(csv_files.RLE_COLUMNS)],
        "folds.csv": train.reset_index()[["ImageId", "fold", "patient_id", "positive"]],
        "sample.csv": pd.DataFrame({"ImageId": plan.roles.sample}),
    }
    for name, table in written.items():
        csv_files.write(draft.path(name), table)
    write_json(draft.path("census.json"), summary)
    write_bytes(draft.path("census.md"), census_markdown.census_markdown(summary).encode())
    return draft.finish(workers=workers)


def tabulate(plan: Plan, truth: pd.DataFrame, records: Mapping[str, Record]) -> pd.DataFrame:
    """A row an image, found or named: what it is for, or why it is excluded.

    Args:
        plan: what each image is for.
        truth: from `labels.unite`.
        records: ImageId -> what decoding said.

    Returns:
        Indexed by ImageId, sorted: the columns of images.csv, and what else the census counts.
    """
    image_ids = plan.image_ids
    rows = [records.get(image_id, {}) for image_id in image_ids]
    index = pd.Index(image_ids, name="ImageId")
    images = pd.DataFrame(rows, index, [*DECODED, "cleaned", "unreadable"], dtype=object).fillna("")
    images = _with_groups(images, plan.groups).join(_of_labels(truth))
    images["split"] = ["test" if name in plan.roles.test else "train" for name in image_ids]
    images["reason"] = ""
    for reasons in _exclusions(plan, truth, images):
        # The first reason holds; what is excluded already is no one's duplicate.
        reasons = {name: why for name, why in reasons.items() if not images.at[name, "reason"]}
        images.loc[list(reasons), "reason"] = list(reasons.values())
    images.loc[images["reason"] != "", "split"] = "excluded"
    return images


def _decode(
    draft: Draft, caches: Sequence[Draft], plan: Plan, truth: pd.DataFrame, workers: int
) -> dict[str, Record]:
    """Decode what a run before this one has not; its records are in the journal."""
    records = {record["ImageId"]: record for record in draft.journal.read()}
    codes = dict.fromkeys(plan.roles.test, rle.EMPTY) | dict(truth["EncodedPixels"])
    jobs = [
        Job(
            image_id,
            plan.source.root / plan.source.images[image_id],
            codes.get(image_id, rle.EMPTY),
            plan.config["rle_size"],
            cache.folders(caches) if image_id in codes else {},
        )
        for image_id in plan.image_ids
        if image_id in plan.source.images
    ]
    left = [job for job in jobs if job.image_id not in records or not job.done]
    for record in cache.decode(left, workers):
        draft.journal.append([record])
        records[record["ImageId"]] = record
    return records


def _with_groups(images: pd.DataFrame, groups: pd.DataFrame) -> pd.DataFrame:
    """Patients from the table rather than from headers, whose ids are often one an image; the rest
    only where the header is silent.
    """
    given = groups.reindex(images.index).fillna("")
    patients = given["patient_id"].where(given["patient_id"] != "", images["patient_id"])
    images = images.assign(patient_id=patients)
    for column in CLEANERS.keys() & given.columns:
        cleaned = [CLEANERS[column](value)[0] for value in given[column]]
        images[column] = images[column].where(images[column] != "", cleaned)
    return images


def _of_labels(truth: pd.DataFrame) -> pd.DataFrame:
    """What the label file says of each image; nothing where it contradicts itself."""
    known = truth.assign(positive=truth["area_px"] > 0).rename(columns={"rows": "label_rows"})
    known = known[FROM_LABELS].astype("Int64")
    known.loc[truth["conflict"], ["positive", "n_annotations", "area_px"]] = pd.NA
    return known


def _exclusions(plan: Plan, truth: pd.DataFrame, images: pd.DataFrame) -> Iterator[dict[str, str]]:
    """ImageId -> why it is excluded, one kind of reason after the other."""
    missing = images.index.difference(list(plan.source.images))
    yield dict.fromkeys(missing, census.NO_FILE)
    unreadable = images["unreadable"][images["unreadable"] != ""]
    yield {str(name): f"unreadable: {why}" for name, why in unreadable.items()}
    yield dict.fromkeys(plan.roles.unlabelled, "no label row")
    yield dict.fromkeys(truth.index[truth["conflict"]], labels.CONFLICT)
    yield _duplicates(images, truth["EncodedPixels"], plan.config["rle_size"])


def _duplicates(images: pd.DataFrame, codes: pd.Series, frame_size: int) -> dict[str, str]:
    """Of labelled images with equal pixels the first stays, unless their labels disagree."""
    reasons: dict[str, str] = {}
    train = images[(images["split"] == "train") & (images["reason"] == "")]
    for _, same in train.groupby("sha256"):
        first, *others = same.index
        if all(labels.agree(codes[first], codes[other], frame_size) for other in others):
            reasons |= dict.fromkeys(others, f"duplicate: same pixels as {first}")
        else:
            reasons |= dict.fromkeys(others, f"contradiction: same pixels as {first}, other label")
            reasons[first] = f"contradiction: same pixels as {others[0]}, other label"
    return reasons


def _refuse_unreadable(reasons: pd.Series) -> None:
    bad = reasons[reasons.str.startswith("unreadable")]
    if len(bad):
        raise InputError(
            f"{len(bad)} test images are unreadable (first {bad.index[0]}, {bad.iloc[0]}); "
            "get the files again, or leave them out by --allow-unreadable"
        )


def _split(plan: Plan, train: pd.DataFrame) -> pd.Series:
    if plan.split:
        return folds.read_split(plan.split, train.index)
    if not plan.roles.train:
        return pd.Series(dtype=int)
    return folds.split(train, plan.config["n_folds"], plan.config["seed"])
