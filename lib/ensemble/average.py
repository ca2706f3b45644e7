"""Average maps over members and folds, one image at a time, in the RLE frame."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lib import csv_files, images
from lib.artifacts import Artifact, Draft
from lib.dataset import Dataset
from lib.decision import histograms
from lib.decision.histograms import Histograms
from lib.ensemble import member_weights
from lib.ensemble.blend import Labelled, labelled
from lib.ensemble.members import SEARCH, MemberFold
from lib.layout import CLASSES, Fold, map_file
from lib.parallel import map_in_processes
from lib.prob_maps import blend

HISTOGRAMS, MEMBERS = "histograms.npz", "members.csv"


def config(
    sources: Sequence[MemberFold], dataset: Dataset, searched: bool = False
) -> dict[str, object]:
    """What decides an ensemble's content, besides its inputs.

    Args:
        searched: whether the weights are to be found; then they are content.
    """
    shares = {source.member: source.weight for source in sources}
    return {
        "members": list(shares),
        "weights": SEARCH if searched else list(shares.values()),
        "folds": list(dict.fromkeys(source.fold for source in sources)),
        "rle_size": dataset.rle_size,
    }


def average(draft: Draft, sources: Sequence[MemberFold], dataset: Dataset) -> Artifact:
    """Fill an ensemble: its maps, their histograms and its image probabilities.

    An out-of-fold map is the weighted mean over members; a test map is the weighted mean over
    members of the mean over folds. Maps that an interrupted call left are kept. Weights that are
    searched are those of maps alone: image probabilities then count equally, so that nothing in
    them was fitted on truth.

    Raises:
        InputError: if a map is damaged, not square, or larger than the frame.
    """
    csv_files.write(draft.path(CLASSES), _classes(sources))
    held_out = labelled(sources, dataset)
    if draft.config["weights"] == SEARCH:
        sources = member_weights.find(draft, sources, held_out)
    parts = [(source.fold, source.probs.location.folder, source.weight) for source in sources]
    mean = Mean(dataset.rle_size, draft.folder, parts)
    if held_out:
        counts = list(map_in_processes(mean.out_of_fold, held_out, "out-of-fold"))
        pixels, inside = (np.stack(column) for column in zip(*counts, strict=True))
        names = np.array([image.image_id for image in held_out])
        Histograms(names, pixels, inside).save(draft.path(HISTOGRAMS))
    for _ in map_in_processes(mean.test, dataset.test_ids, "test"):
        pass
    csv_files.write(draft.path(MEMBERS), _members(sources))
    return draft.finish()


@dataclass(frozen=True)
class Mean:
    """The weighted mean of the maps of one image; what another process needs to write it.

    Attributes:
        size: the frame's side, in pixels.
        out: the ensemble's folder.
        parts: fold, folder and weight of each source.
    """

    size: int
    out: Path
    parts: Sequence[tuple[Fold, Path, float]]

    def out_of_fold(self, image: Labelled) -> tuple[np.ndarray, np.ndarray]:
        """Make the map of a labelled image from the networks that did not see it.

        Returns:
            Its histograms, as `histograms.count`.
        """
        parts = [part for part in self.parts if part[0] == image.fold]
        blended = self._map(map_file("oof", image.image_id), parts)
        return histograms.count(blended, image.truth(self.size))

    def test(self, image_id: str) -> None:
        """Make the map of a test image from all networks."""
        self._map(map_file("test", image_id), self.parts)

    def _map(self, file: str, parts: Sequence[tuple[Fold, Path, float]]) -> np.ndarray:
        if (self.out / file).exists():
            return images.read_png(self.out / file)
        shares = np.array([[weight for _, _, weight in parts]])
        (blended,) = blend([folder / file for _, folder, _ in parts], shares, self.size)
        images.write_png(self.out / file, blended)
        return blended


def _classes(sources: Iterable[MemberFold]) -> pd.DataFrame:
    """The weighted mean of p(positive) over the sources that have it; empty where none has."""
    rows = pd.concat([source.classes.assign(weight=source.weight) for source in sources])
    rows["p"] = rows["p"].astype(float) * rows["weight"]
    sums = rows[rows["weight"] > 0].groupby("ImageId")[["p", "weight"]].sum()
    return (sums["p"] / sums["weight"]).rename("p").reset_index()


def _members(sources: Iterable[MemberFold]) -> pd.DataFrame:
    rows = [(source.member, source.fold, source.weight, source.probs.id) for source in sources]
    return pd.DataFrame(rows, columns=["member", "fold", "weight", "id"])
