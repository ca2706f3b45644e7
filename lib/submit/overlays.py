"""Out-of-fold radiographs with prediction and truth drawn in: where it does well, and where not."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from lib import artifacts, images, rle
from lib.artifacts import Artifact, Draft
from lib.layout import artifact_paths, image_file
from lib.score import Score
from lib.submit import masks
from lib.submit.inputs import SubmissionInputs

SIDE = 480  # pixels of a drawing
PREDICTED = (230, 130, 0)  # RGB; told apart by people who are colour-blind too
TRUE = (90, 200, 250)
OPACITY = 0.45
BEST, MEDIAN, WORST, MISSED, FALSE = 2, 3, 2, 3, 2


@dataclass(frozen=True)
class Example:
    """An image to show, and why.

    Attributes:
        predicted, true: pixels of the masks.
    """

    kind: str
    image_id: str
    dice: float
    predicted: int
    true: int

    @property
    def file(self) -> str:
        return f"overlays/{self.kind.replace(' ', '-')}_{self.image_id}.png"


def choose(oof: Score) -> list[Example]:
    """Choose a dozen images, the same at every call; fewer where there are not so many.

    Args:
        oof: the rule's masks out of fold.

    Returns:
        Of the found ones the best, those around the median and the worst; the largest that were
        missed; the largest false alarms.
    """
    found = _sorted(oof, oof.found & oof.positive, -oof.dices)
    between = found[BEST : len(found) - WORST]
    start = max(0, (len(between) - MEDIAN) // 2)
    groups = {
        "best": found[:BEST],
        "median": between[start : start + MEDIAN],
        "worst": found[BEST:][-WORST:],
        "missed": _sorted(oof, ~oof.found & oof.positive, -oof.areas[:, 1])[:MISSED],
        "false alarm": _sorted(oof, oof.found & ~oof.positive, -oof.areas[:, 0])[:FALSE],
    }
    return [
        Example(kind, oof.ids[i], float(oof.dices[i]), int(oof.areas[i, 0]), int(oof.areas[i, 1]))
        for kind, group in groups.items()
        for i in group
    ]


def _sorted(oof: Score, chosen: np.ndarray, key: np.ndarray) -> list[int]:
    """The indices of some images, by a key and then by ImageId."""
    return sorted(map(int, np.flatnonzero(chosen)), key=lambda i: (key[i], oof.ids[i]))


def largest_cache(source: SubmissionInputs) -> Artifact | None:
    """The cache of this dataset with the largest images; None if there is none here."""
    dataset = source.dataset.artifact
    caches = [
        artifacts.read(location)
        for location in artifact_paths(dataset.location.root)
        if location.kind == "cache"
    ]
    own = [cache for cache in caches if cache.inputs.get(dataset.location.name) == dataset.id]
    return max(own, key=lambda cache: int(cache.location.folder.name), default=None)


def write(
    draft: Draft, source: SubmissionInputs, cache: Artifact, picks: Sequence[Example]
) -> None:
    """Draw every pick into the draft's overlays/."""
    size = source.dataset.rle_size
    for pick in picks:
        image = images.read_png(cache.path(image_file(pick.image_id)))
        predicted = masks.out_of_fold(source, pick.image_id).mask(source.rule, size)
        true = rle.decode(source.dataset.truth[pick.image_id], size, size)
        images.write_png(draft.path(pick.file), draw(image, predicted, true))


def draw(image: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Fill the prediction and outline the truth.

    Args:
        image: (h, w) uint8.
        predicted, true: (H, W) bool, in the RLE frame.

    Returns:
        (SIDE, SIDE, 3) uint8 in OpenCV's order of colours.
    """
    smooth = cv2.INTER_AREA if image.shape[0] > SIDE else cv2.INTER_CUBIC
    canvas = cv2.cvtColor(cv2.resize(image, (SIDE, SIDE), interpolation=smooth), cv2.COLOR_GRAY2BGR)
    inside = _to_side(predicted) > 0
    tint = np.array(PREDICTED[::-1])
    canvas[inside] = np.rint((1 - OPACITY) * canvas[inside] + OPACITY * tint).astype(np.uint8)
    contours, _ = cv2.findContours(_to_side(true), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(canvas, contours, -1, (0, 0, 0), 4, cv2.LINE_AA)
    cv2.drawContours(canvas, contours, -1, TRUE[::-1], 2, cv2.LINE_AA)
    return canvas


def _to_side(mask: np.ndarray) -> np.ndarray:
    return cv2.resize(mask.astype(np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
