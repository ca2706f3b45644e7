"""Masks of every image: codes for the test images, areas for the out-of-fold ones."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from lib import images, metrics, rle
from lib.decision import deciders
from lib.decision.deciders import Decider
from lib.errors import InputError
from lib.layout import map_file
from lib.parallel import map_in_processes
from lib.score import Score
from lib.submit.inputs import BINARY_RULE, SubmissionInputs

AGREEMENT = 1e-6  # of two ways to the same mean Dice


@dataclass(frozen=True)
class Row:
    """A row of a submission, and the mask that it means.

    Attributes:
        area: pixels of the mask.
        digest: of the mask's pixels, to compare with what is read back.
    """

    image_id: str
    code: str
    area: int
    digest: str


@dataclass(frozen=True)
class Map:
    """A map to apply a rule to, with its image's probability and, out of fold, the truth's code."""

    image_id: str
    path: Path
    probability: float | None
    truth: str = rle.EMPTY

    def mask(self, rule: Decider, size: int) -> np.ndarray:
        values = images.read_png(self.path)
        if values.shape != (size, size):
            raise InputError(
                f"{self.path} is not {size}x{size}, the RLE frame; remake it with 04_ensemble.py"
            )
        return deciders.apply(rule, values, self.probability)


def digest(mask: np.ndarray) -> str:
    """A fingerprint of a (H, W) bool mask."""
    return hashlib.blake2b(np.packbits(mask).tobytes(), digest_size=16).hexdigest()


def without_map(source: SubmissionInputs) -> dict[str, str]:
    """The sample's images that have no map, and why: they are submitted as empty.

    Raises:
        InputError: if the ensemble lacks the map of an image that the dataset has.
    """
    reasons = {}
    for name in source.dataset.sample:
        if source.test_path(name) is None:
            known = source.dataset.images.loc[name]
            if known["split"] == "test":
                raise InputError(
                    f"{source.test_maps.location} lacks the map of test image {name}; "
                    f"remake it with {source.test_maps.location.command} --replace"
                )
            reasons[name] = str(known["reason"])
    return reasons


def predict(source: SubmissionInputs) -> Iterator[Row]:
    """The mask of every image of the sample, in its order; no map is an empty mask."""
    size = source.dataset.rle_size
    mapped = [(name, source.test_path(name)) for name in source.dataset.sample]
    classes = source.class_probabilities
    maps = [Map(name, path, classes.get(name)) for name, path in mapped if path]
    task = partial(_row, rule=BINARY_RULE if source.voted else source.rule, size=size)
    rows = map_in_processes(task, maps, "test")
    empty = digest(np.zeros((size, size), bool))
    for name, path in mapped:
        yield next(rows) if path else Row(name, rle.EMPTY, 0, empty)


def score_out_of_fold(source: SubmissionInputs) -> Score | None:
    """Compare the rule's masks with the truth, out of fold; None without labels.

    Raises:
        InputError: if the maps do not give the score that the decision was taken for.
    """
    if not source.oof_ids:
        return None
    maps = [out_of_fold(source, name) for name in source.oof_ids]
    task = partial(_areas, rule=source.rule, size=source.dataset.rle_size)
    score = Score(
        tuple(source.oof_ids), np.array(list(map_in_processes(task, maps, "out-of-fold")))
    )
    decided = source.decided["oof_dice"]
    if decided is not None and abs(decided - score.dice) > AGREEMENT:
        raise InputError(
            f"{source.decision.location} states an out-of-fold Dice of {decided:.6f}, and its maps "
            f"give {score.dice:.6f}; remake it with {source.decision.location.command} --replace"
        )
    return score


def out_of_fold(source: SubmissionInputs, image_id: str) -> Map:
    """The map of a labelled image, with its truth."""
    return Map(
        image_id,
        source.ensemble.path(map_file("oof", image_id)),
        source.class_probabilities.get(image_id),
        source.dataset.truth[image_id],
    )


def _row(item: Map, rule: Decider, size: int) -> Row:
    mask = item.mask(rule, size)
    return Row(item.image_id, rle.encode(mask), int(mask.sum()), digest(mask))


def _areas(item: Map, rule: Decider, size: int) -> tuple[int, ...]:
    """|P|, |T| and |P and T| in pixels."""
    counts = metrics.areas(item.mask(rule, size), rle.decode(item.truth, size, size))
    return tuple(int(count) for count in counts)
