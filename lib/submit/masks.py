"""Predicted masks: run-length codes of the test images, areas of the out-of-fold images."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from lib import images, layout, metrics, rle
from lib.decision.rules import DecisionRule
from lib.errors import InputError
from lib.layout import map_file
from lib.parallel import map_in_processes
from lib.score import Score
from lib.submit.inputs import SubmissionInputs

DICE_TOLERANCE = 1e-6  # between the decision's out-of-fold Dice and the one computed here


@dataclass(frozen=True)
class Row:
    """A row of a submission, with a fingerprint of its mask.

    Attributes:
        area: pixels of the mask.
        digest: of the mask's pixels, to compare with the mask that is read back.
        margin: how far the image is from the boundary between a mask and none; None without a map.
    """

    image_id: str
    code: str
    area: int
    digest: str
    margin: float | None = None


@dataclass(frozen=True)
class ProbMap:
    """A probability map on disk, and what the rule and the score need beside it.

    Attributes:
        p_positive: of the image; None without an image-level output.
        truth: the true mask's code, for out-of-fold images.
    """

    image_id: str
    path: Path
    p_positive: float | None
    truth: str = rle.EMPTY

    def mask(self, rule: DecisionRule, size: int) -> np.ndarray:
        """Return the rule's mask: (size, size) bool, in the RLE frame; errors as of `read`."""
        return rule.apply(self.read(size), self.p_positive)

    def read(self, size: int) -> np.ndarray:
        """Read the map, (size, size) uint8.

        Raises:
            InputError: if it is damaged or has another size.
        """
        values = images.read_png(self.path)
        if values.shape != (size, size):
            raise InputError(
                f"{self.path} is not {size}x{size}, the RLE frame; remake its folder with "
                f"{layout.command_for(self.path)} --replace"
            )
        return values


def digest(mask: np.ndarray) -> str:
    """Return a fingerprint of a (H, W) bool mask."""
    return hashlib.blake2b(np.packbits(mask).tobytes(), digest_size=16).hexdigest()


def images_without_map(source: SubmissionInputs) -> dict[str, str]:
    """Return the sample's images that have no map, with the reason; their masks will be empty.

    Raises:
        InputError: if the ensemble lacks the map of a test image of the dataset.
    """
    reasons = {}
    for name in source.dataset.sample:
        if source.test_map(name) is None:
            image = source.dataset.images.loc[name]
            if image["split"] == "test":
                location = source.ensemble.location
                raise InputError(
                    f"{location} lacks the map of test image {name}; remake it with "
                    f"{location.command} --replace"
                )
            reasons[name] = str(image["reason"])
    return reasons


def predict(source: SubmissionInputs) -> Iterator[Row]:
    """Yield a row for every image of the sample, in its order; no map gives an empty mask."""
    size = source.dataset.rle_size
    paths = [(name, source.test_map(name)) for name in source.dataset.sample]
    maps = [test_map(source, name) for name, path in paths if path]
    make_row = partial(_predict_row, rule=source.decision.rule, size=size)
    rows = map_in_processes(make_row, maps, "test")
    empty = digest(np.zeros((size, size), bool))
    for name, path in paths:
        yield next(rows) if path else Row(name, rle.EMPTY, 0, empty)


def score_out_of_fold(source: SubmissionInputs) -> Score | None:
    """Score the rule's masks on the out-of-fold images; None without labels.

    Raises:
        InputError: if the score is not the one that the decision states.
    """
    if not source.oof_ids:
        return None
    maps = [oof_map(source, name) for name in source.oof_ids]
    count = partial(_count_areas, rule=source.decision.rule, size=source.dataset.rle_size)
    areas = np.array(list(map_in_processes(count, maps, "out-of-fold")))
    patients = tuple(source.dataset.patients[name] for name in source.oof_ids)
    score = Score(tuple(source.oof_ids), areas, patients=patients)
    stated_dice = source.decision.oof_dice
    if stated_dice is not None and abs(stated_dice - score.dice) > DICE_TOLERANCE:
        location = source.decision_artifact.location
        raise InputError(
            f"{location} states an out-of-fold Dice of {stated_dice:.6f}, but its maps give "
            f"{score.dice:.6f}; remake it with {location.command} --replace"
        )
    return score


def oof_map(source: SubmissionInputs, image_id: str) -> ProbMap:
    """Return the out-of-fold map of a labelled image, with its truth."""
    return ProbMap(
        image_id,
        source.ensemble.path(map_file("oof", image_id)),
        source.p_positive.get(image_id),
        source.dataset.truth[image_id],
    )


def test_map(source: SubmissionInputs, image_id: str) -> ProbMap:
    """Return the map of a test image that has one."""
    path = source.test_map(image_id)
    assert path
    return ProbMap(image_id, path, source.p_positive.get(image_id))


def _predict_row(prob_map: ProbMap, rule: DecisionRule, size: int) -> Row:
    values = prob_map.read(size)
    mask = rule.apply(values, prob_map.p_positive)
    margin = rule.margin(values, prob_map.p_positive)
    return Row(prob_map.image_id, rle.encode(mask), int(mask.sum()), digest(mask), margin)


def _count_areas(prob_map: ProbMap, rule: DecisionRule, size: int) -> tuple[int, ...]:
    """Return |P|, |T| and |P and T| in pixels."""
    truth = rle.decode(prob_map.truth, size, size)
    return tuple(map(int, metrics.areas(prob_map.mask(rule, size), truth)))
