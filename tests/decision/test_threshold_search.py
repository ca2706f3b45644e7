"""The exact search of thresholds and minimum area, against plain loops over images and rules."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.decision.rules import ThresholdRule
from lib.decision.threshold_search import PRESETS, search
from tests.decision.samples import LabelledMap, count_all, mean_dice, random_maps


def brute_force(maps: list[LabelledMap], preset: str) -> tuple[float, ThresholdRule]:
    """The first of the best rules in the order top, bottom, area.

    Levels between two values that occur make the same masks; the first of them stands for all.
    """
    values = {int(value) for pixels, _ in maps for value in pixels.ravel()}
    levels = sorted({0} | values - {255})
    scored = []
    for top, bottom in itertools.product(levels, levels):
        if bottom > top or (preset != "triplet" and bottom < top):
            continue
        for area in range(1 if preset == "single" else maps[0][0].size + 2):
            rule = ThresholdRule.from_levels(top, bottom, area)
            scored.append((mean_dice(rule, maps), rule))
    best = max(score for score, _ in scored)
    return best, next(rule for score, rule in scored if score >= best - 1e-12)


@pytest.mark.parametrize("preset", ["single", "duplet", "triplet"])
@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    images=st.integers(1, 7),
    values=st.lists(st.integers(0, 255), min_size=1, max_size=4, unique=True),
)
def test_the_search_finds_what_brute_force_finds(
    preset: str, seed: int, images: int, values: list[int]
) -> None:
    maps = random_maps(np.random.default_rng(seed), images, 3, values)
    score, rule = brute_force(maps, preset)
    surface = search(count_all(maps), PRESETS[preset])
    assert surface.score.max() == pytest.approx(score, abs=1e-12)
    assert surface.best == rule


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(0, 254), st.integers(0, 254))
def test_every_pair_has_its_best_area_and_its_whole_curve(seed: int, a: int, b: int) -> None:
    top, bottom = max(a, b), min(a, b)
    maps = random_maps(np.random.default_rng(seed), 5, 4, range(0, 256, 17))
    surface = search(count_all(maps), PRESETS["triplet"])
    rules = [ThresholdRule.from_levels(top, bottom, area) for area in range(18)]
    scores = [mean_dice(rule, maps) for rule in rules]
    curve = surface.curve(top, bottom)
    for lowest, highest, score in zip(curve.lowest, curve.highest, curve.score, strict=True):
        assert scores[lowest : highest + 1] == pytest.approx([score] * (highest + 1 - lowest))
    assert (curve.lowest[1:] == curve.highest[:-1] + 1).all()
    assert curve.score[-1] == pytest.approx(scores[17]), "every image is empty"
    assert surface.score[top, bottom] == pytest.approx(max(scores), abs=1e-12)
    first = next(area for area in range(18) if scores[area] >= max(scores) - 1e-12)
    assert surface.rule(top, bottom) == rules[first]


def test_pairs_with_the_bottom_above_the_top_are_not_searched() -> None:
    counts = count_all(random_maps(np.random.default_rng(0), 3, 4, [0, 100, 200]))
    score = search(counts, PRESETS["triplet"]).score
    assert (np.isfinite(score) == np.tri(255, dtype=bool)).all()
    score = search(counts, PRESETS["duplet"]).score
    assert (np.isfinite(score) == np.eye(255, dtype=bool)).all()


def test_without_positive_images_every_image_is_emptied() -> None:
    values = np.full((4, 4), 200, np.uint8)
    surface = search(count_all([(values, np.zeros((4, 4), bool))] * 3), PRESETS["triplet"])
    assert surface.score.max() == 1
    assert surface.best == ThresholdRule.from_levels(0, 0, 17)
