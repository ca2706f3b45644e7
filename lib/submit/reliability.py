"""Reliability diagrams: what probabilities say against how often it was true."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

PANELS = {"pixels": "A pixel is in the pneumothorax", "empty": "An image is empty"}
SMALLEST, LARGEST = 20, 200  # of a dot, in square points


def draw(measured: Mapping[str, Sequence[Mapping[str, float]]]) -> bytes:
    """Both diagrams, as a PNG.

    Args:
        measured: bins of pixels and of images, as decision.json has them.
    """
    figure = Figure(figsize=(8, 4), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    for axes, (name, title) in zip(figure.subplots(1, 2), PANELS.items(), strict=True):
        _draw_bins(axes, measured[name])
        axes.set_title(title, fontsize=11)
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def _draw_bins(axes: Axes, bins: Sequence[Mapping[str, float]]) -> None:
    """A dot a bin, the larger the more cases it has, and how many these are."""
    axes.plot([0, 1], [0, 1], color="0.75", linewidth=1, zorder=0)
    said, true = [one["predicted"] for one in bins], [one["observed"] for one in bins]
    most = max(one["count"] for one in bins)
    sizes = [SMALLEST + (LARGEST - SMALLEST) * (one["count"] / most) ** 0.5 for one in bins]
    axes.plot(said, true, color="#1f4e79", linewidth=1, alpha=0.5)
    axes.scatter(said, true, sizes, color="#1f4e79", alpha=0.8, linewidth=0)
    for one in bins:
        axes.annotate(_short(one["count"]), (one["predicted"], one["observed"]), (0, 9),
            textcoords="offset points", ha="center", fontsize=7, color="0.35")  # fmt: skip
    axes.set(xlim=(-0.1, 1.1), ylim=(-0.05, 1.1), aspect="equal",
             xlabel="probability", ylabel="how often it was true")  # fmt: skip
    axes.spines[["top", "right"]].set_visible(False)


def _short(count: Any) -> str:
    """A count in a few characters."""
    for unit, name in ((1_000_000, "M"), (1_000, "k")):
        if count >= unit:
            return f"{count / unit:.3g}{name}"
    return str(count)
