"""The probability to report and the sentence about the score, by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lib.decision.rules import ThresholdRule
from lib.decision.tuning import LogisticGate
from lib.predict.system import GateRuns, TrainedNetwork, TrainedSystem
from tests.tiny_runs import TINY

HEADLESS = replace(TINY, network=replace(TINY.network, image_head=False))
SCORES: dict[str, Any] = {
    "images": 1234, "oof_dice": 0.81, "cross_fitted_dice": 0.8, "ci95": [0.79, 0.82],
    "all_empty_dice": 0.78,
}  # fmt: skip


def network(run: str, fold: int = 0, p_weight: float = 1.0, recipe=TINY) -> TrainedNetwork:
    return TrainedNetwork(run, fold, True, recipe, {}, 0.5, p_weight)


def make_system(*networks: TrainedNetwork, gate: GateRuns | None = None) -> TrainedSystem:
    return TrainedSystem("x", 16, "params", ThresholdRule(), networks, gate, SCORES, {})


def test_p_positive_is_the_weighted_mean_of_networks_with_a_head() -> None:
    system = make_system(network("a", 0, 3), network("a", 1, 3), network("b"), network("c", 0, 0))
    assert system.p_positive([0.2, 0.6, None, 0.9]) == pytest.approx(0.4)
    assert system.p_positive([0.2, 0.6, 0.8, 0.9]) == pytest.approx((3 * 0.8 + 0.8) / 7)
    assert system.p_positive([None] * 4) is None


def test_a_gate_averages_folds_and_then_runs() -> None:
    networks = (network("a", 0, 0), network("a", 1, 0), network("b", 0, 0))
    system = make_system(*networks, gate=GateRuns(("a", "b")))
    assert system.p_positive([0.1, 0.3, 0.8]) == pytest.approx(0.5)


def test_a_stack_weighs_the_logits_of_gates_and_members() -> None:
    stack = LogisticGate(0.5, (2.0, -1.0))
    system = make_system(network("m"), network("g", 0, 0), gate=GateRuns(("g",), stack))
    logits = np.log([0.7 / 0.3, 0.2 / 0.8])
    expected = 1 / (1 + np.exp(-(0.5 + 2 * logits[0] - logits[1])))
    assert system.p_positive([0.2, 0.7]) == pytest.approx(expected, abs=1e-6)


def test_without_an_image_head_the_highest_value_is_reported() -> None:
    system = make_system(network("a", recipe=HEADLESS))
    assert system.p_pneumothorax(np.array([[0, 51]], np.uint8), None) == 0.2
    assert "not calibrated" in system.p_source
    assert make_system(network("a")).p_source == "image-level output of the networks"
    assert make_system(network("a")).p_pneumothorax(np.array([[0]], np.uint8), 0.7) == 0.7


def test_the_score_is_described_with_its_interval_and_images() -> None:
    system = make_system()
    assert system.describe_score() == (
        "Cross-fitted Dice 0.8000 (95 % interval 0.7900 to 0.8200) on 1,234 labelled images, by "
        "networks that were not trained on them; all-empty baseline 0.7800."
    )
    scores = SCORES | {"cross_fitted_dice": None, "cross_fitted_reason": "one fold"}
    text = replace(system, scores=scores).describe_score()
    assert text.startswith("Dice 0.8100 on 1,234 ")
    assert "not cross-fitted: one fold" in text
    unscored = replace(system, scores=SCORES | {"oof_dice": None})
    assert unscored.describe_score() == "Not scored: the decision had no labelled images."
