"""Example radiographs with the out-of-fold prediction and the truth drawn in."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lib import images, rle
from lib.artifacts import Artifact, Draft
from lib.drawing import draw_masks
from lib.layout import image_file
from lib.score import Score
from lib.submit import masks
from lib.submit.inputs import SubmissionInputs

SIDE = 480  # pixels of a drawing
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


def write(
    draft: Draft, source: SubmissionInputs, cache: Artifact, examples: Sequence[Example]
) -> None:
    """Draw every example into the draft's overlays/."""
    size = source.dataset.rle_size
    for example in examples:
        image = images.read_png(cache.path(image_file(example.image_id)))
        predicted = masks.oof_map(source, example.image_id).mask(source.decision.rule, size)
        true = rle.decode(source.dataset.truth[example.image_id], size, size)
        drawn = draw_masks(image, SIDE, predicted, true)
        images.write_png(draft.path(example.file), drawn[..., ::-1])
