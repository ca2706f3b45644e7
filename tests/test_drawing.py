"""Masks on radiographs, and grids of panels: their size, and the pixels where things are."""

import cv2
import numpy as np
import pytest

from lib import drawing
from lib.drawing import GAP, LINE, LINE_LENGTH, PANEL, Panel

SIDE = 480


def test_the_prediction_is_filled_and_the_truth_outlined() -> None:
    image = np.full((64, 64), 100, np.uint8)
    predicted, true = np.zeros((2, 64, 64), bool)
    predicted[:, :32] = True
    true[16:48, 40:56] = True
    drawn = drawing.draw_masks(image, SIDE, predicted, true)
    scale = SIDE / 64
    at = lambda row, column: drawn[int(row * scale), int(column * scale)].tolist()  # noqa: E731
    assert drawn.shape == (480, 480, 3)
    assert at(5, 5) == np.rint(0.55 * 100 + 0.45 * np.array(drawing.PREDICTED)).tolist()
    assert at(5, 60) == [100, 100, 100]
    assert at(32, 48) == [100, 100, 100]
    assert at(16, 48) == list(drawing.TRUE)
    down = [tuple(pixel) for pixel in drawn[110:130, 360]]  # across the upper edge, at 120
    assert down.count(drawing.TRUE) == 3
    assert down.count((0, 0, 0)) == 2


def test_masks_that_are_not_given_are_not_drawn() -> None:
    image = np.full((64, 64), 100, np.uint8)
    assert (drawing.draw_masks(image, SIDE) == 100).all()


def read(png: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def panel(number: int) -> np.ndarray:
    return np.full((PANEL, PANEL, 3), (number, 40, 90), np.uint8)


@pytest.mark.parametrize("texts", [{}, {"title": "a name", "caption": "Dice 0.9"}])
def test_every_panel_is_drawn_pixel_by_pixel_at_its_place(texts: dict[str, str]) -> None:
    rows = [[Panel(panel(10 * row + column), **texts) for column in range(3)] for row in range(2)]
    rows[1][1] = Panel(None)
    grid = read(drawing.draw_grid(rows))
    band = LINE if texts else 0
    step = PANEL + GAP + 2 * band
    assert grid.shape == (GAP + 2 * step, GAP + 3 * (PANEL + GAP), 3)
    for row in range(2):
        for column in range(3):
            top, left = GAP + band + row * step, GAP + column * (PANEL + GAP)
            area = grid[top : top + PANEL, left : left + PANEL]
            expected = 255 if (row, column) == (1, 1) else panel(10 * row + column)
            assert (area == expected).all()


def test_texts_have_their_lines_and_a_grid_is_the_same_each_time() -> None:
    rows = [[Panel(panel(0), title="x" * (LINE_LENGTH + 1)), Panel(panel(1))], [Panel(panel(2))]]
    png = drawing.draw_grid(rows, note="a note")
    assert png == drawing.draw_grid(rows, note="a note")
    grid = read(png)
    title = grid[GAP : GAP + 2 * LINE]
    assert len(grid) == GAP + 2 * (PANEL + GAP) + 3 * LINE
    assert (title[:LINE, GAP : GAP + PANEL] < 128).any()
    assert (title[LINE:, GAP : GAP + PANEL] < 128).any()
    assert (title[:, GAP + PANEL + GAP :] == 255).all()
    assert (grid[-LINE - GAP :] < 128).any()
