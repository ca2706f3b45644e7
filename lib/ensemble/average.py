"""Averaging of maps over members and folds, one image at a time, in the RLE frame."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib import csv_files, disk, images, rle
from lib.artifacts import Artifact, Draft
from lib.dataset import Dataset
from lib.decision import histograms
from lib.decision.histograms import VALUES, Histograms
from lib.ensemble.members import MEMBERS_FILE, SEARCH, MemberFold, save_members
from lib.layout import CLASSES, Fold, map_file
from lib.parallel import map_in_processes
from lib.prob_maps import blend

HISTOGRAMS_FILE = "histograms.npz"


def ensemble_config(
    members: Sequence[MemberFold], dataset: Dataset, search_weights: bool = False
) -> dict[str, object]:
    """Return the config of an ensemble: all that decides its content, its inputs apart."""
    weight_of = {member.run: member.weight for member in members}
    return {
        "members": list(weight_of),
        "weights": SEARCH if search_weights else list(weight_of.values()),
        "folds": list(dict.fromkeys(member.fold for member in members)),
        "rle_size": dataset.rle_size,
    }


def average(draft: Draft, members: Sequence[MemberFold], dataset: Dataset) -> Artifact:
    """Fill an ensemble: its maps, their histograms and its image probabilities.

    An out-of-fold map is the weighted mean over members; a test map is the weighted mean over
    members of the mean over folds. Maps of an interrupted call are kept.

    Args:
        draft: of the ensemble.
        members: maps with their weights; searched weights are for maps alone, and image
            probabilities then have equal weights, so that nothing in them was fitted on truth.
        dataset: truth, folds and test images.

    Raises:
        InputError: if a map is damaged, not square, or larger than the frame, or all maps cannot
            fit on the disk.
    """
    csv_files.write(draft.path(CLASSES), _mean_p_positive(members, draft.config["weights"]))
    mean = MapAverager(
        dataset.rle_size,
        draft.folder,
        [(member.fold, member.probs.location.folder, member.weight) for member in members],
    )
    labelled = labelled_images(members, dataset)
    keys = [("oof", image.image_id) for image in labelled]
    keys += [("test", image_id) for image_id in dataset.test_ids]
    files = [[draft.path(map_file(*key))] for key in keys]
    n_remaining = sum(not path.exists() for (path,) in files)
    written = chain(
        map_in_processes(mean.write_oof, labelled, "out-of-fold"),
        map_in_processes(mean.write_test, dataset.test_ids, "test"),
    )
    results = disk.report_need_early(written, files, n_remaining)
    if labelled:
        counts = islice(results, len(labelled))
        pixels, inside = (np.stack(column) for column in zip(*counts, strict=True))
        ids = np.array([image.image_id for image in labelled])
        Histograms(ids, pixels, inside).save(draft.path(HISTOGRAMS_FILE))
    for _ in results:
        pass
    save_members(draft.path(MEMBERS_FILE), members)
    return draft.finish()


class LabelledImage(NamedTuple):
    """An image with known truth, and its fold: networks of that fold did not train on it."""

    image_id: str
    fold: int
    code: str

    def truth(self, size: int) -> np.ndarray | None:
        """Return the truth, (size, size) bool; None if it is empty."""
        return None if self.code == rle.EMPTY else rle.decode(self.code, size, size)


def labelled_images(members: Iterable[MemberFold], dataset: Dataset) -> list[LabelledImage]:
    """Return the images that have out-of-fold maps, sorted."""
    folds = {member.fold for member in members}
    return [
        LabelledImage(image_id, fold, dataset.truth[image_id])
        for image_id, fold in sorted(dataset.folds.items())
        if fold in folds
    ]


@dataclass(frozen=True)
class MapAverager:
    """Writes the weighted mean of the maps of an image; it is sent to worker processes.

    Attributes:
        size: side of the frame, in pixels.
        out: folder of the ensemble.
        sources: fold, folder and weight of each member's maps.
    """

    size: int
    out: Path
    sources: Sequence[tuple[Fold, Path, float]]

    def write_oof(self, image: LabelledImage) -> tuple[np.ndarray, np.ndarray]:
        """Write the map of a labelled image, from the networks that did not train on it.

        Returns:
            Its pixel counts, as `histograms.count`.
        """
        sources = [source for source in self.sources if source[0] == image.fold]
        map_8bit = self._write(map_file("oof", image.image_id), sources)
        return histograms.count(map_8bit, image.truth(self.size))

    def write_test(self, image_id: str) -> None:
        """Write the map of a test image, from all networks."""
        self._write(map_file("test", image_id), self.sources)

    def _write(self, file: str, sources: Sequence[tuple[Fold, Path, float]]) -> np.ndarray:
        if (self.out / file).exists():
            return images.read_png(self.out / file)
        weights = np.array([[weight for _, _, weight in sources]])
        (map_8bit,) = blend([folder / file for _, folder, _ in sources], weights, self.size)
        images.write_png(self.out / file, map_8bit)
        return map_8bit


@dataclass(frozen=True)
class BlendCounter:
    """Counts the pixels of blends of out-of-fold maps; it is sent to worker processes.

    Attributes:
        size: side of the frame, in pixels.
        folders: for each fold, the folders of the members' maps.
        weights: (B, members), a row for each blend.
        block: as for `blend`; areas are in pixels of the frame all the same.
    """

    size: int
    folders: Mapping[Fold, Sequence[Path]]
    weights: np.ndarray
    block: int = 1

    def __call__(self, image: LabelledImage) -> np.ndarray:
        """Return (2, B, 256): the pixels of each blend by value, and those in the truth."""
        paths = [folder / map_file("oof", image.image_id) for folder in self.folders[image.fold]]
        blends = blend(paths, self.weights, self.size, self.block)
        truth = image.truth(self.size)
        return np.stack([_count_blocks(values, truth, self.block) for values in blends], axis=1)

    def count(self, images: Sequence[LabelledImage], label: str) -> list[Histograms]:
        """Return the histograms of all images, for each blend."""
        counts = np.empty((2, len(self.weights), len(images), VALUES), np.uint32)
        for number, counts_of_image in enumerate(map_in_processes(self, images, label)):
            counts[:, :, number] = counts_of_image
        ids = np.array([image.image_id for image in images])
        return [Histograms(ids, *pair) for pair in zip(*counts, strict=True)]


def _count_blocks(values: np.ndarray, truth: np.ndarray | None, block: int) -> np.ndarray:
    """Return (2, 256) pixels of the frame; each has the value of its block."""
    if truth is None:
        return block**2 * np.stack(histograms.count(values, None))
    return np.stack(histograms.count(values.repeat(block, 0).repeat(block, 1), truth))


def _mean_p_positive(members: Sequence[MemberFold], weights: object) -> pd.DataFrame:
    """Return the weighted mean of p(positive) over members that have it; no rows if none has."""
    rows = pd.concat([member.p_positive.assign(weight=member.weight) for member in members])
    if weights == SEARCH:
        rows["weight"] = 1 / len({member.run for member in members})
    rows["p"] = rows["p"].astype(float) * rows["weight"]
    sums = rows[rows["weight"] > 0].groupby("ImageId")[["p", "weight"]].sum()
    return (sums["p"] / sums["weight"]).rename("p").reset_index()
