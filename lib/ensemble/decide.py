"""Decide what becomes a mask: fit or take a rule, and say what it is worth."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lib import metrics
from lib.artifacts import Artifact, Draft
from lib.dataset import Dataset
from lib.decision import rules
from lib.decision.choice import Plateau, find_plateau
from lib.decision.honest import Honest, Sample, refit
from lib.decision.search import PRESETS, Preset, search
from lib.decision.uncertainty import interval
from lib.ensemble import params
from lib.ensemble.members import Source
from lib.ensemble.oof import OutOfFold, has_labels
from lib.ensemble.surface import draw
from lib.errors import InputError
from lib.files import write_json
from lib.recipes.schema import Rule

DECISION, SURFACE = "decision.json", "surface.png"
STATED = "params"  # the name of a rule that --params states
UNMEASURED: dict[str, Any] = {
    **dict.fromkeys(["oof_dice", "fold_honest_dice", "ci95", "optimism", "best", "plateau"]),
    "fold_honest_reason": "no labelled images",
    "checkpoints_selected_on_these_folds": None,
    "confusion": None,
    "images": 0,
    "folds": {},
}


@dataclass(frozen=True)
class Wish:
    """What was asked for: a preset to search and how to choose, or a stated rule."""

    rule: str
    choose: str | None
    stated: Rule | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """What decides a decision's content, besides its inputs."""
        stated = asdict(self.stated) if self.stated else None
        return {"rule": self.rule, "choose": self.choose, "params": stated}


def read_wish(
    sources: Sequence[Source], rule: str, choose: str, words: Sequence[str] | None
) -> Wish:
    """Read the flags, and check that the maps can answer them before any is averaged.

    Args:
        sources: the maps that are averaged.
        rule: a name in PRESETS.
        choose: "plateau" or "best".
        words: of --params, which states a rule instead; None without.

    Raises:
        InputError: if the words are no rule, or the maps lack labels or image probabilities.
    """
    if words is None:
        if not any(source.out_of_fold for source in sources):
            raise InputError(
                "there are no out-of-fold maps of labelled images to search on; "
                "state a rule: --params top=.7 min_area=800 bottom=.3"
            )
        return Wish(rule, choose)
    stated = params.parse(words)
    if stated.class_min is not None and all(source.classes.empty for source in sources):
        raise InputError(
            f"--params class_min={stated.class_min:g} needs image probabilities, and no member has "
            "an image head; leave it out, or add a member that has one"
        )
    return Wish(STATED, None, stated)


def decide(draft: Draft, ensemble: Artifact, dataset: Dataset, wish: Wish) -> dict[str, Any]:
    """Fill a decision: decision.json, and surface.png where there are labels.

    Returns:
        What decision.json holds.
    """
    decision = UNMEASURED | {"rule": wish.rule, "choose": wish.choose}
    if has_labels(ensemble):
        decision |= _decide_on_labels(draft, OutOfFold(ensemble, dataset), wish)
    else:
        assert wish.stated
        decision |= rules.to_json(wish.stated)
    write_json(draft.path(DECISION), decision)
    draft.finish()
    return decision


def _decide_on_labels(draft: Draft, oof: OutOfFold, wish: Wish) -> dict[str, Any]:
    """Search, choose, measure and draw; a stated rule is drawn on the triplets' surface."""
    sample = oof.sample
    preset = PRESETS.get(wish.rule, PRESETS["triplet"])
    plateau = find_plateau(search(sample.histograms, preset), sample.patients)
    best = plateau.surface.best
    rule = wish.stated or (best if wish.choose == "best" else plateau.middle)
    predicted, truth, overlap = oof.areas(rule)
    dice = metrics.dice(predicted, truth, overlap)
    honest, reason = _honest(sample, preset, wish, dice)
    own = {fold: search(one.histograms, preset).best for fold, one in sample.by_fold().items()}
    draw(draft.path(SURFACE), plateau, rule, own)
    return {
        **rules.to_json(rule),
        **_worth(dice, honest, sample.patients),
        "fold_honest_reason": reason,
        # Every phase keeps the checkpoints that scored best on the fold's own images.
        "checkpoints_selected_on_these_folds": True,
        "best": _scored(best, sample),
        "plateau": _scored(plateau.middle, sample) | _extent(plateau),
        "confusion": metrics.confusion(predicted > 0, truth > 0),
        "images": len(dice),
        "folds": _by_fold(own, honest),
    }


def _honest(
    sample: Sample, preset: Preset, wish: Wish, tuned: np.ndarray
) -> tuple[Honest | None, str | None]:
    """The rule's Dice on images that it was not fitted on, and what is special about it."""
    if wish.choose is None:
        return Honest({}, tuned), "the rule was stated, nothing was fitted"
    if len(np.unique(sample.folds)) == 1:
        return None, "one fold: there is no other to fit on"
    return refit(sample, preset, wish.choose), None


def _worth(tuned: np.ndarray, honest: Honest | None, patients: np.ndarray) -> dict[str, Any]:
    """What the rule scores, how sure that is, and how much of it is owed to tuning.

    Args:
        tuned: (N,) Dice of each image.
        patients: (N,) the patient of each.
    """
    measured = tuned if honest is None else honest.dice
    return {
        "oof_dice": float(tuned.mean()),
        "fold_honest_dice": None if honest is None else float(honest.dice.mean()),
        "ci95": interval(measured, patients),
        "optimism": None if honest is None else float(tuned.mean() - honest.dice.mean()),
    }


def _scored(rule: Rule, sample: Sample) -> dict[str, Any]:
    return rules.to_json(rule) | {"oof_dice": float(sample.histograms.dice(rule).mean())}


def _extent(plateau: Plateau) -> dict[str, Any]:
    """How large the plateau is, and how deep in it the choice lies."""
    return {
        "standard_error": plateau.standard_error,
        "pairs": int(plateau.inside.sum()),
        "depth": int(plateau.depth.max()),
        "areas": plateau.areas,
    }


def _by_fold(own: Mapping[int, Rule], honest: Honest | None) -> dict[str, Any]:
    """What each fold's own images would choose, and what the other folds choose for it."""
    others = honest.rules if honest else {}
    return {
        str(fold): {
            "best": rules.to_json(best),
            "refitted": rules.to_json(others[fold]) if fold in others else None,
        }
        for fold, best in own.items()
    }


def summary(decision: Mapping[str, Any], dataset: Dataset) -> str:
    """What a decision is worth, in a line."""
    if not decision["images"]:
        return "a stated rule, not measured: there are no labelled images"
    where = f"{decision['images']} images"
    if decision["images"] < len(dataset.truth):
        folds = " ".join(decision["folds"])
        where = f"{decision['images']} of {len(dataset.truth)} labelled images (folds {folds})"
    low, high = decision["ci95"]
    interval = f"95 % interval {low:.4f} to {high:.4f}"
    if decision["choose"] is None:
        return f"Dice {decision['oof_dice']:.4f} of the stated rule on {where}, {interval}"
    if decision["fold_honest_dice"] is None:
        return f"Dice {decision['oof_dice']:.4f} on the {where} that it was tuned on, {interval}"
    return f"fold-honest Dice {decision['fold_honest_dice']:.4f} on {where}, {interval}"
