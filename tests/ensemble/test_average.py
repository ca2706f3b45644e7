"""Averaging of maps and image probabilities, on tiny maps made by hand."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from lib import artifacts, csv_files, dataset, images, rle
from lib.decision import histograms
from lib.ensemble.average import BlendCounter, LabelledImage, average
from lib.layout import ALL_DATA, Work
from tests import fakes
from tests.ensemble.builders import (
    IMAGES,
    TRUTH,
    begin_ensemble,
    load,
    make_ensemble,
    read_p_positive,
)


@pytest.fixture
def empty_work(tmp_path: Path) -> Work:
    """The dataset of `work`, without runs."""
    work = Work(tmp_path)
    fakes.make_dataset(work, TRUTH)
    return work


# Maps


def test_maps_are_the_weighted_mean_over_members_and_the_mean_over_folds(empty_work: Work) -> None:
    for run, fold, value in (("a", 0, 100), ("a", 1, 200), ("b", 0, 40), ("b", 1, 0)):
        uniform = np.full((fakes.FRAME, fakes.FRAME), value, np.uint8)
        fakes.make_probs(empty_work, run, fold, TRUTH, maps=dict.fromkeys(IMAGES, uniform))
    ensemble = make_ensemble(empty_work, "a", "b", weights="3 1")
    for file, value in {
        "oof/image00.png": (3 * 100 + 40) / 4,
        "oof/image01.png": (3 * 200 + 0) / 4,
        "test/test0.png": (3 * (100 + 200) / 2 + (40 + 0) / 2) / 4,
    }.items():
        assert (images.read_png(ensemble.path(file)) == round(value)).all(), file
    rows = csv_files.read(ensemble.path("members.csv"), ("member", "fold", "weight", "id"))
    assert list(rows["weight"].astype(float)) == [0.75, 0.75, 0.25, 0.25]
    assert rows["id"].iloc[0] == artifacts.read(empty_work.probs("a", 0)).id


def test_a_single_member_keeps_every_value(empty_work: Work) -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(fakes.FRAME, fakes.FRAME)
    for fold in (0, 1):
        fakes.make_probs(empty_work, "a", fold, TRUTH, maps={"image00": ramp, "test0": ramp})
    ensemble = make_ensemble(empty_work, "a")
    assert (images.read_png(ensemble.path("oof/image00.png")) == ramp).all()
    assert (images.read_png(ensemble.path("test/test0.png")) == ramp).all()


def test_smaller_maps_are_resized_in_float_before_they_are_averaged(empty_work: Work) -> None:
    small = fakes.masks(12, 8)
    for run, seed in (("a", 0), ("b", 1)):
        for fold in (0, 1):
            fakes.make_probs(empty_work, run, fold, small, size=8, seed=seed)
    ensemble = make_ensemble(empty_work, "a", "b")
    mean = np.mean(
        [images.read_png(empty_work.probs(run, 0).folder / "oof/image00.png") for run in "ab"], 0
    )
    expected = cv2.resize(mean, (16, 16), interpolation=cv2.INTER_LINEAR)
    found = images.read_png(ensemble.path("oof/image00.png"))
    assert np.abs(found - expected).max() <= 0.5 + 1e-4


def test_histograms_are_those_of_the_maps(work: Work) -> None:
    ensemble = make_ensemble(work, "a", "b")
    counts = histograms.load(ensemble.path("histograms.npz"))
    assert list(counts.ids) == sorted(TRUTH)
    for image_id, pixels, inside in zip(counts.ids, counts.pixels, counts.inside, strict=True):
        values = images.read_png(ensemble.path(f"oof/{image_id}.png"))
        assert (pixels == np.bincount(values.ravel(), minlength=256)).all()
        assert (inside == np.bincount(values[TRUTH[image_id]], minlength=256)).all()


def test_an_interrupted_average_is_continued_to_the_same_result(work: Work) -> None:
    whole, members = make_ensemble(work, "a", name="whole"), load(work, "a")
    draft = begin_ensemble(work, "cut", members)
    kept = draft.path("oof/image03.png")
    images.write_png(kept, images.read_png(whole.path("oof/image03.png")))
    written = kept.stat().st_mtime_ns
    cut = average(draft, members, dataset.read(work))
    assert cut.path("oof/image03.png").stat().st_mtime_ns == written
    assert cut.id == whole.id


def test_a_run_on_all_data_gives_test_maps_only(work: Work) -> None:
    fakes.make_probs(work, "final", ALL_DATA, TRUTH)
    ensemble = make_ensemble(work, "final")
    assert [file for file in ensemble.files if file.startswith("test/")]
    assert not [file for file in ensemble.files if file.startswith("oof/")]


# Image probabilities


def test_image_probabilities_are_averaged_over_the_members_that_have_them(empty_work: Work) -> None:
    for run, fold, p in (("a", 0, 0.2), ("a", 1, 0.6), ("b", 0, 0.8), ("b", 1, 0.8)):
        fakes.make_probs(empty_work, run, fold, TRUTH, classes=dict.fromkeys(IMAGES, p))
    for fold in (0, 1):
        fakes.make_probs(empty_work, "headless", fold, TRUTH)
    p = read_p_positive(make_ensemble(empty_work, "a", "headless", "b", weights="3 5 1"))
    assert sorted(p) == sorted(IMAGES)
    assert p["image00"] == pytest.approx((3 * 0.2 + 0.8) / 4)
    assert p["image01"] == pytest.approx((3 * 0.6 + 0.8) / 4)
    assert p["test1"] == pytest.approx((3 * 0.4 + 0.8) / 4)


def test_without_image_heads_the_table_has_a_header_only(work: Work) -> None:
    assert make_ensemble(work, "a", "b").path("class.csv").read_text() == "ImageId,p\n"


# Counting of blends


@pytest.mark.parametrize("block", [1, 2, 4])
@pytest.mark.parametrize("side", [4, 8, 16])
def test_blends_are_counted_in_pixels_of_the_frame(tmp_path: Path, block: int, side: int) -> None:
    rng = np.random.default_rng(block + side)
    maps = [rng.integers(0, 256, (side, side), np.uint8) for _ in range(2)]
    for number, values in enumerate(maps):
        images.write_png(tmp_path / f"{number}/oof/a.png", values)
    truth = rng.random((16, 16)) < 0.3
    weights = np.array([[1.0, 1.0], [3.0, 1.0], [0.0, 2.0]])
    counter = BlendCounter(16, {0: [tmp_path / "0", tmp_path / "1"]}, weights, block)
    labelled = [LabelledImage("a", 0, rle.encode(truth)), LabelledImage("a", 0, rle.EMPTY)]
    for row, counts in zip(weights, counter.count(labelled, ""), strict=True):
        parts = [resize(values, 16 // block) for values in maps]
        blend = np.kron(np.rint(np.average(parts, 0, row)), np.ones((block, block))).astype(int)
        assert (counts.pixels.sum(axis=1) == 16 * 16).all()
        assert counts.truth.tolist() == [truth.sum(), 0]
        assert (counts.pixels[0] == counts.pixels[1]).all()
        for found, values in ((counts.pixels[0], blend.ravel()), (counts.inside[0], blend[truth])):
            moved = np.cumsum(found.astype(int) - np.bincount(values, minlength=256))
            assert np.abs(moved).max() <= 2 * block**2  # float32 may round a half the other way


def resize(values: np.ndarray, side: int) -> np.ndarray:
    """Shrink by block means, enlarge bilinearly."""
    factor = len(values) // side
    if factor >= 1:
        return values.reshape(side, factor, side, factor).astype(float).mean(axis=(1, 3))
    return cv2.resize(values.astype(np.float64), (side, side), interpolation=cv2.INTER_LINEAR)
