"""The search of a gate on p(positive), against applying rules to the maps."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib import metrics
from lib.decision.gate_search import GateSearch, gate_curve
from lib.decision.rules import ThresholdRule
from lib.decision.threshold_search import PRESETS
from tests.decision.samples import MappedSample, mapped_sample


def search_gate(mapped: MappedSample) -> GateSearch:
    return GateSearch(mapped.sample, PRESETS["gated"], lambda features: features[:, 0])


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_the_gates_of_a_bottom_level_score_what_brute_force_finds(seed: int, images: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        mapped = mapped_sample(Path(folder), seed, images, side=4)
        counts = mapped.sample.histograms
        for bottom in (0, 89, 149, 209):
            curve = gate_curve(counts.gain[:, [bottom]], counts, mapped.p_positive)
            for class_min in (0, 0.1, 0.2, 0.3, 0.6, 0.9):
                if class_min > mapped.p_positive.max():
                    continue
                rule = replace(ThresholdRule.from_levels(bottom, bottom), class_min=class_min)
                step = np.searchsorted(curve.highest, class_min)
                score = mapped.mean_dice(rule)
                assert curve.score[step] == pytest.approx(score, abs=1e-12)


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.integers(2, 6))
def test_the_best_rule_is_the_best_of_its_gate_and_of_its_triplet(seed: int, images: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        mapped = mapped_sample(Path(folder), seed, images, side=4)
        best = search_gate(mapped).best
        score = mapped.mean_dice(best)
        gates = [replace(best, class_min=p) for p in (0, *mapped.p_positive)]
        triplets = [
            replace(ThresholdRule.from_levels(top, bottom, area), class_min=class_min)
            for class_min in (best.class_min, 0.0)
            for top in (0, 89, 149, 209)
            for bottom in (0, 89, 149, 209)
            if bottom <= top
            for area in range(18)
        ]
        assert score >= max(mapped.mean_dice(rule) for rule in gates + triplets) - 1e-12


@pytest.mark.parametrize("seed", range(4))
def test_best_and_middle_stay_on_the_plateau(tmp_path: Path, seed: int) -> None:
    mapped = mapped_sample(tmp_path, seed, 12)
    found = search_gate(mapped)
    for rule in (found.best, found.middle):
        dice = metrics.dice(*rule.areas(mapped.sample, mapped.p_positive)).mean()
        assert dice == pytest.approx(mapped.mean_dice(rule), abs=1e-12)
        assert dice >= found.plateau.floor - 1e-12
