"""Fixtures of the tests of the tuning page."""

import pytest

from lib import parallel


@pytest.fixture(autouse=True)
def _one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting worker processes takes seconds."""
    monkeypatch.setattr(parallel, "MAX_PROCESSES", 1)
