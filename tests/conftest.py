"""Fixtures of several test modules."""

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as lib, before any test loads torch
# Equal bytes are promised on CPUs; GPUs are measured by tests.bench.
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import pytest
from hypothesis import settings

from lib.layout import Work

settings.register_profile("no_deadline", deadline=None)  # a slow machine is no failure
settings.load_profile("no_deadline")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def restored_signal_handlers() -> Iterator[None]:
    """A stage that runs in this process replaces them."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def open_work() -> Iterator[Work]:
    """A WORK that other users may enter, unlike `tmp_path`."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Work(Path(folder))


@pytest.fixture
def user() -> Callable[[], AbstractContextManager[None]]:
    """A context without the rights of root, who may read everything."""

    @contextmanager
    def without_root() -> Iterator[None]:
        if os.geteuid():
            yield
            return
        os.seteuid(65534)  # nobody
        try:
            yield
        finally:
            os.seteuid(0)

    return without_root


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
