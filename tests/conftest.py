"""What several test modules need."""

import os
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as lib/device.py, before any test loads torch
# Equal bytes are promised on CPUs; GPUs are measured by tests.bench.
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def shared_data() -> Path:
    """Real radiographs and labels beside the checkout; tests that use them skip without."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no real data beside the checkout")
    return SHARED_DATA
