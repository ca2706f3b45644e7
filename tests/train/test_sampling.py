"""Sampling of an epoch: positive rates, batches, seeds."""

import numpy as np
import pytest

from lib.errors import InputError
from lib.recipes import Phase
from lib.train.sampling import EpochBatches, epoch_order, rate_in_epoch, seed_of

# The competition's final training images: 2,669 of 12,047 show a pneumothorax.
COMPETITION = np.arange(12_047) < 2_669


def phase_of(
    rate: object,
    batch: int = 64,
    epochs: int = 60,
    end: float | None = None,
    replacement: bool = False,
) -> Phase:
    return Phase(
        size=64, epochs=epochs, batch=batch, lr=1.0, positive_rate=rate, positive_rate_end=end,
        replacement=replacement,
    )  # fmt: skip


@pytest.mark.parametrize(("images", "sizes"), [(33, {11}), (17, {8, 9}), (16, {16}), (3, {3})])
def test_batches_have_nearly_equal_sizes_and_drop_no_image(images: int, sizes: set[int]) -> None:
    batches = EpochBatches(np.ones(images, bool), phase_of(None, batch=16), key=(0,))
    sampled = list(batches)
    assert {len(batch) for batch in sampled} == sizes
    assert len(sampled) == len(batches)
    assert sum(map(len, sampled)) == images


def test_seeds_differ_in_every_part() -> None:
    seeds = {seed_of(a, b, c) for a in range(5) for b in range(5) for c in ("x", "y")}
    assert len(seeds) == 50
    assert seed_of(1, 23) != seed_of(12, 3)
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize(
    ("rate", "negatives"),
    [
        pytest.param(0.6, 1_779, id="rounds-1779.3"),
        pytest.param(0.4, 4_004, id="rounds-4003.5-to-even"),
        pytest.param(0.5, 2_669, id="balanced"),
        pytest.param(1.0, 0, id="positives-only"),
        pytest.param(0.1, 9_378, id="no-more-negatives-than-there-are"),
        pytest.param(None, 9_378, id="every-image-once"),
    ],
)
def test_a_positive_rate_draws_all_positives_and_some_negatives(
    rate: float | None, negatives: int
) -> None:
    order = epoch_order(COMPETITION, rate, np.random.default_rng(0))
    assert np.unique(order).size == order.size == 2_669 + negatives
    assert COMPETITION[order].sum() == 2_669


@pytest.mark.parametrize(("rate", "negatives"), [(0.4, 4_004), (0.1, 9_378)])
def test_with_replacement_negatives_repeat_and_positives_do_not(
    rate: float, negatives: int
) -> None:
    order = epoch_order(COMPETITION, rate, np.random.default_rng(0), replacement=True)
    drawn, counts = np.unique(order[~COMPETITION[order]], return_counts=True)
    assert np.unique(order[COMPETITION[order]]).size == COMPETITION[order].sum() == 2_669
    assert counts.sum() == negatives
    # Of n negatives, k draws with replacement find n (1 - (1 - 1/n)^k).
    assert drawn.size == pytest.approx(9_378 * (1 - np.exp(-negatives / 9_378)), rel=0.02)


def test_each_draw_of_an_image_in_an_epoch_has_a_number() -> None:
    positive = np.arange(40) < 10
    batches = EpochBatches(positive, phase_of(0.25, batch=8, replacement=True), key=(0,))
    batches.epoch = 3
    items = [item for batch in batches for item in batch]
    assert {epoch for epoch, _, _ in items} == {3}
    assert len(set(items)) == len(items) == 40
    draws: dict[int, list[int]] = {}
    for _, index, draw in items:
        draws.setdefault(index, []).append(draw)
    assert all(numbers == list(range(len(numbers))) for numbers in draws.values())
    assert max(map(len, draws.values())) > 1


def test_another_epoch_draws_other_negatives_in_another_order() -> None:
    batches = EpochBatches(np.arange(80) % 4 == 0, phase_of(0.5, batch=8), key=(0, 0))
    first = list(batches)
    batches.epoch = 1
    second = list(batches)
    assert second[0][0][0] == 1
    batches.epoch = 0
    assert list(batches) == first
    drawn = [{index for batch in epoch for _, index, _ in batch} for epoch in (first, second)]
    assert drawn[0] != drawn[1]


def test_a_sliding_rate_changes_at_its_epochs() -> None:
    phase = phase_of(((0, 2 / 3), (20, 0.5)))
    assert [rate_in_epoch(phase, epoch) for epoch in (0, 19, 20, 59)] == [2 / 3, 2 / 3, 0.5, 0.5]


def test_a_linear_rate_goes_from_the_first_to_the_last_epoch() -> None:
    phase = phase_of(0.8, end=0.22)
    assert [rate_in_epoch(phase, epoch) for epoch in (0, 59)] == pytest.approx([0.8, 0.22])
    assert rate_in_epoch(phase, 30) == pytest.approx(0.8 - 0.58 * 30 / 59)
    assert rate_in_epoch(phase_of(0.8, epochs=1, end=0.2), 0) == 0.8


def test_a_longer_epoch_has_more_batches() -> None:
    batches = EpochBatches(COMPETITION, phase_of(((0, 1.0), (1, 0.5))), key=(0,))
    lengths = [len(batches)]
    batches.epoch = 1
    assert [*lengths, len(batches)] == [42, 84]


def test_a_rate_without_a_positive_image_is_refused() -> None:
    with pytest.raises(InputError, match="positive_rate = 0.5"):
        EpochBatches(np.zeros(5, bool), phase_of(0.5), key=(0,))


@pytest.mark.parametrize("rate", [None, 0.5])
def test_an_epoch_without_images_is_refused(rate: float | None) -> None:
    with pytest.raises(InputError, match="no image to train on"):
        EpochBatches(np.zeros(0, bool), phase_of(rate), key=(0,))


@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize(
    ("positive", "rate"), [(True, None), (True, 0.5), (True, 1.0), (True, 5e-324), (False, None)]
)
def test_images_of_one_kind_are_drawn_once(
    positive: bool, rate: float | None, replacement: bool
) -> None:
    phase = phase_of(rate, replacement=replacement and rate is not None)
    (batch,) = EpochBatches([positive] * 5, phase, key=(0,))
    assert sorted(batch) == [(0, index, 0) for index in range(5)]
