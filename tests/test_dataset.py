"""The dataset, as the stages after the first read it."""

from pathlib import Path

import pytest

from lib import artifacts, dataset
from lib.errors import InputError
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


def test_without_a_request_all_folds_of_the_split_are_taken(tmp_path: Path) -> None:
    """A split by someone else may count from 1."""
    work = Work(tmp_path)
    fakes.make_dataset(work, fakes.masks(6), first_fold=1)
    data = dataset.read(work)
    assert data.checked_folds(None) == [1, 2]
    assert data.checked_folds(["2", "all-data"]) == [2, "all-data"]
    with pytest.raises(InputError, match="fold 0 does not exist; .* 1, 2"):
        data.checked_folds(["0"])
    with pytest.raises(InputError, match="fold 1 is given twice"):
        data.checked_folds(["1", "01"])


def test_a_dataset_without_labels_has_no_folds(tmp_path: Path) -> None:
    work = Work(tmp_path)
    fakes.make_dataset(work, {})
    for requested in (None, ["0"]):
        with pytest.raises(InputError, match="has no labels, .*--labels CSV"):
            dataset.read(work).checked_folds(requested)
