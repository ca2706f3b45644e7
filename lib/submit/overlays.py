"""Example radiographs with the out-of-fold prediction and the truth drawn in."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from skimage.segmentation import mark_boundaries

from lib import artifacts, images, rle
from lib.artifacts import Artifact, Draft
from lib.layout import artifact_paths, image_file
from lib.score import Score
from lib.submit import masks
from lib.submit.inputs import SubmissionInputs

SIDE = 480  # pixels of a drawing
PREDICTED = (230, 130, 0)  # RGB; orange and blue differ for colour-blind readers too
TRUE = (90, 200, 250)
OPACITY = 0.45
BEST, MEDIAN, WORST, MISSED, FALSE = 2, 3, 2, 3, 2  # number of examples of each kind


@dataclass(frozen=True)
class Example:
    """An image of the report, and the kind of result that it is an example of.

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
        """The drawing in the submission's folder."""
        return f"overlays/{self.kind.replace(' ', '-')}_{self.image_id}.png"


def choose_examples(oof: Score) -> list[Example]:
    """Choose at most twelve images, the same at every call.

    Args:
        oof: the rule's masks out of fold.

    Returns:
        The best, the median and the worst of those found, the largest missed, and the largest
        false alarms.
    """
    found = _rank(oof, oof.found & oof.positive, -oof.dices)
    middle = found[BEST : len(found) - WORST]
    start = max(0, (len(middle) - MEDIAN) // 2)
    indices_by_kind = {
        "best": found[:BEST],
        "median": middle[start : start + MEDIAN],
        "worst": found[BEST:][-WORST:],
        "missed": _rank(oof, ~oof.found & oof.positive, -oof.areas[:, 1])[:MISSED],
        "false alarm": _rank(oof, oof.found & ~oof.positive, -oof.areas[:, 0])[:FALSE],
    }
    return [
        Example(kind, oof.ids[i], float(oof.dices[i]), int(oof.areas[i, 0]), int(oof.areas[i, 1]))
        for kind, indices in indices_by_kind.items()
        for i in indices
    ]


def _rank(oof: Score, selected: np.ndarray, key: np.ndarray) -> list[int]:
    """Return the indices of the selected images, sorted by a key and then by ImageId."""
    return sorted(map(int, np.flatnonzero(selected)), key=lambda i: (key[i], oof.ids[i]))


def largest_cache(source: SubmissionInputs) -> Artifact | None:
    """Return the cache of this dataset with the largest images; None if there is none."""
    dataset = source.dataset.artifact
    caches = [
        artifacts.read(location)
        for location in artifact_paths(dataset.location.root)
        if location.kind == "cache"
    ]
    matching = [cache for cache in caches if cache.inputs.get(dataset.location.name) == dataset.id]
    return max(matching, key=lambda cache: int(cache.location.folder.name), default=None)


def write(
    draft: Draft, source: SubmissionInputs, cache: Artifact, examples: Sequence[Example]
) -> None:
    """Draw every example into the draft's overlays/."""
    size = source.dataset.rle_size
    for example in examples:
        image = images.read_png(cache.path(image_file(example.image_id)))
        predicted = masks.oof_map(source, example.image_id).mask(source.decision.rule, size)
        true = rle.decode(source.dataset.truth[example.image_id], size, size)
        images.write_png(draft.path(example.file), draw(image, predicted, true))


def draw(image: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Fill the prediction and outline the truth.

    Args:
        image: (h, w) uint8.
        predicted, true: (H, W) bool, in the RLE frame.

    Returns:
        (SIDE, SIDE, 3) uint8, BGR.
    """
    interpolation = cv2.INTER_AREA if image.shape[0] > SIDE else cv2.INTER_CUBIC
    gray = cv2.resize(image, (SIDE, SIDE), interpolation=interpolation)
    canvas = cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB)
    inside = _resize_mask(predicted) > 0
    tint = np.array(PREDICTED)
    canvas[inside] = np.rint((1 - OPACITY) * canvas[inside] + OPACITY * tint).astype(np.uint8)
    # Three labels, with a ring of 1 px around the truth, make a line of 3 px; its edge is black.
    truth = _resize_mask(true)
    labels = truth + cv2.dilate(truth, np.ones((3, 3)))
    outlined = mark_boundaries(
        canvas, labels, color=np.array(TRUE) / 255, outline_color=(0, 0, 0), mode="thick"
    )
    return np.rint(255 * outlined[..., ::-1]).astype(np.uint8)


def _resize_mask(mask: np.ndarray) -> np.ndarray:
    """Return a mask as (SIDE, SIDE) uint8, 1 inside."""
    return cv2.resize(mask.astype(np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
