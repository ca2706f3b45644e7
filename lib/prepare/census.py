"""What is in a dataset, counted."""

import re
from collections import Counter
from itertools import product
from typing import Any

import pandas as pd

QUANTILES = {"min": 0.0, "p1": 0.01, "p5": 0.05, "p10": 0.1, "p25": 0.25, "median": 0.5,
             "p75": 0.75, "p90": 0.9, "p99": 0.99, "max": 1.0}  # fmt: skip
SMALL_PX = (800, 2000)  # minimum areas of published decision rules
HEADER = ("patient_id", "sex", "age", "view", "pixel_spacing_mm")
ALL, UNKNOWN = "all", "unknown"
NO_FILE = "no image file"

Summary = dict[str, Any]


def summarize(images: pd.DataFrame, folds: pd.Series, n_files: int) -> Summary:
    """Count what is in a dataset.

    Args:
        images: indexed by ImageId, as `dataset.tabulate` makes it.
        folds: the fold of every training image.
        n_files: image files in the raw folder.

    Returns:
        What census.json holds.
    """
    train, test, excluded = (images[images["split"] == s] for s in ("train", "test", "excluded"))
    train, used = train.assign(fold=folds), pd.concat([train, test])
    return {
        "images": {
            "files": n_files,
            "train": len(train),
            "positive": int(train["positive"].sum()),
            "test": len(test),
            "excluded": len(excluded),
            "left_out": n_files - int((images["reason"] != NO_FILE).sum()),
        },
        "labels": _labels(images),
        "excluded": _excluded(excluded["reason"]),
        "duplicates": _duplicates(train, test, excluded["reason"]),
        "sex_view": _sex_view(train, test),
        "area_px": _areas(train.loc[train["positive"] == 1, "area_px"]),
        "folds": [_fold(own) for _, own in train.groupby("fold")],
        "patients": _patients(train),
        "age": _ages(used["age"]),
        "missing": {column: int((used[column] == "").sum()) for column in HEADER},
        "cleaned": _cleaned(images["cleaned"]),
        "sources": _sources(used["source"]),
    }


def _labels(images: pd.DataFrame) -> Summary:
    labelled = images[images["label_rows"].notna()]
    return {
        "rows": int(labelled["label_rows"].sum()),
        "labelled": len(labelled),
        "positive": int(labelled["positive"].sum()),
        "several_annotations": int((labelled["n_annotations"] > 1).sum()),
        "most_annotations": int(labelled["n_annotations"].max() if len(labelled) else 0),
        "overlapping": int(labelled["overlapping"].sum()),
        "repeated_rows": int(labelled["repeated_rows"].sum()),
    }


def _excluded(reasons: pd.Series) -> list[Summary]:
    """By kind of reason, with the first few ids."""
    kinds = reasons.str.split(":").str[0]
    return [
        {"reason": kind, "images": len(own), "first": list(own.index[:3])}
        for kind, own in reasons.groupby(kinds)
    ]


def _duplicates(train: pd.DataFrame, test: pd.DataFrame, reasons: pd.Series) -> Summary:
    return {
        "excluded": int(reasons.str.startswith("duplicate").sum()),
        "contradicting": int(reasons.str.startswith("contradiction").sum()),
        "test_images_in_training": int(test["sha256"].isin(set(train["sha256"])).sum()),
        "within_test": int(test["sha256"].duplicated().sum()),
    }


def _sex_view(train: pd.DataFrame, test: pd.DataFrame) -> list[Summary]:
    """Sex x view x pneumothorax, with the sums over each; rows without images are left out."""
    rows = []
    for sex, view in product(("F", "M", UNKNOWN, ALL), ("AP", "PA", UNKNOWN, ALL)):
        own, own_test = (_of(images, sex, view) for images in (train, test))
        positive = int(own["positive"].sum())
        counts = {"positive": positive, "negative": len(own) - positive, "test": len(own_test)}
        if any(counts.values()):
            rows.append({"sex": sex, "view": view} | counts)
    return rows


def _of(images: pd.DataFrame, sex: str, view: str) -> pd.DataFrame:
    for column, wanted in (("sex", sex), ("view", view)):
        if wanted != ALL:
            images = images[images[column].replace("", UNKNOWN) == wanted]
    return images


def _areas(areas: pd.Series) -> Summary:
    if areas.empty:
        return {}
    areas = areas.astype(int)
    quantiles = {name: round(float(areas.quantile(at))) for name, at in QUANTILES.items()}
    return quantiles | {f"below_{limit}": int((areas < limit).sum()) for limit in SMALL_PX}


def _fold(images: pd.DataFrame) -> Summary:
    areas = images.loc[images["positive"] == 1, "area_px"].astype(int)
    quartiles = [round(float(areas.quantile(at))) for at in (0.25, 0.5, 0.75)] if len(areas) else []
    return {
        "fold": int(images["fold"].iloc[0]),
        "images": len(images),
        "positive": len(areas),
        "patients": _patient_names(images).nunique(),
        "area_quartiles_px": quartiles,
    }


def _patients(train: pd.DataFrame) -> Summary:
    names = _patient_names(train)
    return {
        "known_for": int((train["patient_id"] != "").sum()),
        "patients": names.nunique(),
        "images_of_patients_with_several": int(names.duplicated(keep=False).sum()),
        "in_more_than_one_fold": int((train.groupby(names)["fold"].nunique() > 1).sum()),
    }


def _patient_names(images: pd.DataFrame) -> pd.Series:
    return images["patient_id"].where(images["patient_id"] != "", images.index.to_series())


def _ages(ages: pd.Series) -> Summary:
    years = ages[ages != ""].astype(int)
    if years.empty:
        return {}
    return {"min": int(years.min()), "median": int(years.median()), "max": int(years.max())}


def _cleaned(notes: pd.Series) -> list[Summary]:
    counts = Counter(tuple(note) for of_image in notes for note in of_image)
    return [
        {"element": element, "found": found, "became": became, "images": count}
        for (element, found, became), count in sorted(counts.items())
    ]


def _sources(sources: pd.Series) -> dict[str, int]:
    """Kinds of file and rules to 8 bits; the numbers of a window or range differ by image."""
    kinds = (re.sub(r"(window|range) \S+", r"\1", source) for source in sources)
    return dict(sorted(Counter(kinds).items()))
