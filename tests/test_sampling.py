"""What an epoch shows: shares of positives, batches, seeds."""

import numpy as np
import pytest

from lib.train.sampling import EpochBatches, epoch_order, seed_of


@pytest.mark.parametrize(
    ("rate", "negatives"),
    [
        pytest.param(0.8, 5, id="0.8-is-one-negative-to-four"),
        pytest.param(0.6, 13, id="0.6-rounds-13.33"),
        pytest.param(0.5, 20, id="balanced"),
        pytest.param(1.0, 0, id="positives-only"),
        pytest.param(0.1, 60, id="no-more-negatives-than-there-are"),
        pytest.param(None, 60, id="every-image-once"),
    ],
)
def test_a_positive_rate_draws_all_positives_and_some_negatives(
    rate: float | None, negatives: int
) -> None:
    positive = np.arange(80) % 4 == 0
    order = epoch_order(positive, rate, np.random.default_rng(0))
    assert np.unique(order).size == order.size == 20 + negatives
    assert positive[order].sum() == 20


def test_another_epoch_draws_other_negatives_in_another_order() -> None:
    batches = EpochBatches(np.arange(80) % 4 == 0, 0.5, 8, key=(0, 0))
    first = list(batches)
    batches.epoch = 1
    second = list(batches)
    batches.epoch = 0
    assert list(batches) == first
    drawn = [{index for batch in epoch for _, index in batch} for epoch in (first, second)]
    assert drawn[0] != drawn[1]
    assert second[0][0][0] == 1


@pytest.mark.parametrize(("images", "sizes"), [(33, {11}), (17, {8, 9}), (16, {16}), (3, {3})])
def test_batches_are_of_nearly_equal_size_and_none_is_left_alone(
    images: int, sizes: set[int]
) -> None:
    batches = EpochBatches(np.ones(images, bool), None, 16, key=(0,))
    found = list(batches)
    assert {len(batch) for batch in found} == sizes
    assert len(found) == len(batches)
    assert sum(map(len, found)) == images


def test_seeds_differ_in_every_part() -> None:
    seeds = {seed_of(a, b, c) for a in range(5) for b in range(5) for c in ("x", "y")}
    assert len(seeds) == 50
    assert seed_of(1, 23) != seed_of(12, 3)
    assert all(0 <= seed < 2**63 for seed in seeds)
