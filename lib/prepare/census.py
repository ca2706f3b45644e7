"""Census of a dataset: counts of images, labels, patients, mask areas and header values.

census.json has the counts; census.md has them as a page, with sex.png, a chart, and masks.png, some
images with their masks.
"""

import re
from collections import Counter
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from lib import drawing, rle, templates
from lib.drawing import Panel
from lib.prepare import dicom

QUANTILES = {"min": 0.0, "p1": 0.01, "p5": 0.05, "p10": 0.1, "p25": 0.25, "median": 0.5,
             "p75": 0.75, "p90": 0.9, "p99": 0.99, "max": 1.0}  # fmt: skip
SMALL_PX = (800, 2000)  # minimum areas of published decision rules, in the competition's frame
HEADER_COLUMNS = ("patient_id", "sex", "age", "view", "pixel_spacing_mm")
BELOW = "below_"  # and a number of pixels: keys of areas smaller than it
ALL, UNKNOWN = "all", "unknown"
SEXES = {"F": "female", "M": "male", UNKNOWN: "unknown"}
CLASSES = {"positive": "pneumothorax", "negative": "none"}
NO_FILE = "no image file"
MAX_PANELS, PANELS_PER_ROW = 8, 4  # of masks.png; half a second
COLOURS = {"positive": "#e68200", "negative": "#1f4e79"}  # orange and blue, as in drawing
TEMPLATE = Path(__file__).with_name("census.md.jinja")

Summary = dict[str, Any]


def summarize(images: pd.DataFrame, folds: pd.Series, n_files: int, frame_size: int) -> Summary:
    """Return the census of a dataset.

    Args:
        images: indexed by ImageId, from `dataset.tabulate`.
        folds: the fold of every training image.
        n_files: number of image files in the raw folder.
        frame_size: the side of the RLE frame, in pixels.

    Returns:
        The content of census.json.
    """
    splits = ("train", "test", "excluded")
    train, test, excluded = (images[images["split"] == split] for split in splits)
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
        "labels": _count_labels(images),
        "excluded": _count_exclusions(excluded["reason"]),
        "duplicates": _count_duplicates(train, test, excluded["reason"]),
        "sex_view": _count_sex_view(train, test),
        "area_px": _area_quantiles(train.loc[train["positive"] == 1, "area_px"], frame_size),
        "folds": [_summarize_fold(fold) for _, fold in train.groupby("fold")],
        "patients": _count_patients(train),
        "age": _age_range(used["age"]),
        "missing": {column: int((used[column] == "").sum()) for column in HEADER_COLUMNS},
        "cleaned": _count_cleaned(images["cleaned"]),
        "sources": _count_sources(used["source"]),
    }


def to_markdown(summary: Summary) -> str:
    """Return the census as a page in Markdown."""
    page = templates.load(TEMPLATE, {"count": "{:,}".format, "part_of": _count_and_percent})
    below = {
        int(key.removeprefix(BELOW)): count
        for key, count in summary["area_px"].items()
        if key.startswith(BELOW)
    }
    return page.render(summary, quantiles=QUANTILES, below=below, small_px=SMALL_PX,
                       competition_frame=rle.COMPETITION_FRAME)  # fmt: skip


def draw_sexes(summary: Summary) -> bytes:
    """Return a PNG of the training images with and without a pneumothorax, by sex."""
    from matplotlib.figure import Figure  # late: it takes a third of a second to load
    from matplotlib.ticker import MaxNLocator

    rows = [row for row in summary["sex_view"] if row["view"] == ALL and row["sex"] != ALL]
    rows = [row for row in rows if row["positive"] + row["negative"]]
    figure = Figure(figsize=(6, 4), layout="constrained", dpi=150)
    axes = figure.subplots()
    width = 0.4
    for offset, (kind, label) in enumerate(CLASSES.items()):
        places = [place + (offset - 0.5) * width for place in range(len(rows))]
        bars = axes.bar(
            places, [row[kind] for row in rows], width, color=COLOURS[kind], label=label
        )
        texts = [_count_and_percent(row[kind], row["positive"] + row["negative"]) for row in rows]
        axes.bar_label(bars, [text.replace(" (", "\n(") for text in texts], padding=2, fontsize=9)
    axes.set_xticks(range(len(rows)), [SEXES[row["sex"]] for row in rows])
    axes.set(title="Pneumothorax by sex", ylabel="training images", xlim=(-0.7, len(rows) - 0.3))
    axes.margins(y=0.25)  # for the legend
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper center", ncols=2)
    return drawing.to_png(figure)


