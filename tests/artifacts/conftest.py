"""Fixtures of the tests of artifacts."""

from pathlib import Path

import pytest

from lib.layout import Work


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path)
