"""The picture of a searched surface."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from lib.decision.threshold_search import PRESETS
from lib.decision.tuning import RuleFitter
from lib.ensemble.surface import Marks, draw_surface
from tests.decision.samples import noisy_sample


@pytest.mark.parametrize(
    ("preset", "choose", "ratio"),
    [("single", "best", 8 / 7.5), ("triplet", "plateau", 2), ("expected", None, 2)],
)
def test_a_surface_is_a_picture_of_equal_bytes(
    tmp_path: Path, preset: str, choose: str | None, ratio: float
) -> None:
    sample, fitter = noisy_sample(), RuleFitter(PRESETS[preset], choose)
    search = fitter.search(sample)
    best_of_fold = {fold: fitter.search(part).best for fold, part in sample.by_fold().items()}
    marks = Marks(search.best, search.rule(choose), best_of_fold)
    assert (marks.chosen is None) == (preset == "expected")
    for name in ("one.png", "other.png"):
        draw_surface(tmp_path / name, search.plateau, marks)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "other.png").read_bytes()
    height, width, _ = cv2.imread(str(tmp_path / "one.png")).shape
    assert height > 500
    assert np.isclose(width / height, ratio, rtol=0.01)
