"""decision.json: its one schema, for stage 04, which writes it, and for all readers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from lib.decision.calibration import ReliabilityBin
from lib.decision.expected_dice import ExpectedDiceRule
from lib.decision.rules import DecisionRule, ThresholdRule
from lib.files import write_json
from lib.metrics import Confusion

DECISION_FILE, SURFACE_FILE = "decision.json", "surface.png"
EXPECTED = "expected"  # the name of the expected-Dice rule
PARAMS = "params"  # the name of a rule that --params or --params-from gives
STACK = "stack"  # a value of gate_fit: a logistic regression on the gates' probabilities


def rule_from_json(content: Mapping[str, Any]) -> DecisionRule:
    """Read what `DecisionRule.to_json` returned; other keys are ignored."""
    if content.get("expected"):
        return ExpectedDiceRule.from_json(content["expected"])
    return ThresholdRule.from_json(content)


@dataclass(frozen=True)
class FoldRules:
    """The rules that belong to a fold.

    Attributes:
        best: the best rule of the fold's own images.
        refitted: the rule fitted on the other folds, which the fold is scored by; None if nothing
            was fitted, or there is no other fold.
    """

    best: ThresholdRule
    refitted: DecisionRule | None = None


@dataclass(frozen=True)
class PlateauSummary:
    """The middle of the plateau, and the size of the plateau.

    Attributes:
        rule: the middle.
        oof_dice: its Dice.
        standard_error: of the gain of the best rule over the all-empty baseline.
        pairs: number of pairs of levels on the plateau.
        depth: distance in levels from the middle to the nearest pair outside.
        areas: the lowest and highest minimum area on the plateau, in pixels.
    """

    rule: ThresholdRule
    oof_dice: float
    standard_error: float
    pairs: int
    depth: int
    areas: tuple[int, int]

    def to_json(self) -> dict[str, Any]:
        plain = {name: value for name, value in vars(self).items() if name != "rule"}
        return self.rule.to_json() | plain


@dataclass(frozen=True)
class AutoChoice:
    """The choice of --rule auto between two rules.

    Attributes:
        rule: the one that was taken, "triplet" or "expected".
        reason: a sentence.
        cross_fitted_dice: that of both rules and of the all-empty baseline; None with one fold.
        standard_error: of the difference between the rules; None with one fold.
    """

    rule: str
    reason: str
    cross_fitted_dice: Mapping[str, float] | None = None
    standard_error: float | None = None


@dataclass(frozen=True)
class Decision:
    """A decision rule, the options it was chosen by, and its scores.

    Scores are None without labelled images.

    Attributes:
        rule_name: the value of --rule, or "params".
        rule: turns maps into masks.
        choose: "plateau" or "best"; None for a fixed rule and for the expected Dice.
        gate: runs used for p(positive) only.
        gate_fit: "mean" or "stack", how their probabilities are combined.
        rle_size: side of the RLE frame, in which areas are counted; None in older files.
        images: number of labelled images with an out-of-fold map.
        oof_dice: mean Dice of these images under the rule.
        cross_fitted_dice: mean Dice with each fold under the rule fitted on the other folds.
        cross_fitted_reason: why that score is missing or equals `oof_dice`.
        ci95: 95 % bootstrap interval, over patients, of the cross-fitted Dice if there is one.
        optimism: `oof_dice` minus `cross_fitted_dice`.
        best: the rule of the highest score; best_dice: its score.
        plateau: the middle of the plateau.
        folds: the rules of each fold.
        confusion: number of images by masks in prediction and truth.
        reliability: bins of the calibrated probabilities, by kind of event ("pixels" and
            "empty"), for the expected-Dice rule.
        auto: the choice of --rule auto.
        checkpoints_selected_on_these_folds: True if checkpoints were ranked by the images that the
            rule is scored on; None if not known.
    """

    rule_name: str
    rule: DecisionRule
    choose: str | None = None
    gate: tuple[str, ...] = ()
    gate_fit: str = "mean"
    rle_size: int | None = None
    images: int = 0
    oof_dice: float | None = None
    cross_fitted_dice: float | None = None
    cross_fitted_reason: str | None = "no labelled images with an out-of-fold map"
    ci95: tuple[float, float] | None = None
    optimism: float | None = None
    best: ThresholdRule | None = None
    best_dice: float | None = None
    plateau: PlateauSummary | None = None
    folds: Mapping[int, FoldRules] = field(default_factory=dict)
    confusion: Confusion | None = None
    reliability: Mapping[str, Sequence[ReliabilityBin]] | None = None
    auto: AutoChoice | None = None
    checkpoints_selected_on_these_folds: bool | None = None

    @property
    def is_fixed(self) -> bool:
        """True if the rule was published or given by flags, not fitted."""
        return self.choose is None and self.rule_name != EXPECTED

    @property
    def all_empty_dice(self) -> float:
        """Mean Dice of the all-empty baseline on the labelled images; it needs some."""
        assert self.confusion
        return (self.confusion.false + self.confusion.neither) / self.images

    def save(self, path: Path) -> None:
        """Write decision.json; the keys of the rule stand beside the others."""
        write_json(path, self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Return the content of decision.json."""
        content = {name: value for name, value in vars(self).items() if name not in NESTED}
        content |= {"rule": self.rule_name} | self.rule.to_json()
        content["best"] = self.best and self.best.to_json() | {"oof_dice": self.best_dice}
        content["plateau"] = self.plateau and self.plateau.to_json()
        content["folds"] = {
            str(fold): {
                "best": rules.best.to_json(),
                "refitted": rules.refitted and rules.refitted.to_json(),
            }
            for fold, rules in self.folds.items()
        }
        content["confusion"] = self.confusion and asdict(self.confusion)
        content["auto"] = self.auto and asdict(self.auto)
        content["reliability"] = self.reliability and {
            event: [asdict(one_bin) for one_bin in bins] for event, bins in self.reliability.items()
        }
        return content


# The other fields are plain JSON.
NESTED = (
    "rule_name", "rule", "best", "best_dice", "plateau", "folds", "confusion", "auto",
    "reliability",
)  # fmt: skip


def load(path: Path) -> Decision:
    """Read what `Decision.save` wrote."""
    content = json.loads(path.read_bytes())
    best, plateau, auto = content["best"], content["plateau"], content["auto"]
    confusion, reliability = content["confusion"], content["reliability"]
    return Decision(
        rule_name=content["rule"],
        rule=rule_from_json(content),
        best=best and ThresholdRule.from_json(best),
        best_dice=best and best["oof_dice"],
        plateau=plateau and _read_plateau(plateau),
        folds={int(fold): _read_fold(rules) for fold, rules in content["folds"].items()},
        confusion=confusion and Confusion(**confusion),
        auto=auto and AutoChoice(**auto),
        reliability=reliability
        and {event: [ReliabilityBin(**b) for b in bins] for event, bins in reliability.items()},
        **_read_plain(Decision, content),
    )


def _read_plain(kind: type, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plain fields of a dataclass; JSON has lists for their tuples."""
    names = {key.name for key in fields(kind)} - {*NESTED}
    values = {name: content[name] for name in names & content.keys()}
    return {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}


def _read_plateau(content: Mapping[str, Any]) -> PlateauSummary:
    rule = ThresholdRule.from_json(content)
    return PlateauSummary(rule=rule, **_read_plain(PlateauSummary, content))


def _read_fold(content: Mapping[str, Any]) -> FoldRules:
    refitted = content["refitted"]
    best = ThresholdRule.from_json(content["best"])
    return FoldRules(best, refitted and rule_from_json(refitted))
