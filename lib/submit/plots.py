"""Plots of the report, as PNGs: predicted against true areas, and reliability diagrams."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from lib.decision.calibration import ReliabilityBin
from lib.drawing import to_png
from lib.score import Score

PANELS = {"pixels": "A pixel is in the pneumothorax", "empty": "An image is empty"}
MIN_DOT, MAX_DOT = 20, 200  # area of a dot, in square points

Bins = Sequence[ReliabilityBin]


def draw_scatter(oof: Score) -> bytes:
    """Return a PNG of predicted against true area, for images with either; 0 px is at the edge."""
    nonempty = oof.has_mask | oof.positive
    areas = oof.areas[nonempty, :2].astype(float)
    edge = max(areas[areas > 0].min(initial=1e6) / 2, 0.5)  # a logarithmic axis has no 0
    predicted, true = np.where(areas > 0, areas, edge).T
    figure = Figure(figsize=(5, 5), layout="constrained", dpi=150)
    axes = figure.subplots()
    span = [edge, max(areas.max(initial=1), 2 * edge)]
    axes.plot(span, span, color="0.75", linewidth=1, zorder=0)
    for kind, selected, marker, colour in (
        ("found", (areas > 0).all(axis=1), "o", "#1f4e79"),
        ("missed", areas[:, 0] == 0, "v", "#b03a2e"),
        ("false alarm", areas[:, 1] == 0, "<", "#b9770e"),
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
    return to_png(figure)


def draw_reliability(bins_by_panel: Mapping[str, Bins]) -> bytes:
    """Return a PNG of reliability diagrams: observed frequency against calibrated probability.

    Args:
        bins_by_panel: bins of pixels and of images, as in decision.json.
    """
    figure = Figure(figsize=(8, 4), layout="constrained", dpi=110)
    for axes, (name, title) in zip(figure.subplots(1, 2), PANELS.items(), strict=True):
        _draw_bins(axes, bins_by_panel[name])
        axes.set_title(title, fontsize=11)
    return to_png(figure)


def _draw_bins(axes: Axes, bins: Bins) -> None:
    """Draw a dot for each bin, with its number of cases; more cases make a larger dot."""
    axes.plot([0, 1], [0, 1], color="0.75", linewidth=1, zorder=0)
    predicted, observed, counts = (
        [getattr(one_bin, name) for one_bin in bins] for name in ("predicted", "observed", "count")
    )
    sizes = [MIN_DOT + (MAX_DOT - MIN_DOT) * (count / max(counts)) ** 0.5 for count in counts]
    axes.plot(predicted, observed, color="#1f4e79", linewidth=1, alpha=0.5)
    axes.scatter(predicted, observed, sizes, color="#1f4e79", alpha=0.8, linewidth=0)
    for x, y, count in zip(predicted, observed, counts, strict=True):
        axes.annotate(_format_count(count), (x, y), (0, 9), textcoords="offset points",
                      ha="center", fontsize=7, color="0.35")  # fmt: skip
    axes.set(xlim=(-0.1, 1.1), ylim=(-0.05, 1.1), aspect="equal",
             xlabel="probability", ylabel="observed frequency")  # fmt: skip
    axes.spines[["top", "right"]].set_visible(False)


def _format_count(count: float) -> str:
    """Return a count in a few characters: 950, 12k, 3.4M."""
    for unit, suffix in ((1_000_000, "M"), (1_000, "k")):
        if count >= unit:
            return f"{count / unit:.3g}{suffix}"
    return str(count)
