"""Plots of the report: the same bytes at every call."""

import cv2
import numpy as np
import pytest

from lib.decision.calibration import ReliabilityBin
from lib.submit import plots
from tests.submit.builders import score_of


@pytest.mark.parametrize(
    "areas", [[(0, 0, 0)], [(5, 0, 0)], [(0, 5, 0)], [(9, 8, 7), (0, 6, 0), (4, 0, 0)]]
)
def test_the_scatter_is_the_same_png_each_time(areas: list[tuple[int, int, int]]) -> None:
    png = plots.draw_scatter(score_of(*areas))
    assert png == plots.draw_scatter(score_of(*areas))
    assert cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR).shape == (750, 750, 3)


def test_the_reliability_diagrams_are_the_same_png_each_time() -> None:
    bins = [ReliabilityBin(predicted=0.1, observed=0.2, count=3_000_000)]
    png = plots.draw_reliability({"pixels": bins, "empty": bins})
    assert png == plots.draw_reliability({"pixels": bins, "empty": bins})
    assert cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR).shape == (440, 880, 3)
