"""The mask of the highest expected Dice, against every mask and every truth of tiny images."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.decision.calibration import EmptyClassifier, Knots
from lib.decision.expected_dice import ExpectedDice, ExpectedDiceRule
from lib.errors import InputError
from tests.decision.samples import P_OF_VALUE, calibrated_sample, one_image

NEVER_EMPTY = EmptyClassifier(-700.0, (0.0, 0.0))
STEP_TABLE = np.where(np.arange(256) > 100, 1.0, 0.0)


def constant(p_empty: float) -> EmptyClassifier:
    return EmptyClassifier(float(np.log(p_empty / (1 - p_empty))), (0.0, 0.0))


def rule_of(table: np.ndarray, empty: EmptyClassifier = NEVER_EMPTY) -> ExpectedDiceRule:
    knots: Knots = tuple(enumerate(table.tolist()))
    return ExpectedDiceRule(knots, empty)


def expectation(table: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The expected Dice of the mask above each level."""
    return ExpectedDice(table)(one_image(values).pixels[0])


def distinct_values(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.choice(np.arange(1, 256), count, replace=False)


def by_enumeration(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All masks of some pixels, and the expected Dice of each over all truths."""
    subsets = np.array(list(itertools.product([False, True], repeat=len(p))))
    chance = np.where(subsets, p, 1 - p).prod(axis=1)
    overlap = subsets.astype(int) @ subsets.T.astype(int)
    total = subsets.sum(axis=1)[:, None] + subsets.sum(axis=1)
    dice = np.where(total == 0, 1, 2 * overlap / np.maximum(total, 1))
    return subsets, dice @ chance


def sum_law(p: np.ndarray) -> np.ndarray:
    """The Poisson binomial law: P(k of the pixels are in the truth), for every k."""
    law = np.ones(1)
    for chance in p:
        law = np.convolve(law, [1 - chance, chance])
    return law


def by_poisson_binomial(p: np.ndarray, count: int) -> float:
    """E[Dice] of the first `count` pixels, from the law of the sum of the others."""
    value = 0.0
    for pixel in range(count):
        law = sum_law(np.delete(p, pixel))
        value += p[pixel] * np.sum(2 * law / (count + 1 + np.arange(len(law))))
    return value


# The expectation


@pytest.mark.parametrize("seed", range(10))
def test_every_level_has_the_expectation_of_the_poisson_binomial_law(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.choice(rng.integers(0, 256, 8), 40)
    table = P_OF_VALUE**2
    p = np.sort(table[values])[::-1]
    expected = expectation(table, values)
    for level in (0, 50, 128, 200, 254):
        exact = by_poisson_binomial(p, int((values > level).sum()))
        assert expected[level] == pytest.approx(exact, abs=1e-8)


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.floats(-6, 0), st.integers(1, 20))
def test_on_large_images_it_is_the_expansion_in_moments(
    seed: int, log_p: float, exponent: int
) -> None:
    # E[1 / (a + S)] to the second order; the error is of third order in 1 / E[S].
    rng = np.random.default_rng(seed)
    pixels = rng.multinomial(2**exponent, rng.dirichlet(np.full(256, 0.1)))
    table = 10**log_p * P_OF_VALUE
    expected, mean = ExpectedDice(table)(pixels), pixels @ table
    variance = pixels @ (table * (1 - table))
    for level in range(0, 255, 15):
        size = pixels[level + 1 :].sum() + 1 + mean
        overlap = pixels[level + 1 :] @ table[level + 1 :]
        second_order = 2 * overlap * (1 + variance / size**2) / size
        assert abs(expected[level] - second_order) <= 4 / size + 1e-8


# The mask


@pytest.mark.parametrize("seed", range(40))
def test_no_mask_of_a_tiny_image_is_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = distinct_values(rng, rng.integers(1, 11)).astype(np.uint8)
    table = P_OF_VALUE ** rng.choice([0.3, 1, 3])
    p = table[values]
    subsets, scores = by_enumeration(p)
    # Where the truth is empty, a mask scores 0: E[Dice] is P(not empty) E[Dice | not empty].
    best = expectation(table, values).max()
    assert best == pytest.approx(scores[1:].max(), abs=1e-8)
    mask = rule_of(table).apply(values[None])[0]
    assert scores[(subsets == mask).all(axis=1)].item() == pytest.approx(best, abs=1e-8)
    p_empty = float(np.prod(1 - p))  # of independent pixels
    assert scores.max() == pytest.approx(max(best, p_empty), abs=1e-8)


@pytest.mark.parametrize("seed", range(40))
def test_neither_a_mask_nor_the_empty_one_is_better_if_an_image_may_be_empty(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.append(distinct_values(rng, 8), 255).astype(np.uint8)  # p = 1: no truth is empty
    table, p_empty = P_OF_VALUE ** rng.choice([1, 3]), rng.uniform(0.1, 0.9)
    subsets, scores = by_enumeration(table[values])
    scores *= 1 - p_empty
    assert not subsets[0].any()
    assert scores[0] == 0
    scores[0] = p_empty
    mask = rule_of(table, constant(p_empty)).apply(values[None])[0]
    assert scores[(subsets == mask).all(axis=1)].item() == pytest.approx(scores.max(), abs=1e-8)


def test_a_map_of_zeros_has_an_empty_mask_for_any_p_empty() -> None:
    zeros = np.zeros((4, 4), np.uint8)
    assert not rule_of(P_OF_VALUE).apply(zeros).any()
    assert not expectation(P_OF_VALUE, zeros).any()


def test_pixels_of_probability_one_are_the_mask() -> None:
    values = np.array([[0, 99], [101, 255]], np.uint8)
    assert expectation(STEP_TABLE, values).max() == pytest.approx(1)
    assert rule_of(STEP_TABLE).apply(values).tolist() == [[False, False], [True, True]]


@pytest.mark.parametrize(("p_empty", "masked"), [(0.2, True), (0.49, True), (0.51, False)])
def test_the_empty_mask_wins_if_p_empty_is_above_the_score_of_the_best_mask(
    p_empty: float, masked: bool
) -> None:
    rule = rule_of(STEP_TABLE, constant(p_empty))  # E[Dice] is 1, so the limit is 1/2
    assert rule.apply(np.full((3, 3), 200, np.uint8)).any() == masked


def test_the_mask_of_a_map_has_the_area_that_its_histogram_gives() -> None:
    sample = calibrated_sample(30)
    rule = ExpectedDiceRule.fit(sample.histograms)
    predicted, _, _ = rule.areas(sample)
    for number, pixels in enumerate(sample.histograms.pixels):
        values = np.repeat(np.arange(256), pixels).astype(np.uint8)[None]
        assert rule.apply(values).sum() == predicted[number]
    assert 0 < (predicted > 0).sum() < 30


# The fitted rule


def test_p_positive_is_used_where_it_is_known() -> None:
    counts = calibrated_sample(60).histograms
    p = np.where(counts.positive, 0.9, 0.1)
    rule = ExpectedDiceRule.fit(counts, p)
    assert rule.uses_p_positive
    assert (rule.p_empty(counts, p) < rule.p_empty(counts, 1 - p))[counts.positive].all()
    with pytest.raises(InputError, match="needs image probabilities.*--replace"):
        rule.p_empty(counts)
    without = ExpectedDiceRule.fit(counts)
    assert not without.uses_p_positive
    assert (without.p_empty(counts, p) == without.p_empty(counts)).all()


def test_a_rule_is_written_and_read_back_to_the_last_bit() -> None:
    rule = ExpectedDiceRule.fit(calibrated_sample(40).histograms)
    text = json.dumps(rule.to_json(), sort_keys=True)
    content = json.loads(text)
    assert [content[key] for key in ("top", "min_area", "bottom", "class_min")] == [None] * 4
    loaded = ExpectedDiceRule.from_json(content["expected"])
    assert loaded == rule
    assert (loaded.table == rule.table).all()
    assert len(text) < 1000


@pytest.mark.parametrize("p_empty", [0.1, 0.3, 0.6])
def test_the_margin_is_the_gain_of_the_best_mask_over_none(p_empty: float) -> None:
    values = np.array([[100, 200], [30, 250]], np.uint8)
    table = np.linspace(0, 1, 256)
    rule = rule_of(table, constant(p_empty))
    _, expected = by_enumeration(table[values.ravel()])
    margin = rule.margin(values)
    assert margin == pytest.approx((1 - p_empty) * expected.max() - p_empty, abs=1e-6)
    assert (margin > 0) == rule.apply(values).any()
