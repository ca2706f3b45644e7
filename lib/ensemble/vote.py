"""--test-rule vote: each fold decides on test images by itself, and the majority makes the mask.

Fold k's ballot is its own rule, fitted on its out-of-fold images, on its own test maps (the
weighted mean over members). A pixel is in the mask if more than half of the folds have it in
theirs. So an image is empty wherever half of the folds or more say so: a tie is empty, as most
images are; and an image may be empty though most folds see something, each elsewhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lib import csv_files
from lib.artifacts import Artifact, Draft
from lib.decision import deciders
from lib.decision.deciders import Decider
from lib.decision.honest import FittedRule
from lib.ensemble.average import MEMBERS
from lib.ensemble.members import MemberFold
from lib.errors import InputError
from lib.images import write_png
from lib.layout import ALL_DATA, Fold, map_file, mask_file
from lib.parallel import map_in_processes
from lib.prob_maps import blend

MEAN, VOTE = "mean", "vote"  # of --test-rule


def check(sources: Sequence[MemberFold]) -> None:
    """Refuse what cannot vote.

    Raises:
        InputError: if networks trained on all data are among the sources.
    """
    if any(source.fold == ALL_DATA for source in sources):
        raise InputError(
            f"--test-rule {VOTE} takes a rule of each fold, and {ALL_DATA} has no out-of-fold "
            f"images to fit one on; name the folds with --folds, or use --test-rule {MEAN}"
        )


@dataclass(frozen=True)
class Ballot:
    """How one fold decides.

    Attributes:
        rule: fitted on the fold's images.
        classes: p(positive) by ImageId; empty without a class gate.
        folders: of the members' maps.
    """

    rule: Decider
    classes: Mapping[str, float]
    folders: Sequence[Path]


def cast(
    draft: Draft,
    ensemble: Artifact,
    sources: Sequence[MemberFold],
    fitted: Mapping[Fold, FittedRule],
    images: pd.DataFrame,
) -> None:
    """Write masks/<ImageId>.png of every test image, 0 or 255; those there already are kept.

    Args:
        draft: of the decision.
        ensemble: whose weights count.
        sources: its maps.
        fitted: what each fold decides by.
        images: a row a test image, its ImageId the index, a column a feature of the class gate.

    Raises:
        InputError: if a map is damaged, not square, or larger than the frame.
    """
    shares = weights(ensemble)
    ballots = []
    for fold, one in fitted.items():
        folders = [source.probs.location.folder for source in sources if source.fold == fold]
        ballots.append(Ballot(one.rule, _classes(one, images), folders))
    size: int = ensemble.config["rle_size"]
    majority = Majority(size, draft.folder, np.array([list(shares.values())]), ballots)
    for _ in map_in_processes(majority, list(images.index), "votes"):
        pass


def weights(ensemble: Artifact) -> dict[str, float]:
    """The weight of each member, in their order."""
    table = csv_files.read(ensemble.path(MEMBERS), ("member", "fold", "weight", "id"))
    return dict(zip(table["member"], table["weight"].astype(float), strict=True))


def _classes(fitted: FittedRule, images: pd.DataFrame) -> dict[str, float]:
    """p(positive) by ImageId; empty without a class gate."""
    if fitted.gate is None:
        return {}
    return dict(zip(images.index, fitted.gate(images.to_numpy(float)).tolist(), strict=True))


@dataclass(frozen=True)
class Majority:
    """Counts the votes on one image; what another process needs for it.

    Attributes:
        size: the frame's side, in pixels.
        out: the decision's folder.
        weights: (1, members).
        ballots: one a fold.
    """

    size: int
    out: Path
    weights: np.ndarray
    ballots: Sequence[Ballot]

    def __call__(self, image_id: str) -> None:
        """Write the mask of a test image, unless it is there."""
        path = self.out / mask_file(image_id)
        if not path.exists():
            write_png(path, np.where(self.mask(image_id), 255, 0).astype(np.uint8))

    def mask(self, image_id: str) -> np.ndarray:
        """(size, size) bool, what more than half of the folds have."""
        votes = np.zeros((self.size, self.size), np.uint8)
        for ballot in self.ballots:
            paths = [folder / map_file("test", image_id) for folder in ballot.folders]
            (values,) = blend(paths, self.weights, self.size)
            votes += deciders.apply(ballot.rule, values, ballot.classes.get(image_id))
        return votes > len(self.ballots) // 2
