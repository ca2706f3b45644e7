import pytest

from lib.layout import Work


@pytest.fixture
def work(tiny_work: Work) -> Work:
    return tiny_work
