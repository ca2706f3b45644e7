"""Fixtures of the tests of the leaderboard."""

from pathlib import Path

import pytest

from lib.layout import Work
from tests import fakes
from tests.leaderboard.builders import TRUTH


@pytest.fixture
def work(tmp_path: Path) -> Work:
    """Four labelled images in one fold, and two test images."""
    work = Work(tmp_path / "work")
    fakes.make_dataset(work, TRUTH, folds=1)
    return work


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """Masks of the two test images and of another one."""
    path = tmp_path / "truth.csv"
    path.write_text("ImageId,EncodedPixels\ntest0,-1\ntest1,0 9\nelsewhere,0 4\n")
    return path
