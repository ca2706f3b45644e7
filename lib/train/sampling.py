"""Which images an epoch shows, in which order, in which batches."""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler


def seed_of(*parts: object) -> int:
    """A 63-bit seed from anything that can be written down: (seed, phase, epoch, ImageId)."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def epoch_order(
    positive: np.ndarray, positive_rate: float | None, rng: np.random.Generator
) -> np.ndarray:
    """The images of an epoch, shuffled.

    Args:
        positive: (n,) bool, which training images show a pneumothorax.
        positive_rate: p: all positives and round(n_pos (1 - p) / p) negatives drawn without
            replacement, at most all; None: every image once.
        rng: what shuffles and draws.

    Returns:
        Indices into `positive`.
    """
    if positive_rate is None:
        return rng.permutation(positive.size)
    positives, negatives = np.flatnonzero(positive), np.flatnonzero(~positive)
    wanted = round(positives.size * (1 - positive_rate) / positive_rate)
    drawn = rng.choice(negatives, min(wanted, negatives.size), replace=False)
    return rng.permutation(np.concatenate([positives, drawn]))


class EpochBatches(Sampler[list[tuple[int, int]]]):
    """Batches of (epoch, index): workers learn the epoch from the key, and need no other state.

    An epoch is cut into batches of nearly equal size, none above `batch`, so that no image is
    dropped and no batch is left with one image.
    """

    def __init__(
        self, positive: Sequence[bool], positive_rate: float | None, batch: int, key: tuple
    ) -> None:
        self.positive = np.asarray(positive, bool)
        self.positive_rate = positive_rate
        self.batch = batch
        self.key = key
        self.epoch = 0
        self.size = epoch_order(self.positive, positive_rate, np.random.default_rng(0)).size

    def __len__(self) -> int:
        return -(-self.size // self.batch)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        rng = np.random.default_rng(seed_of(*self.key, self.epoch))
        order = epoch_order(self.positive, self.positive_rate, rng)
        for indices in np.array_split(order, len(self)):
            yield [(self.epoch, int(index)) for index in indices]
