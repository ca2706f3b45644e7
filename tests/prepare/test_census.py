"""The census: counts by hand on a small table, and those of the paper on the real labels."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from lib import csv_files, rle
from lib.drawing import GAP, PANEL, TRUE
from lib.prepare import census, labels


def test_every_file_is_accounted_for(summary: dict[str, Any]) -> None:
    assert summary["images"] == {
        "files": 9, "train": 4, "positive": 2, "test": 1, "excluded": 2, "left_out": 2,
    }  # fmt: skip


def test_labels_are_counted_before_images_are_excluded(summary: dict[str, Any]) -> None:
    assert summary["labels"] == {
        "rows": 7, "labelled": 5, "positive": 3, "one_annotation": 2, "several_annotations": 1,
        "most_annotations": 2, "overlapping": 1, "repeated_rows": 1,
    }  # fmt: skip


def test_exclusions_are_counted_by_reason(summary: dict[str, Any]) -> None:
    assert summary["excluded"] == [
        {"reason": "duplicate", "images": 1, "first": ["e"]},
        {"reason": "no label row", "images": 1, "first": ["f"]},
    ]


def test_test_images_that_are_in_training_too_are_counted(summary: dict[str, Any]) -> None:
    assert summary["duplicates"]["test_images_in_training"] == 1
    assert summary["duplicates"]["excluded"] == 1


def test_sex_by_view_by_pneumothorax_with_sums(summary: dict[str, Any]) -> None:
    table = {(row["sex"], row["view"]): row for row in summary["sex_view"]}
    counts = {key: (row["positive"], row["negative"], row["test"]) for key, row in table.items()}
    assert counts[("F", "AP")] == (1, 0, 0)
    assert counts[("F", "all")] == (1, 1, 0)
    assert counts[("M", "PA")] == (0, 0, 1)
    assert counts[("unknown", "unknown")] == (0, 1, 0)
    assert counts[("all", "AP")] == (2, 0, 0)
    assert counts[("all", "all")] == (2, 2, 1)
    assert ("M", "unknown") not in counts


def test_areas_of_positive_training_images(summary: dict[str, Any]) -> None:
    assert summary["area_px"]["min"] == 500
    assert summary["area_px"]["median"] == 700
    assert summary["area_px"]["max"] == 900
    assert summary["area_px"]["below_800"] == 1


def test_small_areas_are_those_of_the_frame(images: pd.DataFrame, summary: dict[str, Any]) -> None:
    """The areas are 500 and 900 px."""
    folds = pd.Series({"a": 0, "b": 1, "c": 1, "d": 0})
    smaller = census.summarize(images, folds, n_files=9, frame_size=512)
    assert (smaller["area_px"]["below_200"], smaller["area_px"]["below_500"]) == (0, 0)
    counts = "0 below 200 px and 0 below 500 px (800 and 2,000 px of a 1024 x 1024 frame): what"
    assert counts in census.to_markdown(smaller)
    assert "1 below 800 px and 2 below 2,000 px: what" in census.to_markdown(summary)


def test_folds_and_patients(summary: dict[str, Any]) -> None:
    assert [(row["images"], row["positive"]) for row in summary["folds"]] == [(2, 1), (2, 1)]
    assert summary["patients"] == {
        "known_for": 3,
        "patients": 3,
        "images_of_patients_with_several": 2,
        "in_more_than_one_fold": 1,
    }


def test_cleaning_and_sources_are_counted(summary: dict[str, Any]) -> None:
    assert summary["cleaned"] == [
        {"element": "age", "found": "413", "became": "missing", "images": 2}
    ]
    assert summary["sources"] == {"dicom 12-bit window": 2, "dicom 8-bit": 3}
    assert summary["missing"]["age"] == 1
    assert summary["age"] == {"min": 40, "median": 55, "max": 70}


def test_counts_and_percentages_are_in_tables(summary: dict[str, Any]) -> None:
    page = census.to_markdown(summary)
    assert "**4 for training**, 2 (50.0 %) of them with a pneumothorax; **1 for test**" in page
    assert "2 left out by --limit" in page
    assert "| images with one annotation | 2 (66.7 %) |" in page
    assert "| images with several annotations | 1 (33.3 %) |" in page
    assert "| F | AP | 1 (100.0 %) | 0 (0.0 %) | 1 (25.0 %) | 0 (0.0 %) |" in page
    assert "| M | PA | 0 | 0 | 0 (0.0 %) | 1 (100.0 %) |" in page
    assert "| age | `413` | missing | 2 |" in page


def test_the_chart_has_two_bars_a_sex_as_high_as_its_counts(summary: dict[str, Any]) -> None:
    counts = {"F": (30, 60), "M": (15, 45), "unknown": (0, 0)}
    rows = [{"sex": sex, "view": "all", "positive": positive, "negative": negative, "test": 9}
            for sex, (positive, negative) in counts.items()]  # fmt: skip
    png = census.draw_sexes({"sex_view": [*rows, {"sex": "all", "view": "all"}]})
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert picture.shape == (600, 900, 3)
    for place, kind in enumerate(("positive", "negative")):
        heights = _bar_heights(picture, census.COLOURS[kind])
        expected = [counts["F"][place], counts["M"][place]]
        assert np.divide(*heights) == pytest.approx(np.divide(*expected), rel=0.03)


def test_masks_are_drawn_on_images_spread_over_the_ids(tmp_path: Path) -> None:
    """A mask of the left half has its line down the middle, however large the image is."""
    names = [f"image{number:02}" for number in range(20)]
    paths = {name: tmp_path / f"{name}.png" for name in names}
    for name in names[:10]:
        cv2.imwrite(str(paths[name]), np.full((40, 30), 100, np.uint8))
    code = rle.encode(np.arange(16)[None] < np.full((16, 1), 8))
    codes = dict.fromkeys(names[:10], code) | dict.fromkeys(names[10:], "-1")
    png = census.draw_masks(paths, codes, 16)
    assert png == census.draw_masks(paths, dict(reversed(codes.items())), 16)
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    columns = np.flatnonzero((picture == TRUE).all(axis=2).sum(axis=0) > PANEL)
    gaps = np.flatnonzero(np.diff(columns) > 1) + 1
    centres = [group.mean() for group in np.split(columns, gaps)]
    assert centres == pytest.approx(
        [GAP + panel * (PANEL + GAP) + PANEL / 2 for panel in range(4)], abs=2
    )


def test_no_masks_are_drawn_without_a_positive() -> None:
    assert census.draw_masks({}, {"a": "-1"}, 16) is None


def _bar_heights(picture: np.ndarray, colour: str) -> list[int]:
    """Return the height in pixels of every bar of a colour that touches the lowest one's foot."""
    rgb = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    inside = (picture == rgb).all(axis=2)
    foot = np.flatnonzero(inside.any(axis=1))[-1]
    columns = np.flatnonzero(inside[foot])
    bars = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)
    return [int(inside[:, bar[len(bar) // 2]].sum()) for bar in bars]


def test_a_dataset_without_labels_has_a_census_too(images: pd.DataFrame) -> None:
    test = images[images["split"] == "test"]
    page = census.to_markdown(
        census.summarize(test, pd.Series(dtype=int), n_files=1, frame_size=1024)
    )
    assert "No labels, no folds." in page
    assert "nan" not in page.lower()


def test_the_real_labels_have_the_counts_of_the_competition_and_of_the_paper(
    shared_data: Path,
) -> None:
    rows = labels.read(shared_data / "siim_labels" / "stage_2_train.csv.gz", 1024)
    patients = csv_files.read(shared_data / "siim_labels" / "patients.csv.gz", ["ImageId"])
    images = labels.unite(rows, 1024).rename(columns={"rows": "label_rows"})
    images = images.join(patients.set_index("ImageId"))
    images = images.assign(split="train", reason="", positive=(images["area_px"] > 0).astype(int),
                           pixel_spacing_mm="", source="", sha256="", cleaned="")  # fmt: skip
    summary = census.summarize(images, pd.Series(0, images.index), len(images), 1024)
    # One and several annotations: Abedalla et al., Table 2, round 2.
    assert summary["labels"] == {
        "rows": 12954, "labelled": 12047, "positive": 2669, "one_annotation": 2045,
        "several_annotations": 624, "most_annotations": 10, "overlapping": 183, "repeated_rows": 0,
    }  # fmt: skip
    known = {"min": 55, "p1": 567, "p5": 1363, "p10": 2005, "p25": 4059, "median": 8630,
             "p75": 18388, "p90": 33432, "max": 161421,
             "below_800": 51, "below_2000": 266}  # fmt: skip
    assert {key: summary["area_px"][key] for key in known} == pytest.approx(known, abs=1)
    assert summary["patients"]["patients"] == 6171
    table = {(row["sex"], row["view"]): (row["positive"], row["negative"])
             for row in summary["sex_view"]}  # fmt: skip
    # Abedalla et al., Table 1, round-2 training.
    paper = {("F", "all"): (1180, 4241), ("M", "all"): (1489, 5137),
             ("all", "AP"): (972, 3801), ("all", "PA"): (1697, 5577)}  # fmt: skip
    for key, counts in paper.items():
        assert np.abs(np.subtract(table[key], counts)).max() <= 1, (key, table[key])
