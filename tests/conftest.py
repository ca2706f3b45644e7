"""What several test modules need."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as lib/device.py, before any test loads torch
# Equal bytes are promised on CPUs; GPUs are measured by tests.bench.
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import pytest

from lib.layout import Work

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def signals_end_the_tests_and_not_a_stage() -> Iterator[None]:
    """What a stage that ran in this process has changed is undone."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def shared_data() -> Path:
    """Real radiographs and labels beside the checkout; tests that use them skip without."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no real data beside the checkout")
    return SHARED_DATA


@pytest.fixture
def tiny_work(tmp_path: Path) -> Iterator[Work]:
    """WORK of tests.tiny_runs; torch computes in one thread."""
    import torch  # here: tests without it start faster

    from tests import tiny_runs

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield tiny_runs.make_work(tmp_path)
    torch.set_num_threads(threads)
