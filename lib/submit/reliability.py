"""Reliability diagrams: observed frequency against calibrated probability."""

import io
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

PANELS = {"pixels": "A pixel is in the pneumothorax", "empty": "An image is empty"}
MIN_DOT, MAX_DOT = 20, 200  # area of a dot, in square points

Bins = Sequence[Mapping[str, float]]


def draw(bins_by_panel: Mapping[str, Bins]) -> bytes:
    """Return both diagrams as a PNG.

    Args:
        bins_by_panel: bins of pixels and of images, as in decision.json.
    """
    figure = Figure(figsize=(8, 4), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    for axes, (name, title) in zip(figure.subplots(1, 2), PANELS.items(), strict=True):
        _draw_bins(axes, bins_by_panel[name])
        axes.set_title(title, fontsize=11)
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def _draw_bins(axes: Axes, bins: Bins) -> None:
    """Draw a dot for each bin, with its number of cases; more cases make a larger dot."""
    axes.plot([0, 1], [0, 1], color="0.75", linewidth=1, zorder=0)
    predicted = [case_bin["predicted"] for case_bin in bins]
    observed = [case_bin["observed"] for case_bin in bins]
    counts = [case_bin["count"] for case_bin in bins]
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
