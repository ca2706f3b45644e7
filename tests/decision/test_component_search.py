"""The search of component areas and hole filling, against applying every rule to the maps."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.decision import component_search
from lib.decision.component_search import ComponentSearch
from lib.decision.rules import ThresholdRule
from lib.decision.threshold_search import PRESETS, search
from lib.decision.tuning import FittedRule
from tests.decision.samples import mapped_sample, noisy_sample


def levels_among_values(rule: ThresholdRule) -> tuple[int, int, int]:
    """The same for rules that make the same masks of the maps of `mapped_sample`."""
    top, bottom = (sum(value <= level for value in (90, 150, 210)) for level in rule.levels)
    return top, rule.min_area, bottom


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(2, 6))
def test_the_search_finds_what_brute_force_finds(seed: int, images: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        mapped = mapped_sample(Path(folder), seed, images)
        found = ComponentSearch(mapped.sample, PRESETS["components"])
        triplets = component_search.candidates(found.plateau.surface)
        rules = [
            replace(triplet, component_min_area=area, fill_holes=fill)
            for triplet in {levels_among_values(triplet): triplet for triplet in triplets}.values()
            for area in range(51)
            for fill in (False, True)
        ]
        best = max(mapped.mean_dice(rule) for rule in rules)
        assert mapped.mean_dice(found.best) == pytest.approx(best, abs=1e-12)
        dice = FittedRule(found.best).dice(mapped.sample)
        assert dice.mean() == pytest.approx(best, abs=1e-12)
        assert best >= found.plateau.surface.score.max() - 1e-12


def test_the_candidates_are_the_best_triplets_of_the_best_bottoms() -> None:
    surface = search(noisy_sample().histograms, PRESETS["triplet"])
    triplets = component_search.candidates(surface)
    bottoms = [rule.levels[1] for rule in triplets]
    assert len(set(bottoms)) == component_search.CANDIDATES
    assert triplets[0].min_area == surface.best.min_area
    others = np.delete(surface.score.max(axis=0), bottoms)
    for rule, bottom in zip(triplets, bottoms, strict=True):
        score = rule.histogram_dice(surface.histograms).mean()
        assert score == pytest.approx(surface.score[:, bottom].max(), abs=1e-12)
        assert score >= others.max() - 1e-12


@pytest.mark.parametrize("fill", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_the_curve_is_the_score_at_every_area(tmp_path: Path, seed: int, fill: bool) -> None:
    mapped = mapped_sample(tmp_path, seed, 6)
    triplet = ThresholdRule.from_levels(149, 89, 3)
    curve = component_search.area_curve(mapped.sample, triplet, fill)
    for area in range(51):
        step = np.searchsorted(curve.lowest, area, side="right") - 1
        rule = replace(triplet, component_min_area=area, fill_holes=fill)
        assert curve.score[step] == pytest.approx(mapped.mean_dice(rule), abs=1e-12)
    assert (curve.lowest[1:] == curve.highest[:-1] + 1).all()


@pytest.mark.parametrize("seed", range(4))
def test_best_and_middle_stay_on_the_plateau(tmp_path: Path, seed: int) -> None:
    mapped = mapped_sample(tmp_path, seed, 12)
    found = ComponentSearch(mapped.sample, PRESETS["components"])
    for rule in (found.best, found.middle):
        dice = FittedRule(rule).dice(mapped.sample).mean()
        assert dice == pytest.approx(mapped.mean_dice(rule), abs=1e-12)
        assert dice >= found.plateau.floor - 1e-12
