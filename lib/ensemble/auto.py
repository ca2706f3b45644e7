"""--rule auto: the expected Dice where it is surely better than the triplet, or the triplet."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from lib.bootstrap import standard_error
from lib.decision.honest import cross_fit
from lib.decision.oof_sample import OofSample
from lib.decision.threshold_search import PRESETS
from lib.ensemble import gates
from lib.ensemble.options import AUTO, EXPECTED, TRIPLET, DecisionOptions


def choose_rule(
    sample: OofSample, wish: DecisionOptions
) -> tuple[DecisionOptions, dict[str, Any] | None]:
    """Turn auto into one of the two; any other wish stays.

    The better of two is chosen by the same cross-fitted numbers that are then stated. Asking for a
    gain of a standard error keeps what that flatters small. What is worth less than no mask at all
    is not taken for being better than something worse: where neither is worth more, the maps are
    what lacks, and the triplet stays.

    Returns:
        What is decided by, and what decision.json says of the choice: None if there was none.

    Raises:
        InputError: if all images outside of a fold are empty, or none is.
    """
    if wish.rule != AUTO:
        return wish, None
    if len(np.unique(sample.folds)) == 1:
        said = {"rule": TRIPLET, "reason": "one fold: there is no cross-fitted score to compare"}
        return replace(wish, rule=TRIPLET), said
    how = wish.choose, gates.FITS[wish.how]
    dice = {name: cross_fit(sample, PRESETS[name], *how).dice for name in (TRIPLET, EXPECTED)}
    gain = dice[EXPECTED] - dice[TRIPLET]
    error = standard_error(gain, sample.patients)
    scores = {name: float(values.mean()) for name, values in dice.items()}
    scores["all_empty"] = float((~sample.histograms.positive).mean())
    surely = gain.mean() > error
    chosen = EXPECTED if surely and scores[EXPECTED] > scores["all_empty"] else TRIPLET
    return replace(wish, rule=chosen), {
        "rule": chosen,
        "reason": f"expected gains {gain.mean():+.4f} cross-fitted on triplet, "
        f"{'more' if surely else 'not more'} than the paired standard error of {error:.4f}; "
        + _against_empty(scores),
        "cross_fitted_dice": scores,
        "standard_error": error,
    }


def _against_empty(scores: Mapping[str, float]) -> str:
    """Which of the two are worth more than no mask at all."""
    empty = scores["all_empty"]
    who = {2: "both beat", 0: "neither beats"}
    better = [name for name in (TRIPLET, EXPECTED) if scores[name] > empty]
    said = who.get(len(better)) or f"only {better[0]} beats"
    return f"{said} an all-empty answer ({empty:.4f})"
