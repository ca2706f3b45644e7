"""How often what the calibrated probabilities say is true."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lib.decision.calibration import reliability
from lib.decision.expected_dice import ExpectedDiceRule
from lib.decision.honest import FittedRule
from lib.decision.oof_sample import OofSample

Said = tuple[np.ndarray, ...]  # predicted, how often it happened, of how many


def measure(sample: OofSample, fitted: Mapping[int, FittedRule]) -> dict[str, Any]:
    """The reliability of both calibrations, by bins.

    Args:
        sample: labelled images.
        fitted: the expected Dice by fold, as each is judged by it: fitted without it, if it can be.
    """
    pixels, empty = [], []
    for fold, one in fitted.items():
        assert isinstance(one.rule, ExpectedDiceRule)
        part = sample.excluding_fold(fold)[sample.folds == fold]
        pixels.append(_of_pixels(part, one.rule))
        empty.append(_of_images(part, one.rule, one.classes(part)))
    return {
        name: reliability(*(np.concatenate(column) for column in zip(*parts, strict=True)))
        for name, parts in (("pixels", pixels), ("empty", empty))
    }


def _of_pixels(sample: OofSample, rule: ExpectedDiceRule) -> Said:
    """Of each value, the pixels of the images that have a pneumothorax."""
    positives = sample.histograms[sample.histograms.positive]
    return rule.table, positives.inside.sum(axis=0), positives.pixels.sum(axis=0)


def _of_images(sample: OofSample, rule: ExpectedDiceRule, classes: np.ndarray | None) -> Said:
    histograms = sample.histograms
    return rule.p_empty(histograms, classes), ~histograms.positive, np.ones(len(histograms))
