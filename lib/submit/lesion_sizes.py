"""How large what is found, missed and invented is."""

import io
from dataclasses import dataclass

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from lib.score import Score

CLASSES = 4  # of equal numbers of positives


@dataclass(frozen=True)
class SizeClass:
    """The positives whose truth is of similar area.

    Attributes:
        smallest, largest: area of the truth, in pixels.
        dice: the mean.
        ratio: the median of predicted to true area, of those found; NaN if none is.
    """

    smallest: int
    largest: int
    images: int
    found: int
    dice: float
    ratio: float


def by_size(oof: Score) -> list[SizeClass]:
    """Positives by quartile of their true area; fewer classes where there are few."""
    positives = np.flatnonzero(oof.positive)
    by_area = positives[np.argsort(oof.areas[positives, 1], kind="stable")]
    parts = np.array_split(by_area, min(CLASSES, len(by_area)) or 1)
    return [_size_class(oof, part) for part in parts if len(part)]


def _size_class(oof: Score, part: np.ndarray) -> SizeClass:
    predicted, true = oof.areas[part, 0], oof.areas[part, 1]
    found = predicted > 0
    ratio = float(np.median(predicted[found] / true[found])) if found.any() else float("nan")
    return SizeClass(
        smallest=int(true.min()),
        largest=int(true.max()),
        images=len(part),
        found=int(found.sum()),
        dice=float(oof.dices[part].mean()),
        ratio=ratio,
    )


def scatter(oof: Score) -> bytes:
    """Predicted against true area of every image with either, as a PNG; none is at the edge."""
    either = oof.found | oof.positive
    shown = oof.areas[either, :2].astype(float)
    edge = max(shown[shown > 0].min(initial=1e6) / 2, 0.5)
    predicted, true = np.where(shown > 0, shown, edge).T
    figure = Figure(figsize=(5, 5), layout="constrained", dpi=150)
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    span = [edge, max(shown.max(initial=1), 2 * edge)]
    axes.plot(span, span, color="0.75", linewidth=1, zorder=0)
    kinds = {"found": (shown > 0).all(axis=1), "missed": shown[:, 0] == 0,
             "false alarm": shown[:, 1] == 0}  # fmt: skip
    for (name, chosen), marker, colour in zip(
        kinds.items(), ("o", "v", "<"), ("#1f4e79", "#b03a2e", "#b9770e"), strict=True
    ):
        axes.plot(true[chosen], predicted[chosen], marker, color=colour, markersize=5,
                  alpha=0.6, markeredgewidth=0, label=f"{name}, {chosen.sum()}")  # fmt: skip
    axes.set(xscale="log", yscale="log", aspect="equal",
             xlabel="true area, px (left edge: none)",
             ylabel="predicted area, px (lower edge: none)")  # fmt: skip
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 3)))
        axis.set_major_formatter(lambda area, _: f"{area:,.0f}")
        axis.set_minor_formatter(NullFormatter())
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left")
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()
