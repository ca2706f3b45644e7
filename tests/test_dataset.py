"""The dataset, as the stages after the first read it."""

from pathlib import Path

from lib import artifacts, dataset
from lib.layout import Work
from tests import fakes


def test_the_largest_cache_of_this_dataset_is_taken(tmp_path: Path) -> None:
    work = Work(tmp_path)
    parent = fakes.make_dataset(work)
    data = dataset.read(work)
    assert data.largest_cache() is None
    for size, parents in ((16, [parent]), (8, [parent]), (99, [])):
        draft = artifacts.begin(work.cache(size), {"size": size}, parents)
        assert draft
        draft.finish()
    cache = data.largest_cache()
    assert cache is not None
    assert cache.location == work.cache(16)
