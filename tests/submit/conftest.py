"""Fixtures of the tests of stage 05."""

from pathlib import Path

import pytest

from lib.layout import Work


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path / "work")
