"""Out-of-fold results by size of the pneumothorax: a table by quartile and a scatter plot."""

import io
from dataclasses import dataclass

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from lib.score import Score

SIZE_CLASSES = 4  # of equal numbers of positives


@dataclass(frozen=True)
class SizeClass:
    """Results on the positives of similar true area.

    Attributes:
        smallest, largest: true area, in pixels.
        images: number of positives.
        detected: number of those with a predicted mask.
        dice: mean over the positives.
        area_ratio: median of predicted to true area, of those detected; NaN if none is.
    """

    smallest: int
    largest: int
    images: int
    detected: int
    dice: float
    area_ratio: float


def size_classes(oof: Score) -> list[SizeClass]:
    """Return the results by quartile of true area; fewer classes if there are few positives."""
    positives = np.flatnonzero(oof.positive)
    by_area = positives[np.argsort(oof.areas[positives, 1], kind="stable")]
    quartiles = np.array_split(by_area, min(SIZE_CLASSES, len(by_area)) or 1)
    return [_size_class(oof, indices) for indices in quartiles if len(indices)]


def _size_class(oof: Score, indices: np.ndarray) -> SizeClass:
    predicted, true = oof.areas[indices, 0], oof.areas[indices, 1]
    detected = predicted > 0
    ratios = predicted[detected] / true[detected]
    return SizeClass(
        smallest=int(true.min()),
        largest=int(true.max()),
        images=len(indices),
        detected=int(detected.sum()),
        dice=float(oof.dices[indices].mean()),
        area_ratio=float(np.median(ratios)) if len(ratios) else float("nan"),
    )


def draw_scatter(oof: Score) -> bytes:
    """Return a PNG of predicted against true area, for images with either; 0 px is at the edge."""
    nonempty = oof.found | oof.positive
    areas = oof.areas[nonempty, :2].astype(float)
    edge = max(areas[areas > 0].min(initial=1e6) / 2, 0.5)  # a logarithmic axis has no 0
    predicted, true = np.where(areas > 0, areas, edge).T
    figure = Figure(figsize=(5, 5), layout="constrained", dpi=150)
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    span = [edge, max(areas.max(initial=1), 2 * edge)]
    axes.plot(span, span, color="0.75", linewidth=1, zorder=0)
    kinds = {"found": (areas > 0).all(axis=1), "missed": areas[:, 0] == 0,
             "false alarm": areas[:, 1] == 0}  # fmt: skip
    for (kind, selected), marker, colour in zip(
        kinds.items(), ("o", "v", "<"), ("#1f4e79", "#b03a2e", "#b9770e"), strict=True
    ):
        axes.plot(true[selected], predicted[selected], marker, color=colour, markersize=5,
                  alpha=0.6, markeredgewidth=0, label=f"{kind}, {selected.sum()}")  # fmt: skip
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
