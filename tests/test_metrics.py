"""Metrics, worked by hand and against set formulas."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lib import metrics

pairs_of_masks = arrays(bool, (2, 3, 4))


@pytest.mark.parametrize(
    ("areas", "dice", "iou", "precision", "recall"),
    [
        pytest.param((0, 0, 0), 1, 1, 1, 1, id="both-empty"),
        pytest.param((5, 0, 0), 0, 0, 0, 0, id="false-alarm"),
        pytest.param((0, 5, 0), 0, 0, 0, 0, id="missed"),
        pytest.param((4, 4, 4), 1, 1, 1, 1, id="perfect"),
        pytest.param((4, 6, 3), 6 / 10, 3 / 7, 3 / 4, 3 / 6, id="in-part"),
        pytest.param((2, 8, 2), 4 / 10, 2 / 8, 1, 2 / 8, id="inside-the-truth"),
    ],
)
def test_known_scores(
    areas: tuple[int, int, int], dice: float, iou: float, precision: float, recall: float
) -> None:
    assert metrics.dice(*areas) == pytest.approx(dice)
    assert metrics.iou(*areas) == pytest.approx(iou)
    assert metrics.precision(*areas) == pytest.approx(precision)
    assert metrics.recall(*areas) == pytest.approx(recall)


def test_many_images_are_scored_at_once() -> None:
    dice = metrics.dice(np.array([0, 5, 4]), np.array([0, 0, 6]), np.array([0, 0, 3]))
    assert dice.tolist() == [1, 0, 0.6]


@given(pairs_of_masks)
def test_masks_give_the_scores_of_sets_of_pixels(masks: np.ndarray) -> None:
    predicted, truth = (set(zip(*np.nonzero(mask), strict=True)) for mask in masks)
    counts = metrics.areas(*masks)
    assert [int(count) for count in counts] == [len(predicted), len(truth), len(predicted & truth)]
    right = masks[0].size - len(predicted ^ truth)
    assert metrics.pixel_accuracy(*(12 * count for count in counts), 12) == pytest.approx(
        right / masks[0].size
    )
    if predicted | truth:
        iou = len(predicted & truth) / len(predicted | truth)
        assert metrics.iou(*counts) == pytest.approx(iou)
        assert metrics.dice(*counts) == pytest.approx(2 * iou / (1 + iou))


@given(pairs_of_masks)
def test_dice_is_the_harmonic_mean_of_precision_and_recall(masks: np.ndarray) -> None:
    counts = metrics.areas(*masks)
    precision, recall = metrics.precision(*counts), metrics.recall(*counts)
    mean = 2 * precision * recall / (precision + recall) if precision + recall else 0
    assert metrics.dice(*counts) == pytest.approx(mean)


@given(st.integers(0, 2**20), st.integers(0, 2**20))
def test_areas_as_large_as_a_frame_do_not_overflow(predicted: int, truth: int) -> None:
    counts = np.array([predicted, truth, min(predicted, truth)], np.uint32)
    assert 0 <= metrics.dice(*counts) <= 1


def test_the_all_empty_baseline_has_a_balanced_dice_of_one_half() -> None:
    positive = np.array([True, False, False, False])
    dice = metrics.dice(0, np.where(positive, 9, 0), 0)
    assert dice.mean() == 0.75
    assert metrics.positive_dice(dice, positive) == 0
    assert metrics.balanced_dice(dice, positive) == 0.5


def test_without_images_of_a_class_its_metrics_are_nan() -> None:
    none = np.zeros(2, bool)
    assert np.isnan(metrics.positive_dice(np.ones(2), none))
    assert np.isnan(metrics.sensitivity(~none, none))
    assert np.isnan(metrics.specificity(none, ~none))


def test_confusion_counts_images() -> None:
    predicted = np.array([1, 1, 1, 0, 0, 0], bool)
    positive = np.array([1, 1, 0, 1, 0, 0], bool)
    counts = metrics.confusion(predicted, positive)
    assert counts == metrics.Confusion(both=2, missed=1, false=1, neither=2)


def test_sensitivity_and_specificity_are_fractions_of_positives_and_of_negatives() -> None:
    predicted = np.array([1, 1, 1, 0, 0, 0, 0], bool)
    positive = np.array([1, 1, 0, 1, 0, 0, 0], bool)
    assert metrics.sensitivity(predicted, positive) == pytest.approx(2 / 3)
    assert metrics.specificity(predicted, positive) == pytest.approx(3 / 4)


@pytest.mark.parametrize(
    ("p", "positive", "auc"),
    [
        pytest.param([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], 1, id="perfect"),
        pytest.param([0.1, 0.2, 0.8, 0.9], [1, 1, 0, 0], 0, id="the-wrong-way-round"),
        pytest.param([0.5, 0.5, 0.5], [0, 1, 0], 0.5, id="all-tied"),
        pytest.param([0.3, 0.6, 0.4, 0.6, 0.1], [1, 1, 0, 0, 0], 3.5 / 6, id="pairs-counted"),
    ],
)
def test_auc_is_the_fraction_of_pairs_in_order(
    p: list[float], positive: list[int], auc: float
) -> None:
    assert metrics.auc(np.array(p), np.array(positive, bool)) == pytest.approx(auc)


@pytest.mark.parametrize(
    ("p", "positive"),
    [([0.1, 0.2], [1, 1]), ([0.1, 0.2], [0, 0]), ([0.1, np.nan, 0.3], [0, 1, 0])],
    ids=["no-negatives", "no-positives", "diverged"],
)
def test_auc_is_nan_without_both_classes_or_a_probability(
    p: list[float], positive: list[int]
) -> None:
    assert np.isnan(metrics.auc(np.array(p), np.array(positive, bool)))
