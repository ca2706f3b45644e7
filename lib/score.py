"""The competition's score of any submission against any truth.

    python -m lib.score SUBMISSION TRUTH [--json] [--size 1024]

Both are CSV files with ImageId and EncodedPixels; several rows of an image are united. The mean is
over the images of the truth: one that the submission lacks counts as empty, and is named.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from lib import bootstrap, csv_files, metrics, rle
from lib.cli import int_in_range, run_stage
from lib.errors import InputError
from lib.layout import ArtifactPath

MAX_SIDE = 16_384  # side of a frame, in pixels: a mask of it takes 256 MiB


@dataclass(frozen=True)
class Score:
    """What a submission scores, image by image.

    Attributes:
        ids: (N,) the images of the truth, in its order.
        areas: (N, 3) pixels predicted, true, and both.
        missing: ids that the submission lacks; they count as empty.
        unknown: ids that the truth lacks; they do not count.
    """

    ids: tuple[str, ...]
    areas: np.ndarray
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @cached_property
    def dices(self) -> np.ndarray:
        """(N,) Dice of each image."""
        return metrics.dice(*self.areas.T)

    @property
    def found(self) -> np.ndarray:
        """(N,) whether a mask is predicted."""
        return self.areas[:, 0] > 0

    @property
    def positive(self) -> np.ndarray:
        """(N,) whether the truth is not empty."""
        return self.areas[:, 1] > 0

    @property
    def dice(self) -> float:
        return float(self.dices.mean())

    @property
    def positive_dice(self) -> float:
        """Mean Dice of the positives; NaN without any."""
        return metrics.positive_dice(self.dices, self.positive)

    @property
    def all_empty_dice(self) -> float:
        """What a submission without any mask would score."""
        return float(1 - self.positive.mean())

    @cached_property
    def ci95(self) -> tuple[float, float]:
        """The 95 % bootstrap interval of the mean, drawing images."""
        return bootstrap.interval(self.dices, np.arange(len(self.dices)))


@dataclass(frozen=True)
class Row:
    """A row of a CSV file, and where it stands."""

    path: Path
    line: int
    code: str

    def mask(self, size: int) -> np.ndarray:
        try:
            return rle.decode(self.code, size, size)
        except InputError as error:
            raise InputError(f"{self.path}, line {self.line}: {error}") from None


def compare(submission: Path, truth: Path, size: int) -> Score:
    """Score a submission, one image at a time.

    Args:
        submission, truth: CSV files with a row an image or an annotation.
        size: the side of the RLE frame, in pixels.

    Raises:
        InputError: if a file cannot be read, a code is wrong, or the truth is empty; with the line.
    """
    predicted, true = _rows(submission), _rows_of_truth(truth)
    return Score(
        ids=tuple(true),
        areas=np.array([_areas(predicted.get(name, []), true[name], size) for name in true]),
        missing=tuple(name for name in true if name not in predicted),
        unknown=tuple(name for name in predicted if name not in true),
    )


def check(truth: Path, size: int) -> None:
    """Refuse a truth that nothing can be scored against, before work is done for it.

    Raises:
        InputError: as `compare`.
    """
    for rows in _rows_of_truth(truth).values():
        _union(rows, size)


def check_test(truth: Path, size: int, images: Sequence[str], owner: ArtifactPath) -> None:
    """Refuse a truth, as `check`, and one of none of an owner's test images.

    Raises:
        InputError: naming one of the images, if there are any.
    """
    check(truth, size)
    if _rows_of_truth(truth).keys().isdisjoint(images):
        example = f", such as {images[0]}" if images else ""
        raise InputError(f"{truth} has no test image of {owner}{example}; give their truth")


def _rows_of_truth(path: Path) -> dict[str, list[Row]]:
    rows = _rows(path)
    if not rows:
        raise InputError(f"{path} has no rows to score against")
    return rows


def _rows(path: Path) -> dict[str, list[Row]]:
    rows = defaultdict(list)
    frame = csv_files.read_rles(path)
    for line, name, code in zip(frame.index, frame["ImageId"], frame["EncodedPixels"], strict=True):
        rows[name].append(Row(path, line, code))
    return dict(rows)


def _areas(predicted: list[Row], true: list[Row], size: int) -> tuple[int, int, int]:
    """|P|, |T| and |P and T| in pixels; most images have no mask at all."""
    if all(row.code == rle.EMPTY for row in predicted + true):
        return 0, 0, 0
    counts = metrics.areas(_union(predicted, size), _union(true, size))
    return int(counts[0]), int(counts[1]), int(counts[2])


def _union(rows: list[Row], size: int) -> np.ndarray:
    united = np.zeros((size, size), bool)
    for row in rows:
        united |= row.mask(size)
    return united


def _as_json(score: Score) -> str:
    positive = score.positive_dice if score.positive.any() else None
    values = {"dice": score.dice, "positive_dice": positive}
    return json.dumps(values | {"images": len(score.ids), "missing": len(score.missing)})


def main() -> None:
    parser = argparse.ArgumentParser(description="Score a submission as the competition does.")
    parser.add_argument("submission", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--size",
        type=int_in_range(1, MAX_SIDE),
        default=1024,
        help="side of the RLE frame, in pixels",
    )
    args = parser.parse_args()
    score = compare(args.submission, args.truth, args.size)
    if score.missing:
        names = ", ".join(score.missing)
        print(f"{len(score.missing)} not in {args.submission}, so empty: {names}", file=sys.stderr)
    if score.unknown:
        names = ", ".join(score.unknown[:5])
        print(f"{len(score.unknown)} not in {args.truth}, ignored: {names} ...", file=sys.stderr)
    if args.json:
        print(_as_json(score))
    else:
        print(
            f"Dice {score.dice:.4f} over {len(score.ids)} images, "
            f"95 % interval {score.ci95[0]:.4f} to {score.ci95[1]:.4f}; "
            f"positives {score.positive_dice:.4f}, all empty {score.all_empty_dice:.4f}"
        )


if __name__ == "__main__":
    run_stage(main)
