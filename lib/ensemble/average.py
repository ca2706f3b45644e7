"""Average maps over members and folds, one image at a time, in the RLE frame."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lib import images, rle, tables
from lib.artifacts import Artifact, Draft
from lib.dataset import Dataset
from lib.decision import histograms
from lib.decision.histograms import Histograms
from lib.ensemble.members import CLASSES, Source, read_map
from lib.layout import Fold, map_file
from lib.pool import in_processes

HISTOGRAMS = "histograms.npz"


def facts(sources: Sequence[Source], dataset: Dataset) -> dict[str, object]:
    """What decides an ensemble's content, besides its inputs."""
    weights = {source.member: source.weight for source in sources}
    return {
        "members": list(weights),
        "weights": list(weights.values()),
        "folds": list(dict.fromkeys(source.fold for source in sources)),
        "rle_size": dataset.rle_size,
    }


def average(draft: Draft, sources: Sequence[Source], dataset: Dataset) -> Artifact:
    """Fill an ensemble: its maps, their histograms and its image probabilities.

    An out-of-fold map is the weighted mean over members; a test map is the weighted mean over
    members of the mean over folds. Maps that an interrupted call left are kept.

    Raises:
        InputError: if a map is damaged, not square, or larger than the frame.
    """
    parts = [(source.fold, source.probs.place.folder, source.weight) for source in sources]
    blend = Blend(dataset.rle_size, draft.folder, parts)
    folds = {source.fold for source in sources}
    held_out = [
        (name, fold, dataset.truth[name])
        for name, fold in sorted(dataset.folds.items())
        if fold in folds
    ]
    if held_out:
        counts = list(in_processes(blend.out_of_fold, held_out, "out-of-fold"))
        pixels, inside = (np.stack(column) for column in zip(*counts, strict=True))
        names = np.array([name for name, _, _ in held_out])
        Histograms(names, pixels, inside).save(draft.path(HISTOGRAMS))
    for _ in in_processes(blend.test, dataset.test_ids, "test"):
        pass
    tables.write(draft.path(CLASSES), _classes(sources))
    tables.write(draft.path("members.csv"), _members(sources))
    return draft.finish()


@dataclass(frozen=True)
class Blend:
    """The weighted mean of the maps of one image; what another process needs to make it.

    Attributes:
        size: the frame's side, in pixels.
        out: the ensemble's folder.
        parts: fold, folder and weight of each source.
    """

    size: int
    out: Path
    parts: Sequence[tuple[Fold, Path, float]]

    def out_of_fold(self, image: tuple[str, int, str]) -> tuple[np.ndarray, np.ndarray]:
        """Make the map of a labelled image from the networks that did not see it.

        Args:
            image: its id, fold and code.

        Returns:
            Its histograms, as `histograms.count`.
        """
        image_id, fold, code = image
        blended = self._map(map_file("oof", image_id), [p for p in self.parts if p[0] == fold])
        truth = None if code == rle.EMPTY else rle.decode(code, self.size, self.size)
        return histograms.count(blended, truth)

    def test(self, image_id: str) -> None:
        """Make the map of a test image from all networks."""
        self._map(map_file("test", image_id), self.parts)

    def _map(self, file: str, parts: Sequence[tuple[Fold, Path, float]]) -> np.ndarray:
        if (self.out / file).exists():
            return images.read_png(self.out / file)
        total = sum(weight for _, _, weight in parts)
        mean = np.zeros((self.size, self.size), np.float32)
        for _, folder, weight in parts:
            mean += np.float32(weight / total) * read_map(folder / file, self.size)
        blended = images.quantize(mean)
        images.write_png(self.out / file, blended)
        return blended


def _classes(sources: Iterable[Source]) -> pd.DataFrame:
    """The weighted mean of p(positive) over the sources that have it; empty where none has."""
    rows = pd.concat([source.classes.assign(weight=source.weight) for source in sources])
    rows["p"] = rows["p"].astype(float) * rows["weight"]
    sums = rows[rows["weight"] > 0].groupby("ImageId")[["p", "weight"]].sum()
    return (sums["p"] / sums["weight"]).rename("p").reset_index()


def _members(sources: Iterable[Source]) -> pd.DataFrame:
    rows = [(source.member, source.fold, source.weight, source.probs.id) for source in sources]
    return pd.DataFrame(rows, columns=["member", "fold", "weight", "id"])
