"""Results by size of the pneumothorax."""

import numpy as np
import pytest

from lib.submit import lesion_sizes
from tests.submit.builders import score_of


def test_positives_are_classed_by_quartile_of_their_area() -> None:
    areas = [(0, 0, 0), (0, 10, 0), (20, 20, 20), (15, 30, 15), (50, 40, 40), (9, 0, 0)]
    classes = lesion_sizes.size_classes(score_of(*areas))
    assert [(c.smallest, c.images, c.detected) for c in classes] == [
        (10, 1, 0), (20, 1, 1), (30, 1, 1), (40, 1, 1),
    ]  # fmt: skip
    assert [c.dice for c in classes] == pytest.approx([0, 1, 2 / 3, 80 / 90])
    assert np.isnan(classes[0].area_ratio)
    assert [c.area_ratio for c in classes[1:]] == [1, 0.5, 1.25]


def test_without_positives_there_are_no_classes() -> None:
    assert lesion_sizes.size_classes(score_of((0, 0, 0), (5, 0, 0))) == []
