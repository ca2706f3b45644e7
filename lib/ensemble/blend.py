"""The images whose truth is known, and the histograms of weighted means of their maps."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lib import rle
from lib.dataset import Dataset
from lib.decision import histograms
from lib.decision.histograms import VALUES, Histograms
from lib.ensemble.members import MemberFold
from lib.layout import Fold, map_file
from lib.parallel import map_in_processes
from lib.prob_maps import blend


class Labelled(NamedTuple):
    """An image whose truth is known, and the fold whose networks did not see it."""

    image_id: str
    fold: int
    code: str

    def truth(self, size: int) -> np.ndarray | None:
        """(size, size) bool; None if it is empty."""
        return None if self.code == rle.EMPTY else rle.decode(self.code, size, size)


def labelled(sources: Iterable[MemberFold], dataset: Dataset) -> list[Labelled]:
    """The images that the sources have out-of-fold maps of, sorted."""
    folds = {source.fold for source in sources}
    return [
        Labelled(name, fold, dataset.truth[name])
        for name, fold in sorted(dataset.folds.items())
        if fold in folds
    ]


@dataclass(frozen=True)
class Counter:
    """Counts blends of out-of-fold maps; what another process needs for it.

    Attributes:
        size: the frame's side, in pixels.
        folders: by fold, those of the members' maps.
        weights: (B, members), a row for each blend.
        block: as for `blend`; areas are in pixels of the frame all the same.
    """

    size: int
    folders: Mapping[Fold, Sequence[Path]]
    weights: np.ndarray
    block: int = 1

    def __call__(self, image: Labelled) -> np.ndarray:
        """(2, B, 256): the pixels of each blend by value, and those of them in the truth."""
        paths = [folder / map_file("oof", image.image_id) for folder in self.folders[image.fold]]
        blends = blend(paths, self.weights, self.size, self.block)
        truth = image.truth(self.size)
        return np.stack([_count(values, truth, self.block) for values in blends], axis=1)

    def count(self, jobs: Sequence[Labelled], label: str) -> list[Histograms]:
        """The histograms of all images, for each blend."""
        counted = np.empty((2, len(self.weights), len(jobs), VALUES), np.uint32)
        for number, counts in enumerate(map_in_processes(self, jobs, label)):
            counted[:, :, number] = counts
        names = np.array([image.image_id for image in jobs])
        return [Histograms(names, *both) for both in zip(*counted, strict=True)]


def _count(values: np.ndarray, truth: np.ndarray | None, block: int) -> np.ndarray:
    """(2, 256) pixels of the frame, each with the value of its block."""
    if truth is None:
        return block**2 * np.stack(histograms.count(values, None))
    return np.stack(histograms.count(values.repeat(block, 0).repeat(block, 1), truth))
