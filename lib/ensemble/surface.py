"""surface.png: the score over thresholds and over the minimum area."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.decision.plateau import Plateau
from lib.decision.rules import LEVELS, ThresholdRule
from lib.files import write_aside

TITLES = {
    "class": "behind the best class gate",
    "components": "before component areas and holes",
    "expected": "which the expected-Dice rule does not use",
}
SHOWN_ERRORS = 10  # standard errors below the best that the scale shows
PROBABILITY = (lambda level: level / LEVELS, lambda probability: probability * LEVELS)
EDGED: dict[str, Any] = {"linestyle": "none", "markeredgecolor": "black", "zorder": 3}
BEST = EDGED | {"color": "gold", "marker": "*", "markersize": 17}
CHOSEN = EDGED | {"color": "tab:red", "marker": "o", "markersize": 11}
FOLD = EDGED | {"color": "white", "marker": "s", "markersize": 12}


class Marks(NamedTuple):
    """The rules that are marked on the surface.

    Attributes:
        best: the rule of the highest score.
        chosen: the chosen or fixed rule; None if it has no thresholds.
        folds: the best rule of each fold's own images.
    """

    best: ThresholdRule
    chosen: ThresholdRule | None
    folds: Mapping[int, ThresholdRule]

    @property
    def styled(self) -> list[tuple[ThresholdRule, dict[str, Any]]]:
        """The best and the chosen rule, with their drawing styles."""
        styles = [(self.best, "best", BEST), (self.chosen, "chosen", CHOSEN)]
        return [(rule, style | {"label": f"{name}: {_label(rule)}"}) for rule, name, style in styles
                if rule]  # fmt: skip


def draw_surface(path: Path, plateau: Plateau, marks: Marks) -> None:
    """Draw a searched surface; equal surfaces give byte-identical files.

    Left: the score of each pair of levels (or of each level, with one threshold) at its best area.
    Right: the score over the minimum area, for the chosen pair and for the best. Both are behind
    the best class gate if there is one; components and holes are as they are in the maps.

    Args:
        path: of the PNG.
        plateau: the searched surface and its plateau.
        marks: rules to mark.
    """
    preset = plateau.surface.preset
    figure = Figure(figsize=(15 if preset.has_min_area else 8, 7.5), dpi=90, layout="constrained")
    axes = figure.subplots(1, 2 if preset.has_min_area else 1, squeeze=False)[0]
    draw_thresholds = _draw_levels if preset.one_threshold else _draw_pairs
    draw_thresholds(axes[0], plateau, marks)
    if preset.has_min_area:
        _draw_areas(axes[1], plateau, marks)
    if preset.extension:
        figure.suptitle(f"The score of thresholds and area, {TITLES[preset.extension]}")
    legend = axes[0].get_legend_handles_labels()
    figure.legend(*legend, loc="outside lower center", ncols=len(axes))
    with write_aside(path) as aside:
        figure.savefig(aside, format="png", metadata={"Software": None})


def _draw_pairs(axes: Axes, plateau: Plateau, marks: Marks) -> None:
    """Draw the score of every pair as colour; blank where bottom would be above top."""
    shown = np.ma.masked_invalid(plateau.surface.score.T)
    low, high = _shown_range(plateau)
    heat = axes.imshow(shown, origin="lower", aspect="auto", vmin=low, vmax=high)
    axes.figure.colorbar(heat, ax=axes, label="mean Dice at the best minimum area", extend="min")
    axes.contour(plateau.inside.T, levels=[0.5], colors="white", linewidths=1.5)
    axes.plot([], [], color="lightgray", label=_floor_text(plateau))
    for fold, rule in marks.folds.items():
        _mark_fold(axes, fold, rule.levels)
    axes.plot([], [], **FOLD, label="best on one fold's images alone")
    for rule, style in marks.styled:
        axes.plot(*rule.levels, **style)
    axes.set(xlabel="top (level): the minimum area counts pixels above it")
    axes.set(ylabel="bottom (level): the mask is what is above it")
    axes.secondary_xaxis("top", functions=PROBABILITY).set_xlabel("top (probability)")
    axes.secondary_yaxis("right", functions=PROBABILITY).set_ylabel("bottom (probability)")


def _draw_levels(axes: Axes, plateau: Plateau, marks: Marks) -> None:
    """Draw the score of every level, where one threshold is both top and bottom."""
    score = plateau.surface.score.diagonal()
    low, high = _shown_range(plateau)
    axes.plot(score, color="black")
    axes.axhline(plateau.floor, color="gray", linestyle="--", label=_floor_text(plateau))
    for fold, rule in marks.folds.items():
        _mark_fold(axes, fold, (rule.levels[0], low))
    axes.plot([], [], **FOLD, label="best on one fold's images alone")
    for rule, style in marks.styled:
        axes.plot(rule.levels[0], score[rule.levels[0]], **style)
    axes.set(xlabel="threshold (level)", ylabel="mean Dice at the best minimum area")
    axes.set_ylim(low - (high - low) / 20, high + (high - low) / 20)
    axes.secondary_xaxis("top", functions=PROBABILITY).set_xlabel("threshold (probability)")
    axes.grid(alpha=0.3)


def _draw_areas(axes: Axes, plateau: Plateau, marks: Marks) -> None:
    """Draw the score over the minimum area, of the best pair and of the chosen one."""
    low, high = _shown_range(plateau)
    shown_from = []
    for rule, style in marks.styled:
        curve = plateau.surface.curve(*rule.levels)
        at = np.searchsorted(curve.lowest, rule.min_area, side="right") - 1
        axes.step(curve.lowest, curve.score, where="post", color=style["color"])
        axes.plot(rule.min_area, curve.score[at], **style)
        shown_from.append(curve.lowest[np.argmax(curve.score >= low)])
    axes.axhline(plateau.floor, color="gray", linestyle="--")
    axes.set_xscale("symlog", linthresh=1, linscale=0.3)
    axes.set_xlim(left=min(shown_from) - 0.1)
    axes.set_ylim(low - (high - low) / 20, high + (high - low) / 20)
    axes.set(xlabel="minimum area above top (px); 0 is no limit", ylabel="mean Dice")
    axes.grid(alpha=0.3)


def _mark_fold(axes: Axes, fold: int, at: tuple[float, float]) -> None:
    axes.plot(*at, **FOLD)
    axes.annotate(str(fold), at, ha="center", va="center", fontsize=8, zorder=4)


def _shown_range(plateau: Plateau) -> tuple[float, float]:
    """Return the lowest and highest score of the scale."""
    score = plateau.surface.score
    lowest, best = score[np.isfinite(score)].min(), score.max()
    low = max(lowest, best - SHOWN_ERRORS * plateau.standard_error)
    return float(min(low, best - 0.01)), float(best)


def _floor_text(plateau: Plateau) -> str:
    return f"plateau: within one standard error ({plateau.standard_error:.4f}) of the best"


def _label(rule: ThresholdRule) -> str:
    parts = [f"top {rule.top:.3f}, minimum area {rule.min_area} px, bottom {rule.bottom:.3f}"]
    if rule.class_min:
        parts.append(f"class {rule.class_min:.3f}")
    if rule.component_min_area:
        parts.append(f"components of {rule.component_min_area} px")
    if rule.fill_holes:
        parts.append("holes filled")
    return ", ".join(parts)
