"""Example radiographs: out of fold with prediction and truth, test images with the prediction."""

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
from lib.submit.masks import Row

SIDE = 480  # pixels of a drawing
BEST, MEDIAN, WORST, MISSED, FALSE = 2, 3, 2, 3, 2  # number of examples of each kind
CONFIDENT, LARGEST, JUST_MASK, JUST_NONE = 3, 3, 3, 3  # of test images


@dataclass(frozen=True)
class Example:
    """An image of the report, and the kind of result that it is an example of.

    Attributes:
        predicted, true: pixels of the masks.
        dice, true: None for test images.
    """

    kind: str
    image_id: str
    predicted: int
    true: int | None = None
    dice: float | None = None

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
    found = _rank(oof, oof.has_mask & oof.positive, -oof.dices)
    middle = found[BEST : len(found) - WORST]
    start = max(0, (len(middle) - MEDIAN) // 2)
    indices_by_kind = {
        "best": found[:BEST],
        "median": middle[start : start + MEDIAN],
        "worst": found[BEST:][-WORST:],
        "missed": _rank(oof, ~oof.has_mask & oof.positive, -oof.areas[:, 1])[:MISSED],
        "false alarm": _rank(oof, oof.has_mask & ~oof.positive, -oof.areas[:, 0])[:FALSE],
    }
    return [
        Example(kind, oof.ids[i], int(oof.areas[i, 0]), int(oof.areas[i, 1]), float(oof.dices[i]))
        for kind, indices in indices_by_kind.items()
        for i in indices
    ]


def choose_test_examples(rows: Sequence[Row]) -> list[Example]:
    """Choose at most twelve test images with a map, the same at every call.

    Args:
        rows: of the submission.

    Returns:
        The most confident and the largest masks, and the images closest to the boundary between a
        mask and none, on both sides; each image once.
    """
    by_closeness = sort_by_closeness(rows)
    masked = [row for row in by_closeness if row.area]
    kinds = (
        ("most confident", masked[::-1], CONFIDENT),
        ("largest", sorted(masked, key=lambda row: -row.area), LARGEST),
        ("just a mask", masked, JUST_MASK),
        ("just none", [row for row in by_closeness if not row.area], JUST_NONE),
    )
    examples: dict[str, Example] = {}
    for kind, candidates, count in kinds:
        new = [row for row in candidates if row.image_id not in examples][:count]
        examples |= {row.image_id: Example(kind, row.image_id, row.area) for row in new}
    return list(examples.values())


def sort_by_closeness(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with a map, from the closest to the boundary between a mask and none."""
    return sorted(
        (row for row in rows if row.margin is not None),
        key=lambda row: (abs(row.margin or 0), row.image_id),
    )


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
        if example.true is None:
            prob_map, true = masks.test_map(source, example.image_id), None
        else:
            prob_map = masks.oof_map(source, example.image_id)
            true = rle.decode(source.dataset.truth[example.image_id], size, size)
        predicted = prob_map.mask(source.decision.rule, size)
        drawn = draw_masks(image, SIDE, predicted, true)
        images.write_png(draft.path(example.file), drawn[..., ::-1])
