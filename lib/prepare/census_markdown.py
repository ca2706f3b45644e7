"""census.md: the census as a page in Markdown."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from lib.prepare.census import QUANTILES, SMALL_PX, Summary

NUMBER = re.compile(r"[0-9,]+( \([0-9.]+ %\))?")


def census_markdown(summary: Summary) -> str:
    """Return the census as a page in Markdown."""
    counts = summary["images"]
    parts = [
        "# Census of the dataset",
        f"{counts['files']:,} image files: **{counts['train']:,} for training**, "
        f"{_count_and_percent(counts['positive'], counts['train'])} of them with a pneumothorax; "
        f"**{counts['test']:,} for test**; {counts['excluded']:,} excluded"
        + (f"; {counts['left_out']:,} left out by --limit." if counts["left_out"] else "."),
        "## Labels",
        *_label_lines(summary["labels"]),
        "## Excluded and duplicate images",
        *_exclusion_lines(summary),
        "## Pneumothorax by sex and view",
        _table(
            ["sex", "view", "pneumothorax", "none", "training", "test"],
            [_sex_view_row(row) for row in summary["sex_view"]],
        ),
        "## Mask area of positive training images",
        *_area_lines(summary["area_px"]),
        "## Folds",
        *_fold_lines(summary),
        "## Headers",
        *_header_lines(summary),
    ]
    return "\n\n".join(parts) + "\n"


def _label_lines(labels: Summary) -> Iterable[str]:
    yield _table(
        ["", "count"],
        [
            ("rows of the label file", labels["rows"]),
            ("labelled images", labels["labelled"]),
            ("of these positive", _count_and_percent(labels["positive"], labels["labelled"])),
            ("images with several annotations", labels["several_annotations"]),
            ("of these with overlapping ones", labels["overlapping"]),
            ("most annotations of an image", labels["most_annotations"]),
            ("rows that repeat another one", labels["repeated_rows"]),
        ],
    )
    yield "The mask of an image is the union of its annotations."


def _exclusion_lines(summary: Summary) -> Iterable[str]:
    if summary["excluded"]:
        yield _table(
            ["reason", "images", "first"],
            [
                (row["reason"], row["images"], ", ".join(row["first"]))
                for row in summary["excluded"]
            ],
        )
    else:
        yield "None is excluded."
    counts = summary["duplicates"]
    yield (
        f"Equal pixels: {counts['excluded']:,} training images repeat one that stays, "
        f"{counts['contradicting']:,} contradict each other's labels; "
        f"{counts['test_images_in_training']:,} test images are training images too, and "
        f"{counts['within_test']:,} repeat another test image (all of these stay)."
    )


def _sex_view_row(row: Summary) -> Sequence[Any]:
    train = row["positive"] + row["negative"]
    classes = (_count_and_percent(row[name], train) for name in ("positive", "negative"))
    return (row["sex"], row["view"], *classes, train, row["test"])


def _area_lines(areas: Summary) -> Iterable[str]:
    if not areas:
        yield "No image is positive."
        return
    yield "Quantiles, in pixels of the RLE frame:"
    yield _table(list(QUANTILES), [[areas[name] for name in QUANTILES]])
    small = (f"{areas[f'below_{limit}']:,} below {limit:,} px" for limit in SMALL_PX)
    yield f"{' and '.join(small)}: what a minimum area can cost."


def _fold_lines(summary: Summary) -> Iterable[str]:
    if not summary["folds"]:
        yield "No labels, no folds."
        return
    yield _table(
        ["fold", "images", "pneumothorax", "patients", "area quartiles (px)"],
        [
            (
                row["fold"],
                row["images"],
                _count_and_percent(row["positive"], row["images"]),
                row["patients"],
                " / ".join(f"{area:,}" for area in row["area_quartiles_px"]),
            )
            for row in summary["folds"]
        ],
    )
    patients = summary["patients"]
    yield (
        f"The patient is known for {patients['known_for']:,} images; the others count as one "
        f"patient each. That makes {patients['patients']:,} patients; "
        f"{patients['images_of_patients_with_several']:,} images are of patients with several; "
        f"{patients['in_more_than_one_fold']:,} patients are in more than one fold."
    )


def _header_lines(summary: Summary) -> Iterable[str]:
    sources = (f"{kind} ({count:,})" for kind, count in summary["sources"].items())
    yield f"Files, and how they became 8 bits: {', '.join(sources)}."
    missing = (f"{name} {count:,}" for name, count in summary["missing"].items())
    yield f"Training and test images without: {', '.join(missing)}."
    if summary["age"]:
        age = summary["age"]
        yield f"Age: {age['min']} to {age['max']} years, median {age['median']}."
    if summary["cleaned"]:
        yield "Values that could not be taken as they stand:"
        yield _table(
            ["element", "found", "became", "images"],
            [(row["element"], f"`{row['found']}`", row["became"], row["images"])
             for row in summary["cleaned"]],
        )  # fmt: skip


def _count_and_percent(count: int, total: int) -> str:
    """Return text such as 1,180 (21.8 %)."""
    return f"{count:,} ({count / total:.1%})".replace("%", " %") if total else "0"


def _table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a Markdown table; columns of numbers are aligned to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    columns = range(len(header))
    is_numeric = [all(NUMBER.fullmatch(row[column]) for row in cells) for column in columns]
    rule = ["---:" if numeric else "---" for numeric in is_numeric]
    return "\n".join(f"| {' | '.join(row)} |" for row in [list(header), rule, *cells])


def _cell(value: Any) -> str:
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
