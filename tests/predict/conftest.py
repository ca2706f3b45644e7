from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from lib.layout import Work
from tests.predict import builders


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Work]:
    """WORK of `builders.make_systems`; tests add decisions of names of their own."""
    threads = torch.get_num_threads()
    yield builders.make_systems(tmp_path_factory.mktemp("trained") / "work")
    torch.set_num_threads(threads)


@pytest.fixture
def raw(trained: Work, tmp_path: Path) -> Path:
    """A folder with the test images of the dataset as PNG files."""
    builders.raw_images(trained, tmp_path / "raw")
    return tmp_path / "raw"
