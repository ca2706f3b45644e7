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
import pandas as pd

from lib import bootstrap, csv_files, frame, metrics, rle
from lib.cli import int_in_range, run_stage
from lib.errors import InputError
from lib.layout import ArtifactPath

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
    def has_mask(self) -> np.ndarray:
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
            empty, the files have no image in common, or one of them is of another frame.
    """
    cure = "give both files in one frame, and its side by --size"
    true = _read_truth(truth, size, cure)
    rows = frame.read(submission, size, cure, allow_blank=True)
    frame.check_shapes(submission, rows, size, cure, is_prediction=True)
    codes = _group_codes(rows)
    renamed = csv_files.match_ids(codes, true)
    predicted: dict[str, list[str]] = defaultdict(list)
    for name in codes:
        predicted[renamed.get(name, name)] += codes[name]
    if true.keys().isdisjoint(predicted):
        raise InputError(
            f"{submission} has no image of {truth}, such as {next(iter(true))}; give two files "
            "about the same images"
        )
    areas = np.array([_areas(predicted.get(name, []), true[name], size) for name in true])
    return Score(
        ids=tuple(true),
        areas=areas,
        missing=tuple(name for name in true if name not in predicted),
        unknown=tuple(name for name in predicted if name not in true),
        blank=tuple(rows["ImageId"][rows["EncodedPixels"] == ""]),
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
    true = _read_truth(truth, size, f"give a truth in the frame of {owner}")
    if true.keys().isdisjoint(images) and not csv_files.match_ids(images, true):
        example = f", such as {images[0]}" if images else ""
        raise InputError(f"{truth} has no test image of {owner}{example}; give their truth")


def _read_truth(path: Path, size: int, cure: str) -> dict[str, list[str]]:
    """Return the codes of each image; refuse a file without rows, or of another frame."""
    rows = frame.read(path, size, cure)
    if rows.empty:
        raise InputError(f"{path} has no rows to score against; give the truth of the test images")
    frame.check_shapes(path, rows, size, cure)
    codes = _group_codes(rows)
    for name, of_image in codes.items():
        if rle.EMPTY in of_image and {*of_image} != {rle.EMPTY}:
            raise InputError(
                f"{path}: {name} has a row with a mask and one without; either may be right: take "
                "one of them out"
            )
    return codes


def _group_codes(rows: pd.DataFrame) -> dict[str, list[str]]:
    """Return the codes of each image, in the order of the rows; no mask for a blank one."""
    codes = defaultdict(list)
    for name, code in zip(rows["ImageId"], rows["EncodedPixels"], strict=True):
        codes[name].append(code or rle.EMPTY)
    return dict(codes)


def _areas(predicted: list[str], true: list[str], size: int) -> tuple[int, int, int]:
    """Return |P|, |T| and |P and T| in pixels, without decoding if both have no mask."""
    if all(code == rle.EMPTY for code in predicted + true):
        return 0, 0, 0
    counts = metrics.areas(rle.union(predicted, size, size), rle.union(true, size, size))
    return int(counts[0]), int(counts[1]), int(counts[2])


def _warn(problem: str, image_ids: Sequence[str], shown: int = 5) -> None:
    """Print the number of images with a problem, and the first of them, on stderr."""
    if image_ids:
        names = ", ".join(image_ids[:shown]) + (" ..." if len(image_ids) > shown else "")
        print(f"{len(image_ids)} {problem}: {names}", file=sys.stderr)


def warn_no_overlap(score: Score) -> None:
    """Say on stderr that both files have masks, and none has a pixel of the other's."""
    if score.has_mask.any() and score.positive.any() and not score.areas[:, 2].any():
        print(
            f"no predicted pixel is true: {score.has_mask.sum()} images have a predicted mask and "
            f"{score.positive.sum()} a true one; are both files of one frame and these images?",
            file=sys.stderr,
        )


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
    warn_no_overlap(score)
    if args.json:
        positive_dice = score.positive_dice if score.positive.any() else None
        dices = {
            "dice": score.dice,
            "ci95": score.ci95,
            "positive_dice": positive_dice,
            "all_empty_dice": score.all_empty_dice,
        }
        counts = {"images": len(score.ids), "missing": len(score.missing)}
        print(json.dumps(dices | counts))
    else:
        print(
            f"Dice {score.dice:.4f} over {len(score.ids)} images, "
            f"95 % interval {score.ci95[0]:.4f} to {score.ci95[1]:.4f} (images drawn, patients "
            f"are not known); "
            f"positives {score.positive_dice:.4f}, all empty {score.all_empty_dice:.4f}"
        )


if __name__ == "__main__":
    run_stage(main)
