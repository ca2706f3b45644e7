"""The scores, worked by hand and against set formulas."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lib import metrics

pairs_of_masks = arrays(bool, (2, 3, 4))


@pytest.mark.parametrize(
    ("predicted", "truth", "overlap", "dice", "iou"),
    [
        pytest.param(0, 0, 0, 1, 1, id="nothing-to-find-and-nothing-found"),
        pytest.param(5, 0, 0, 0, 0, id="found-in-vain"),
        pytest.param(0, 5, 0, 0, 0, id="missed"),
        pytest.param(4, 4, 4, 1, 1, id="perfect"),
        pytest.param(4, 6, 3, 6 / 10, 3 / 7, id="in-part"),
    ],
)
def test_known_scores(predicted: int, truth: int, overlap: int, dice: float, iou: float) -> None:
    assert metrics.dice(predicted, truth, overlap) == pytest.approx(dice)
    assert metrics.iou(predicted, truth, overlap) == pytest.approx(iou)


def test_many_images_are_scored_at_once() -> None:
    dice = metrics.dice(np.array([0, 5, 4]), np.array([0, 0, 6]), np.array([0, 0, 3]))
    assert dice.tolist() == [1, 0, 0.6]


@given(pairs_of_masks)
def test_masks_give_the_scores_of_sets_of_pixels(masks: np.ndarray) -> None:
    predicted, truth = (set(zip(*np.nonzero(mask), strict=True)) for mask in masks)
    counts = metrics.areas(*masks)
    assert [int(count) for count in counts] == [len(predicted), len(truth), len(predicted & truth)]
    if predicted | truth:
        iou = len(predicted & truth) / len(predicted | truth)
        assert metrics.iou(*counts) == pytest.approx(iou)
        assert metrics.dice(*counts) == pytest.approx(2 * iou / (1 + iou))


@given(pairs_of_masks)
def test_scores_are_symmetric(masks: np.ndarray) -> None:
    there, back = metrics.areas(*masks), metrics.areas(*masks[::-1])
    assert metrics.dice(*there) == metrics.dice(*back)


@given(st.integers(0, 2**20), st.integers(0, 2**20))
def test_areas_as_large_as_a_frame_do_not_overflow(predicted: int, truth: int) -> None:
    counts = np.array([predicted, truth, min(predicted, truth)], np.uint32)
    assert 0 <= metrics.dice(*counts) <= 1


def test_an_all_empty_answer_has_a_balanced_dice_of_one_half() -> None:
    positive = np.array([True, False, False, False])
    dice = metrics.dice(0, np.where(positive, 9, 0), 0)
    assert dice.mean() == 0.75
    assert metrics.positive_dice(dice, positive) == 0
    assert metrics.balanced_dice(dice, positive) == 0.5


def test_without_positives_there_is_no_positive_dice() -> None:
    assert np.isnan(metrics.positive_dice(np.ones(2), np.zeros(2, bool)))


def test_confusion_counts_images() -> None:
    found = np.array([1, 1, 1, 0, 0, 0], bool)
    positive = np.array([1, 1, 0, 1, 0, 0], bool)
    counts = metrics.confusion(found, positive)
    assert counts == {"both": 2, "missed": 1, "false": 1, "neither": 2}
