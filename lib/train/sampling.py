"""Which images an epoch shows, in which order, in which batches."""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

from lib import distributed
from lib.errors import InputError
from lib.recipes import Phase


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
    wanted = min(positives.size / positive_rate - positives.size, negatives.size)
    drawn = rng.choice(negatives, round(wanted), replace=False)
    return rng.permutation(np.concatenate([positives, drawn]))


def rate_in_epoch(phase: Phase, epoch: int) -> float | None:
    """The share of positives that a phase asks for in an epoch; None: every image once."""
    rate, end = phase.positive_rate, phase.positive_rate_end
    if isinstance(rate, tuple):
        return next(step for start, step in reversed(rate) if start <= epoch)
    if rate is None or end is None:
        return rate
    return rate + (end - rate) * epoch / max(phase.epochs - 1, 1)


class EpochBatches(Sampler[list[tuple[int, int]]]):
    """Batches of (epoch, index): workers learn the epoch from the key, and need no other state.

    Of several processes, each has its share of every batch.

    An epoch is cut into batches of nearly equal size, none above the phase's, so that no image is
    dropped, and one is left alone in batches of at most two only.
    """

    def __init__(self, positive: Sequence[bool], phase: Phase, key: tuple) -> None:
        """Begin at epoch 0; set `epoch` before each.

        Raises:
            InputError: if there are no images, or a positive rate is asked of images without a
                positive one.
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
        """How much of each batch of the epoch is this process's; 1 alone."""
        return [len(distributed.shard(batch)) / len(batch) for batch in self._batches()]

    def _batches(self) -> list[list[int]]:
        rng = np.random.default_rng(seed_of(*self.key, self.epoch))
        order = epoch_order(self.positive, rate_in_epoch(self.phase, self.epoch), rng)
        cut = np.array_split(order, -(-order.size // self.phase.batch))
        if cut[-1].size < distributed.world_size():
            raise InputError(
                f"a batch of {cut[-1].size} images cannot be shared by {distributed.world_size()} "
                "processes; start fewer of them"
            )
        return [batch.tolist() for batch in cut]

    def __len__(self) -> int:
        return len(self._batches())

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for indices in self._batches():
            yield [(self.epoch, index) for index in distributed.shard(indices)]
