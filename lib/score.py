"""Score a submission against the truth, as the competition does.

    python -m lib.score SUBMISSION TRUTH [--json] [--size 1024]

Both are CSV files with ImageId and EncodedPixels; several rows of an image are united. The score is
the mean Dice over the images of the truth. An image that the submission lacks counts as empty, with
a warning. So does a row with an empty EncodedPixels in the submission; in a truth it is an error.
Ids are compared without the extension of an image file where they do not match as they are.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from lib import bootstrap, csv_files, metrics, rle
from lib.cli import int_in_range, run_stage
from lib.errors import InputError
from lib.layout import ArtifactPath

MIN_MASKS = 20  # fewer say too little about the frame
MAX_SIDE = 16_384  # side of a frame, in pixels: a mask of it takes 256 MiB


@dataclass(frozen=True)
class Score:
    """Score of a submission, image by image.

    Attributes:
        ids: (N,) images of the truth, in its order.
        areas: (N, 3) pixels predicted, true, and both.
        missing: ids that the submission lacks; they count as empty.
        unknown: ids that the truth lacks; they do not count.
        blank: ids with an empty EncodedPixels in the submission; they count as no mask.
        repeated: ids with several rows in the submission; these are united.
        extensions: ids of the submission that match without the extension of a file only.
        patients: (N,) patient of each image; None: unknown.
    """

    ids: tuple[str, ...]
    areas: np.ndarray
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    blank: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    patients: tuple[str, ...] | None = None

    @cached_property
    def dices(self) -> np.ndarray:
        """(N,) Dice of each image."""
        return metrics.dice(*self.areas.T)

    @property
    def found(self) -> np.ndarray:
        """(N,) bool, True if a mask is predicted."""
        return self.areas[:, 0] > 0

    @property
    def positive(self) -> np.ndarray:
        """(N,) bool, True if the true mask is not empty."""
        return self.areas[:, 1] > 0

    @property
    def dice(self) -> float:
        """Mean Dice, the score of the competition."""
        return float(self.dices.mean())

    @property
    def positive_dice(self) -> float:
        """Mean Dice of the positives; NaN without any."""
        return metrics.positive_dice(self.dices, self.positive)

    @property
    def all_empty_dice(self) -> float:
        """Mean Dice of a submission without any mask."""
        return float(1 - self.positive.mean())

    @cached_property
    def ci95(self) -> tuple[float, float]:
        """95 % bootstrap interval of the mean Dice, drawing patients, or images if unknown."""
        return bootstrap.interval(self.dices, np.array(self.patients or self.ids))


@dataclass(frozen=True)
class Row:
    """RLE of one row of a CSV file, with file and line for error messages."""

    path: Path
    line: int
    code: str


def compare(
    submission: Path, truth: Path, size: int, patients: Mapping[str, str] | None = None
) -> Score:
    """Score a submission, one image at a time.

    Args:
        submission, truth: CSV files with one row for each image or annotation.
        size: side of the RLE frame, in pixels.
        patients: of the images, by ImageId, if known; others count as patients of their own.

    Raises:
        InputError: with the line, if a file cannot be read or an RLE is wrong; if the truth is
            empty, the files have no image in common, or one of them is of a smaller frame.
    """
    true = _read_truth(truth)
    rows, blank = _read_rows(submission, allow_blank=True)
    renamed = csv_files.match_ids(rows, true)
    predicted: dict[str, list[Row]] = defaultdict(list)
    for name in rows:
        predicted[renamed.get(name, name)] += rows[name]
    if true.keys().isdisjoint(predicted):
        raise InputError(
            f"{submission} has no image of {truth}, such as {next(iter(true))}; give two files "
            "about the same images"
        )
    areas = np.array([_areas(predicted.get(name, []), true[name], size) for name in true])
    for rows_of_file in (true, rows):
        _check_frame(rows_of_file, size)
    return Score(
        ids=tuple(true),
        areas=areas,
        missing=tuple(name for name in true if name not in predicted),
        unknown=tuple(name for name in predicted if name not in true),
        blank=blank,
        repeated=tuple(name for name in predicted if len(predicted[name]) > 1),
        extensions=tuple(renamed),
        patients=None if patients is None else tuple(patients.get(name, name) for name in true),
    )


def check_test(truth: Path, size: int, images: Sequence[str], owner: ArtifactPath) -> None:
    """Refuse an unusable truth before any work is done for it.

    Args:
        truth: CSV file.
        size: side of the RLE frame, in pixels.
        images: test images of the owner.
        owner: dataset, named in the message.

    Raises:
        InputError: as `compare`; for a truth without any test image of the owner, naming one.
    """
    true = _read_truth(truth)
    for rows in true.values():
        _union(rows, size)
    if true.keys().isdisjoint(images) and not csv_files.match_ids(images, true):
        example = f", such as {images[0]}" if images else ""
        raise InputError(f"{truth} has no test image of {owner}{example}; give their truth")


def _read_truth(path: Path) -> dict[str, list[Row]]:
    rows, _ = _read_rows(path)
    if not rows:
        raise InputError(f"{path} has no rows to score against; give the truth of the test images")
    return rows


def _read_rows(
    path: Path, allow_blank: bool = False
) -> tuple[dict[str, list[Row]], tuple[str, ...]]:
    """Return the rows of each image, and the images of the rows without an RLE."""
    rows, blank = defaultdict(list), []
    frame = csv_files.read_rles(path, allow_blank)
    for line, name, code in zip(frame.index, frame["ImageId"], frame["EncodedPixels"], strict=True):
        rows[name].append(Row(path, line, code or rle.EMPTY))
        if not code:
            blank.append(name)
    return dict(rows), tuple(blank)


def _areas(predicted: list[Row], true: list[Row], size: int) -> tuple[int, int, int]:
    """Return |P|, |T| and |P and T| in pixels, without decoding if both have no mask."""
    if all(row.code == rle.EMPTY for row in predicted + true):
        return 0, 0, 0
    counts = metrics.areas(_union(predicted, size), _union(true, size))
    return int(counts[0]), int(counts[1]), int(counts[2])


def _check_frame(rows: Mapping[str, Sequence[Row]], size: int) -> None:
    """Refuse codes of a much smaller frame, which would be scored without an error.

    They end in the first quarter of this one, so at its left border; true masks are on both sides.
    """
    masks = [row for rows_of_image in rows.values() for row in rows_of_image]
    masks = [row for row in masks if row.code != rle.EMPTY]
    last = max((sum(map(int, row.code.split())) for row in masks), default=0)
    if len(masks) >= MIN_MASKS and last <= size**2 // 4:
        raise InputError(
            f"{masks[0].path}: all {len(masks)} masks end at pixel {last} or before, in the first "
            f"quarter of a {size}x{size} frame, so they are of a smaller one; give both files in "
            "one frame, and its side by --size"
        )


def _union(rows: list[Row], size: int) -> np.ndarray:
    """Return the united mask of an image, (size, size) bool."""
    united = np.zeros((size, size), bool)
    for row in rows:
        try:
            united |= rle.decode(row.code, size, size)
        except InputError as error:
            raise InputError(f"{row.path}, line {row.line}: {error}") from None
    return united


def _warn(problem: str, image_ids: Sequence[str], shown: int = 5) -> None:
    """Print the number of images with a problem, and the first of them, on stderr."""
    if image_ids:
        names = ", ".join(image_ids[:shown]) + (" ..." if len(image_ids) > shown else "")
        print(f"{len(image_ids)} {problem}: {names}", file=sys.stderr)


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
    _warn(f"not in {args.submission}, so empty", score.missing)
    _warn(f"not in {args.truth}, ignored", score.unknown)
    _warn(f"without EncodedPixels in {args.submission}, taken as no mask", score.blank)
    _warn(f"with several rows in {args.submission}, united", score.repeated)
    _warn(f"match {args.truth} without their extension only", score.extensions)
    if args.json:
        positive_dice = score.positive_dice if score.positive.any() else None
        counts = {"images": len(score.ids), "missing": len(score.missing)}
        print(json.dumps({"dice": score.dice, "positive_dice": positive_dice} | counts))
    else:
        print(
            f"Dice {score.dice:.4f} over {len(score.ids)} images, "
            f"95 % interval {score.ci95[0]:.4f} to {score.ci95[1]:.4f}; "
            f"positives {score.positive_dice:.4f}, all empty {score.all_empty_dice:.4f}"
        )


if __name__ == "__main__":
    run_stage(main)
