"""decision.json: all that a decision holds is read back."""

import json
from pathlib import Path

import pytest

from lib.decision import schema
from lib.decision.calibration import ReliabilityBin
from lib.decision.expected_dice import ExpectedDiceRule
from lib.decision.rules import DecisionRule, ThresholdRule
from lib.decision.schema import AutoChoice, Decision, FoldRules, PlateauSummary
from lib.metrics import Confusion
from tests.decision.samples import calibrated_sample

TRIPLET = ThresholdRule.from_levels(178, 76, 800)
EXPECTED = ExpectedDiceRule.fit(calibrated_sample(40).histograms)


def full(rule: DecisionRule) -> Decision:
    """A decision without an empty field."""
    return Decision(
        rule_name="auto",
        rule=rule,
        choose="plateau",
        gate=("x", "y"),
        gate_fit="stack",
        images=40,
        oof_dice=0.9,
        cross_fitted_dice=0.1 + 0.7,
        cross_fitted_reason=None,
        ci95=(0.7, 0.9),
        optimism=0.1,
        best=TRIPLET,
        best_dice=0.95,
        plateau=PlateauSummary(TRIPLET, 0.94, 0.01, pairs=7, depth=2, areas=(0, 9)),
        folds={0: FoldRules(TRIPLET, rule), 1: FoldRules(TRIPLET)},
        confusion=Confusion(both=1, missed=2, false=3, neither=4),
        reliability={"pixels": [], "empty": [ReliabilityBin(0.5, 1.0, 2)]},
        auto=AutoChoice("expected", "why", {"expected": 0.8}, standard_error=0.02),
        checkpoints_selected_on_these_folds=True,
    )


@pytest.mark.parametrize("decision", [full(TRIPLET), full(EXPECTED)])
def test_a_decision_with_a_fitted_rule_is_read_back(tmp_path: Path, decision: Decision) -> None:
    decision.save(tmp_path / "decision.json")
    assert schema.load(tmp_path / "decision.json") == decision


def test_the_keys_that_people_rely_on(tmp_path: Path) -> None:
    full(TRIPLET).save(tmp_path / "decision.json")
    content = json.loads((tmp_path / "decision.json").read_bytes())
    assert content["rule"] == "auto"
    assert (content["top"], content["min_area"], content["bottom"]) == (0.698, 800, 0.298)
    assert (content["component_min_area"], content["fill_holes"]) == (0, False)
    assert content["class_min"] is None
    assert content["oof_dice"] == 0.9
    assert content["best"] == TRIPLET.to_json() | {"oof_dice": 0.95}
    assert content["plateau"]["oof_dice"] == 0.94
    assert {"cross_fitted_dice", "ci95", "optimism"} <= content.keys()
