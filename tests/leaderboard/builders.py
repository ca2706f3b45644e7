"""Runs on four labelled images of 16 x 16 pixels, for tests of the leaderboard."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from lib.decision.rules import ThresholdRule
from lib.layout import Work
from lib.leaderboard.evaluate import RunMetrics
from lib.leaderboard.leaderboard import Leaderboard
from lib.recipes.schema import Phase, Recipe
from lib.rle import COMPETITION_FRAME
from tests import fakes

PX = (COMPETITION_FRAME // fakes.FRAME) ** 2  # a pixel of the tests' frame, in the competition's
RECIPE = Recipe(
    name="mine",
    source="test",
    summary="",
    phases=(Phase(size=16, epochs=3, batch=2, lr=1e-3),),
    rule=ThresholdRule(top=0.5, min_area=3 * PX, bottom=0.5),
)
P_POSITIVE = {"found": 0.9, "clean": 0.2, "speck": 0.6, "missed": 0.4}


def box(height: int, width: int) -> np.ndarray:
    mask = np.zeros((fakes.FRAME, fakes.FRAME), bool)
    mask[:height, :width] = True
    return mask


# |P|, |T|, |P and T|: 32 16 16, nothing, 2 0 0 (which the rule removes), 0 16 0.
TRUTH = {"found": box(4, 4), "clean": box(0, 0), "speck": box(0, 0), "missed": box(4, 4)}
PREDICTED = {"found": box(4, 8), "clean": box(0, 0), "speck": box(1, 2), "missed": box(0, 0)}
MAPS = {name: mask.astype(np.uint8) * 255 for name, mask in PREDICTED.items()}
MAPS_ALL_MISSED = MAPS | {"found": MAPS["clean"]}


def add_run(
    work: Work,
    name: str,
    recipe: Recipe | None = None,
    maps: Mapping[str, np.ndarray] = MAPS,
    classes: Mapping[str, float] | None = P_POSITIVE,
    tta: str | None = None,
) -> None:
    """Make fold 0 of a run, unless it is there, and its maps.

    Args:
        recipe: one of the run's name unless given.
        tta: the flips of the maps; None: the recipe's.
    """
    recipe = recipe or replace(RECIPE, name=name)
    if not work.run(name, 0).folder.exists():
        fakes.make_run(work, name, 0, recipe)
    if classes:
        classes = {"test0": 0.5, "test1": 0.5} | dict(classes)
    flips = {"tta": tta or recipe.tta, "recipe_tta": recipe.tta}
    fakes.make_probs(work, name, 0, TRUTH, folds=1, maps=maps, classes=classes, **flips)


def metrics_of(leaderboard: Leaderboard, name: str) -> RunMetrics:
    metrics = leaderboard.metrics(name)
    assert metrics is not None
    return metrics


def cells(lines: Iterable[str]) -> list[list[str]]:
    """Return the cells of every row of Markdown tables, headers included."""
    text = "\n".join(lines).splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text
        if line.startswith("| ")
    ]
