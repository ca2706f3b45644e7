"""Fixtures that several test modules use."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as in lib/device.py, before torch is loaded
# Outputs are reproducible to the byte on a CPU only; tests.bench measures GPUs.
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def restored_signal_handlers() -> Iterator[None]:
    """Restore the signal handlers that a stage replaces when it runs in this process."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def shared_data() -> Path:
    """Folder of real radiographs and labels beside the checkout; without it the test is skipped."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no real data beside the checkout")
    return SHARED_DATA
