"""Calibration of pixels and of P(empty | image), by hand and where the true law is known."""

import numpy as np
import pytest

from lib.decision.calibration import (
    ReliabilityBin,
    fit_empty_classifier,
    image_features,
    interpolate,
    pixel_knots,
    reliability_bins,
)
from lib.decision.histograms import Histograms
from lib.errors import InputError
from tests.decision.samples import P_OF_VALUE, calibrated_sample, one_image


def test_the_table_is_the_law_that_the_truth_was_drawn_by() -> None:
    table = interpolate(pixel_knots(calibrated_sample(400).histograms))
    assert (np.diff(table) >= 0).all()
    assert np.abs(table - P_OF_VALUE**2)[:240].max() < 0.05


def test_knots_by_hand() -> None:
    # 2 and 3 are a group of mean 2.75, 20 and 30 one of 24; the next has less of it inside: pooled.
    pixels, inside = np.zeros((2, 2, 256), np.int64)
    pixels[0, [0, 1, 2, 3, 20, 30, 40]] = 100, 10, 10, 30, 6, 4, 10
    inside[0, [1, 2, 3, 20, 40]] = 1, 4, 4, 6, 4
    knots = pixel_knots(Histograms(np.array(["a", "b"]), pixels, inside))
    assert knots == tuple(
        (value, pytest.approx(p)) for value, p in [(0, 0), (1, 0.1), (3, 0.2), (24, 0.5), (40, 0.5)]
    )
    table = interpolate(knots)
    assert table[[2, 3]] == pytest.approx([0.15, 0.2])
    assert table[[24, 255]] == pytest.approx(0.5)


def test_pixels_of_empty_images_do_not_count() -> None:
    counts = calibrated_sample(60).histograms
    pixels = np.where(counts.positive[:, None], counts.pixels, 7 * counts.pixels)
    assert pixel_knots(Histograms(counts.ids, pixels, counts.inside)) == pixel_knots(counts)


def test_features_are_the_highest_value_the_expected_area_and_the_logit() -> None:
    image = one_image(np.array([0, 51, 51, 102, 204]))
    features = image_features(image, P_OF_VALUE, np.array([0.9]))
    area = 0.2 + 0.2 + 0.4 + 0.8
    assert features.tolist() == [pytest.approx([0.8, np.log(1 + area), np.log(9)])]


def test_empty_images_are_recognised_with_calibrated_probabilities() -> None:
    counts = calibrated_sample(200).histograms
    features = image_features(counts, P_OF_VALUE**2, None)
    p = fit_empty_classifier(features, counts.positive)(features)
    assert ((p > 0.5) == ~counts.positive).mean() > 0.9
    assert p.mean() == pytest.approx(0.5, abs=1e-3)  # logistic regression keeps the mean


@pytest.mark.parametrize("first", [0, 1])
def test_images_of_one_kind_cannot_be_calibrated_on(first: int) -> None:
    counts = calibrated_sample(20).histograms[np.arange(first, 20, 2)]
    with pytest.raises(InputError, match="with and without a pneumothorax.*--rule triplet"):
        pixel_knots(counts)
    with pytest.raises(InputError, match="with and without a pneumothorax.*--rule triplet"):
        fit_empty_classifier(np.zeros((10, 2)), counts.positive)


def test_reliability_by_hand() -> None:
    bins = reliability_bins(np.array([0.02, 0.08, 1.0]), np.array([0, 3, 2]), np.array([6, 3, 2]))
    assert bins == [
        ReliabilityBin(pytest.approx(0.04), pytest.approx(1 / 3), count=9),
        ReliabilityBin(1.0, 1.0, count=2),
    ]
