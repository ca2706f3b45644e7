"""Pictures: masks drawn on radiographs, panels in a grid, figures of matplotlib as PNG."""

import io
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PREDICTED = (230, 130, 0)  # RGB; orange and blue: apart with a colour vision deficiency too
TRUE = (90, 200, 250)
OPACITY = 0.45

PANEL = 480  # pixels of a panel's side in a grid
GAP = 10  # pixels between panels, and around the grid
LINE = 24  # pixels of a line of text
LINE_LENGTH = 45  # characters of a line as wide as a panel
DPI, FONT_SIZE = 100, 12


class Panel(NamedTuple):
    """A panel of a grid; an image of None leaves it empty."""

    image: np.ndarray | None
    title: str = ""
    caption: str = ""


def draw_masks(
    image: np.ndarray,
    side: int,
    predicted: np.ndarray | None = None,
    true: np.ndarray | None = None,
) -> np.ndarray:
    """Fill the prediction and outline the truth on a radiograph.

    Args:
        image: (h, w) uint8.
        side: of the drawing, in pixels.
        predicted, true: (H, W), not 0 inside; None: not drawn.

    Returns:
        (side, side, 3) uint8, RGB.
    """
    interpolation = cv2.INTER_AREA if image.shape[0] > side else cv2.INTER_CUBIC
    gray = cv2.resize(image, (side, side), interpolation=interpolation)
    canvas = cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB)
    if predicted is not None:
        tint(canvas, _resize_mask(predicted, side), PREDICTED)
    if true is None:
        return canvas
    from skimage.segmentation import mark_boundaries  # late: scipy takes a while to load

    # Three labels, with a ring of 1 px around the truth, make a line of 3 px; its edge is black.
    truth = _resize_mask(true, side)
    labels = truth + cv2.dilate(truth, np.ones((3, 3)))
    outlined = mark_boundaries(
        canvas, labels, color=np.array(TRUE) / 255, outline_color=(0, 0, 0), mode="thick"
    )
    return np.rint(255 * outlined).astype(np.uint8)


def tint(canvas: np.ndarray, mask: np.ndarray, colour: tuple[int, int, int]) -> None:
    """Fill a mask on a picture with a colour that the picture shows through.

    Args:
        canvas: (height, width, 3) uint8, changed in place.
        mask: (height, width) uint8, not 0 inside.
        colour: in the channels of the canvas.
    """
    left, top, width, height = cv2.boundingRect(mask)
    box = np.s_[top : top + height, left : left + width]  # the rest only costs time
    part = canvas[box]
    tinted = np.rint((1 - OPACITY) * part + OPACITY * np.array(colour)).astype(np.uint8)
    np.copyto(part, tinted, where=mask[box][..., None] > 0)


def _resize_mask(mask: np.ndarray, side: int) -> np.ndarray:
    """Return a mask as (side, side) uint8, 1 inside."""
    return cv2.resize((mask != 0).astype(np.uint8), (side, side), interpolation=cv2.INTER_NEAREST)


def draw_grid(rows: Sequence[Sequence[Panel]], note: str = "") -> bytes:
    """Return a PNG of rows of panels, each with its title above and its caption below.

    Args:
        rows: panels with images of (PANEL, PANEL, 3) uint8, RGB.
        note: a line below the grid.
    """
    from matplotlib.figure import Figure  # late: it takes a third of a second to load

    width = GAP + max(map(len, rows)) * (PANEL + GAP)
    note_lines = textwrap.wrap(note, LINE_LENGTH * width // PANEL)
    above = [max(len(_wrap(panel.title)) for panel in row) * LINE for row in rows]
    below = [max(len(_wrap(panel.caption)) for panel in row) * LINE + GAP for row in rows]
    height = GAP + sum(above) + len(rows) * PANEL + sum(below) + len(note_lines) * LINE
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)

    def write(lines: Sequence[str], x: float, y: float, **alignment: Any) -> None:
        figure.text(x / width, y / height, "\n".join(lines), fontsize=FONT_SIZE, **alignment)

    top = height - GAP
    for row, title_height, caption_height in zip(rows, above, below, strict=True):
        bottom = top - title_height - PANEL
        for column, panel in enumerate(row):
            left = GAP + column * (PANEL + GAP)
            centre = left + PANEL / 2
            write(_wrap(panel.title), centre, bottom + PANEL + 4, ha="center", va="bottom")
            write(_wrap(panel.caption), centre, bottom - 4, ha="center", va="top")
            if panel.image is not None:
                figure.figimage(panel.image, left, bottom, origin="upper")
        top = bottom - caption_height
    write(note_lines, GAP, top, va="top")
    return to_png(figure)


def _wrap(text: str) -> list[str]:
    """Return the lines of a text that is as wide as a panel."""
    return textwrap.wrap(text, LINE_LENGTH)


def to_png(figure: "Figure") -> bytes:
    """Return a figure as a PNG: the same bytes on all machines."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    content = io.BytesIO()
    fast = {"compress_level": 1}  # half the time; radiographs are hardly larger
    figure.savefig(content, format="png", metadata={"Software": None}, pil_kwargs=fast)
    return content.getvalue()