def draw_masks(
    paths: Mapping[str, Path], codes: Mapping[str, str], frame_size: int
) -> bytes | None:
    """Return a PNG of up to 8 images with the outline of their mask; None if no mask is drawn.

    The files are decoded again: pictures from a cache would depend on its size.

    Args:
        paths: files of the images, by ImageId.
        codes: united RLEs; images are spread evenly over the ids of those with a mask.
        frame_size: the side of the RLE frame, in pixels.
    """
    positive = sorted(image_id for image_id, code in codes.items() if code != rle.EMPTY)
    count = min(len(positive), MAX_PANELS)
    if not count:
        return None
    panels = []
    for image_id in (positive[number * len(positive) // count] for number in range(count)):
        pixels = dicom.read(paths[image_id]).pixels
        mask = rle.decode(codes[image_id], frame_size, frame_size)
        picture = drawing.draw_masks(pixels, drawing.PANEL, true=mask)
        panels.append(Panel(picture, image_id, f"{mask.sum():,} px"))
    starts = range(0, count, PANELS_PER_ROW)
    return drawing.draw_grid([panels[start : start + PANELS_PER_ROW] for start in starts])


def _count_and_percent(count: int, total: int) -> str:
    """Return text such as 1,180 (21.8 %)."""
    return f"{count:,} ({count / total:.1%})".replace("%", " %") if total else "0"


def _count_labels(images: pd.DataFrame) -> Summary:
    labelled = images[images["label_rows"].notna()]
    return {
        "rows": int(labelled["label_rows"].sum()),
        "labelled": len(labelled),
        "positive": int(labelled["positive"].sum()),
        "one_annotation": int((labelled["n_annotations"] == 1).sum()),
        "several_annotations": int((labelled["n_annotations"] > 1).sum()),
        "most_annotations": int(labelled["n_annotations"].max() if len(labelled) else 0),
        "overlapping": int(labelled["overlapping"].sum()),
        "repeated_rows": int(labelled["repeated_rows"].sum()),
    }


def _count_exclusions(reasons: pd.Series) -> list[Summary]:
    """Count excluded images by kind of reason, and name the first three."""
    kinds = reasons.str.split(":").str[0]
    return [
        {"reason": kind, "images": len(of_kind), "first": list(of_kind.index[:3])}
        for kind, of_kind in reasons.groupby(kinds)
    ]


def _count_duplicates(train: pd.DataFrame, test: pd.DataFrame, reasons: pd.Series) -> Summary:
    return {
        "excluded": int(reasons.str.startswith("duplicate").sum()),
        "contradicting": int(reasons.str.startswith("contradiction").sum()),
        "test_images_in_training": int(test["sha256"].isin(set(train["sha256"])).sum()),
        "within_test": int(test["sha256"].duplicated().sum()),
    }


def _count_sex_view(train: pd.DataFrame, test: pd.DataFrame) -> list[Summary]:
    """Count images by sex, view and pneumothorax, with totals; empty rows are left out."""
    rows = []
    for sex, view in product((*SEXES, ALL), ("AP", "PA", UNKNOWN, ALL)):
        group, test_group = (_select(images, sex, view) for images in (train, test))
        positive = int(group["positive"].sum())
        counts = {"positive": positive, "negative": len(group) - positive, "test": len(test_group)}
        if any(counts.values()):
            rows.append({"sex": sex, "view": view} | counts)
    return rows


def _select(images: pd.DataFrame, sex: str, view: str) -> pd.DataFrame:
    for column, value in (("sex", sex), ("view", view)):
        if value != ALL:
            images = images[images[column].replace("", UNKNOWN) == value]
    return images


def _area_quantiles(areas: pd.Series, frame_size: int) -> Summary:
    """Return quantiles, and counts below small areas, which the frame's size scales."""
    if areas.empty:
        return {}
    scale = (frame_size / rle.COMPETITION_FRAME) ** 2
    areas = areas.astype(int)
    quantiles = {name: round(float(areas.quantile(q))) for name, q in QUANTILES.items()}
    limits = [max(1, round(limit * scale)) for limit in SMALL_PX]
    return quantiles | {f"{BELOW}{limit}": int((areas < limit).sum()) for limit in limits}


def _summarize_fold(images: pd.DataFrame) -> Summary:
    areas = images.loc[images["positive"] == 1, "area_px"].astype(int)
    quartiles = [round(float(areas.quantile(q))) for q in (0.25, 0.5, 0.75)] if len(areas) else []
    return {
        "fold": int(images["fold"].iloc[0]),
        "images": len(images),
        "positive": len(areas),
        "patients": _patient_ids(images).nunique(),
        "area_quartiles_px": quartiles,
    }


def _count_patients(train: pd.DataFrame) -> Summary:
    patient_ids = _patient_ids(train)
    return {
        "known_for": int((train["patient_id"] != "").sum()),
        "patients": patient_ids.nunique(),
        "images_of_patients_with_several": int(patient_ids.duplicated(keep=False).sum()),
        "in_more_than_one_fold": int((train.groupby(patient_ids)["fold"].nunique() > 1).sum()),
    }


def _patient_ids(images: pd.DataFrame) -> pd.Series:
    """Return the patient of each image; an image without a known one is a patient of its own."""
    return images["patient_id"].where(images["patient_id"] != "", images.index.to_series())


def _age_range(ages: pd.Series) -> Summary:
    years = ages[ages != ""].astype(int)
    if years.empty:
        return {}
    return {"min": int(years.min()), "median": int(years.median()), "max": int(years.max())}


def _count_cleaned(notes: pd.Series) -> list[Summary]:
    counts = Counter(tuple(note) for image_notes in notes for note in image_notes)
    return [
        {"element": element, "found": found, "became": became, "images": count}
        for (element, found, became), count in sorted(counts.items())
    ]


def _count_sources(sources: pd.Series) -> dict[str, int]:
    """Count kinds of file and rules to 8 bits, without the numbers of a window or range."""
    kinds = (re.sub(r"(window|range|outliers) \S*\d\S*", r"\1", source) for source in sources)
    return dict(sorted(Counter(kinds).items()))
