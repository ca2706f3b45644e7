"""Sampling: the images of an epoch, their order and their batches."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

from lib import distributed
from lib.errors import InputError
from lib.recipes import Phase

# Epoch, index of an image, and number of its earlier draws in the epoch (0 without replacement).
Item = tuple[int, int, int]


def seed_of(*parts: object) -> int:
    """Return a 63-bit seed from values such as (seed, phase, epoch, ImageId)."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def epoch_order(
    positive: np.ndarray,
    positive_rate: float | None,
    rng: np.random.Generator,
    replacement: bool = False,
) -> np.ndarray:
    """Return the images of an epoch, shuffled.

    Args:
        positive: (n,) bool, True for training images with a pneumothorax.
        positive_rate: p: all positives and round(n_pos (1 - p) / p) negatives, at most as many as
            there are; None: every image once.
        rng: draws and shuffles.
        replacement: draws negatives with replacement, so that some repeat.

    Returns:
        Indices into `positive`.
    """
    if positive_rate is None:
        return rng.permutation(positive.size)
    positives, negatives = np.flatnonzero(positive), np.flatnonzero(~positive)
    n_negatives = _count_negatives(positives.size, negatives.size, positive_rate)
    sample = rng.choice(negatives, n_negatives, replace=replacement)
    return rng.permutation(np.concatenate([positives, sample]))


def _count_negatives(n_positive: int, n_negative: int, positive_rate: float) -> int:
    """Return the number of negatives of an epoch, of those that there are."""
    return round(min(n_positive / positive_rate - n_positive, n_negative))


def rate_in_epoch(phase: Phase, epoch: int) -> float | None:
    """Return the positive rate of an epoch of a phase; None: every image once."""
    rate, end = phase.positive_rate, phase.positive_rate_end
    if isinstance(rate, tuple):
        return next(step for start, step in reversed(rate) if start <= epoch)
    if rate is None or end is None:
        return rate
    return rate + (end - rate) * epoch / max(phase.epochs - 1, 1)


def images_in_epoch(phase: Phase, epoch: int, positive: np.ndarray) -> int:
    """Return the number of images that an epoch presents; `positive` is that of `epoch_order`."""
    rate, n_positive = rate_in_epoch(phase, epoch), int(positive.sum())
    if rate is None:
        return positive.size
    return n_positive + _count_negatives(n_positive, positive.size - n_positive, rate)


class EpochBatches(Sampler[list[Item]]):
    """Batches of items: workers read the epoch from them and need no other state.

    Each process gets its shard of every batch. An epoch is split into batches of nearly equal size,
    none larger than the phase's batch. No image is dropped. A batch has a single image only if
    the phase's batch is 1 or 2, or the epoch has one image.
    """

    def __init__(self, positive: Sequence[bool], phase: Phase, key: tuple) -> None:
        """Start at epoch 0; set `epoch` before each epoch.

        Raises:
            InputError: if there is no image, or the phase has a positive rate and no image is
                positive.
        """
        self.positive = np.asarray(positive, bool)
        if not self.positive.size:
            raise InputError(
                "there is no image to train on: the split has all labelled images in this fold; "
                "make another one with 01_prepare.py"
            )
        if phase.positive_rate is not None and not self.positive.any():
            raise InputError(
                f"positive_rate = {phase.positive_rate}, but no image to train on is positive; "
                "with --set and --name make it null, or add labels"
            )
        self.phase = phase
        self.key = key
        self.epoch = 0

    def shard_fractions(self) -> list[float]:
        """Return this process's fraction of each batch of the epoch; 1 for a single process."""
        return [len(distributed.shard(batch)) / len(batch) for batch in self._batches()]

    def _batches(self) -> list[list[Item]]:
        phase, rng = self.phase, np.random.default_rng(seed_of(*self.key, self.epoch))
        rate = rate_in_epoch(phase, self.epoch)
        order = epoch_order(self.positive, rate, rng, phase.replacement)
        batches = np.array_split(order, -(-order.size // phase.batch))
        if batches[-1].size < distributed.world_size():
            raise InputError(
                f"a batch of {batches[-1].size} images cannot be shared by "
                f"{distributed.world_size()} processes; start fewer processes"
            )
        draws: Counter[int] = Counter()
        return [[self._item(index, draws) for index in batch.tolist()] for batch in batches]

    def _item(self, index: int, draws: Counter[int]) -> Item:
        """Return the item of the next draw of an image, and count the draw."""
        draws[index] += 1
        return self.epoch, index, draws[index] - 1

    def __len__(self) -> int:
        return len(self._batches())

    def __iter__(self) -> Iterator[list[Item]]:
        yield from map(distributed.shard, self._batches())
