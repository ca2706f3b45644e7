"""Fitting a rule to a sample, and scoring each fold by the rule of the other folds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from lib.decision.histograms import Histograms, OofSample
from lib.decision.threshold_search import PRESETS
from lib.decision.tuning import (
    GateFit,
    RuleFitter,
    cross_fit,
    identity_gate,
    mean_gate,
    measure_reliability,
    stacked_gate,
)
from lib.errors import InputError
from tests.decision.samples import calibrated_sample, mapped_sample, noisy_sample

# Gates


def test_the_mean_gate_does_not_depend_on_the_truth() -> None:
    features = np.array([[0.2, 0.6], [0.1, 0.2]])
    for positive in (np.zeros(2, bool), np.ones(2, bool)):
        assert mean_gate(features, positive)(features) == pytest.approx([0.4, 0.15])


def test_the_stacked_gate_is_logistic_regression_on_logits() -> None:
    rng = np.random.default_rng(0)
    features, positive = rng.uniform(0.01, 0.99, (40, 2)), rng.random(40) < 0.4
    logits = np.log(features) - np.log1p(-features)
    expected = LogisticRegression().fit(logits, positive).predict_proba(logits)[:, 1]
    gate = stacked_gate(features, positive)
    assert gate(features) == pytest.approx(expected, abs=1e-6)
    assert np.isfinite(gate(np.array([[0.0, 1.0]]))).all()


def test_the_stacked_gate_needs_both_kinds_of_images() -> None:
    with pytest.raises(InputError, match="with and without a pneumothorax.*--gate-fit mean"):
        stacked_gate(np.full((3, 1), 0.5), np.ones(3, bool))


# Cross-fitting


@pytest.mark.parametrize("choose", ["best", "plateau"])
def test_every_fold_is_scored_by_the_rule_of_the_others(choose: str) -> None:
    sample, fitter = noisy_sample(folds=3), RuleFitter(PRESETS["triplet"], choose)
    crossed = cross_fit(sample, fitter)
    for fold in range(3):
        heldout = sample.folds == fold
        rule = fitter.fit(sample[~heldout]).rule
        assert crossed.fitted[fold].rule == rule
        assert (crossed.dice[heldout] == rule.histogram_dice(sample.histograms[heldout])).all()


@pytest.mark.parametrize(
    ("preset", "choose", "fit_gate"),
    [
        ("triplet", "best", identity_gate),
        ("triplet", "plateau", identity_gate),
        ("components", "best", identity_gate),
        ("components", "plateau", identity_gate),
        ("gated", "best", identity_gate),
        ("gated", "plateau", identity_gate),
        ("gated", "best", stacked_gate),
        ("expected", None, identity_gate),
    ],
)
def test_the_truth_of_a_fold_does_not_change_the_rule_that_it_is_scored_by(
    tmp_path: Path, preset: str, choose: str | None, fit_gate: GateFit
) -> None:
    fitter = RuleFitter(PRESETS[preset], choose, fit_gate)
    before, after = (
        mapped_sample(tmp_path / str(fold), 3, 15, inverted_fold=fold).sample for fold in (None, 0)
    )
    one, other = cross_fit(before, fitter).fitted, cross_fit(after, fitter).fitted
    assert one[0].rule == other[0].rule
    assert one[1].rule != other[1].rule
    assert (before.p_positive(one[0].gate) == after.p_positive(other[0].gate)).all()
    gate_changes = (before.p_positive(one[1].gate) != after.p_positive(other[1].gate)).any()
    assert gate_changes == (fit_gate is stacked_gate)


def test_searched_weights_give_each_fold_the_maps_that_were_made_without_it() -> None:
    final, without0 = noisy_sample(seed=0), noisy_sample(seed=1)
    maps_without = {0: without0.histograms, 1: final.histograms}
    sample = replace(final, heldout_histograms=maps_without.__getitem__)
    fitter, heldout = RuleFitter(choose="best"), final.folds == 0
    crossed = cross_fit(sample, fitter)
    rule = fitter.fit(without0[~heldout]).rule
    assert crossed.fitted[0].rule == rule
    assert (crossed.dice[heldout] == rule.histogram_dice(without0.histograms[heldout])).all()
    assert crossed.fitted[1].rule == fitter.fit(final[heldout]).rule


# Reliability

EXPECTED = RuleFitter(PRESETS["expected"], None)


def test_each_fold_is_compared_with_the_probabilities_that_were_fitted_without_it() -> None:
    sample = calibrated_sample(60)
    fitted, refitted = EXPECTED.fit(sample), cross_fit(sample, EXPECTED).fitted
    reliability = measure_reliability(sample, fitted, refitted)
    p_empty = [
        refitted[fold].rule.p_empty(sample.histograms[sample.folds == fold]) for fold in refitted
    ]
    counts = np.histogram(np.concatenate(p_empty), np.linspace(0, 1, 11))[0]
    assert [part.count for part in reliability["empty"]] == counts[counts > 0].tolist()
    positives = sample.histograms[sample.histograms.positive]
    assert sum(part.count for part in reliability["pixels"]) == positives.pixels.sum()


def test_without_another_fold_the_comparison_is_in_sample() -> None:
    def no_maps(fold: int) -> Histograms:
        raise AssertionError(f"there are no maps without fold {fold}")

    sample = replace(calibrated_sample(20, folds=1), heldout_histograms=no_maps)
    reliability = measure_reliability(sample, EXPECTED.fit(sample), {})
    assert sum(part.count for part in reliability["empty"]) == 20


def test_a_threshold_rule_has_no_probabilities_to_compare() -> None:
    sample: OofSample = noisy_sample()
    fitted = RuleFitter().fit(sample)
    assert measure_reliability(sample, fitted, {}) is None
