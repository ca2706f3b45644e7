"""Tables of RLEs in one frame: codes of another frame, or with absolute starts, are recognised.

Neighbouring columns of a mask are almost equal, and in an RLE a column is as long as the frame's
side. So a code that is shifted by the side of its own frame overlaps itself almost completely, and
by another side much less.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib import csv_files, rle
from lib.errors import InputError

MIN_RUNS = 100  # fewer say too little about the frame
MIN_OVERLAP = 0.5  # the competition's masks reach 0.95
MAX_SIDE = 4096  # the largest frame that is tried
MAX_CODES = 50  # codes with which all frames are tried
MIN_RUN = 3  # pixels; shorter runs are specks, which overlap themselves in any frame or none


class Runs(NamedTuple):
    """First pixels of the runs of a code, and the pixels after their last ones."""

    starts: np.ndarray
    ends: np.ndarray


def read(path: Path, frame_size: int, cure: str, allow_blank: bool = False) -> pd.DataFrame:
    """Read a label, truth or submission file; check every code without decoding it.

    Args:
        path: the CSV (.gz too).
        frame_size: the side of the RLE frame, in pixels.
        cure: end of the message about another frame; "{side}" in it becomes the side, or N.
        allow_blank: take an empty EncodedPixels as no mask; it is returned as "".

    Returns:
        ImageId, EncodedPixels and area_px: a row an annotation; the index is the line.

    Raises:
        InputError: if it is no such file, a code is wrong, or it runs past the frame: with the line
            and the ImageId; if all codes have absolute starts.
    """
    rows = csv_files.read_rles(path, allow_blank)
    rows["area_px"] = [
        _area(code, f"{path}, line {line}, image {image_id}")
        for line, image_id, code in rows[list(csv_files.RLE_COLUMNS)].itertuples()
    ]
    _check_ends(path, rows, frame_size, cure)
    return rows


def check_shapes(
    path: Path,
    rows: pd.DataFrame,
    frame_size: int,
    cure: str,
    *,
    image_size: int | None = None,
    is_prediction: bool = False,
) -> None:
    """Refuse codes that look like masks in another frame only, or with absolute starts only.

    Args:
        path, frame_size, cure: as in `read`.
        rows: from `read`.
        image_size: the side of the images that have a mask; None: unknown, or not the same.
        is_prediction: refuse masks only if a smaller frame plainly fits: a network may predict
            specks, which are whole in no frame.

    Raises:
        InputError: with the frame that fits.
    """
    masks = _read_runs(rows)
    if not masks:
        return
    overlap = _overlap(masks, frame_size)
    lengths = np.concatenate([runs.ends - runs.starts for runs in masks])
    last = max(int(runs.ends[-1]) for runs in masks)
    min_side = max(math.isqrt(last - 1) + 1, int(lengths.max()))
    fits_images = image_size and min_side <= image_size < frame_size
    if image_size and fits_images and _overlap(masks, image_size) >= overlap:
        _raise_other_frame(path, frame_size, image_size, "which is the size of the images", cure)
    if lengths.size < MIN_RUNS or (is_prediction and np.median(lengths) < MIN_RUN):
        return
    for side in (frame_size // 4, frame_size // 3, frame_size // 2):
        # In a multiple of their frame, masks are whole too, but several times in each image.
        if side >= min_side and _overlap(masks, side) > max(overlap, MIN_OVERLAP):
            _raise_other_frame(path, frame_size, side, "where they overlap more", cure)
    if overlap >= (MIN_OVERLAP / 2 if is_prediction else MIN_OVERLAP):
        return
    absolute = _as_absolute(masks, frame_size)
    if absolute and _overlap(absolute, frame_size) >= MIN_OVERLAP:
        _raise_absolute(path)
    some = masks[:: -(-len(masks) // MAX_CODES)]
    sides = range(min_side, min(frame_size, MAX_SIDE) if is_prediction else MAX_SIDE)
    best = max(sides, key=lambda side: _overlap(some, side), default=frame_size)
    if _overlap(masks, best) >= MIN_OVERLAP:
        _raise_other_frame(path, frame_size, best, "where they are whole", cure)
    if not is_prediction:
        raise InputError(
            f"{path}: no mask is whole in a frame of {frame_size}x{frame_size}: from one column to "
            f"the next, {overlap:.0%} of the pixels overlap; a code is pairs of offset and length, "
            f"down the columns; {cure.format(side='N')}"
        )


def _area(code: str, origin: str) -> int:
    """Return the area of a code in pixels; refuse a wrong one, with its origin in the message."""
    try:
        return rle.area(code) if code else 0
    except InputError as error:
        raise InputError(f"{origin}: {error}") from None


def _check_ends(path: Path, rows: pd.DataFrame, frame_size: int, cure: str) -> None:
    """Refuse codes that run past the frame, with the first line, or as absolute ones."""
    masks = _read_runs(rows)
    ends = [int(runs.ends[-1]) for runs in masks]
    if max(ends, default=0) <= frame_size**2:
        return
    absolute = _as_absolute(masks, frame_size)
    if absolute:
        _raise_absolute(path)
    position = next(number for number, end in enumerate(ends) if end > frame_size**2)
    line, image_id = next(rows[rows["area_px"] > 0].iloc[position:]["ImageId"].items())
    raise InputError(
        f"{path}, line {line}, image {image_id}: RLE runs past {frame_size}x{frame_size}: it ends "
        f"at pixel {ends[position]} of {frame_size**2}; {cure.format(side='N')}"
    )


def _read_runs(rows: pd.DataFrame) -> list[Runs]:
    """Return the runs of every code with a mask."""
    edges = [
        np.cumsum(np.array(code.split(), np.int64))
        for code in rows["EncodedPixels"][rows["area_px"] > 0]
    ]
    return [Runs(edge[0::2], edge[1::2]) for edge in edges]


def _as_absolute(masks: Sequence[Runs], frame_size: int) -> list[Runs] | None:
    """Return the runs if the offsets are starts instead; None if they cannot be."""
    absolute = []
    for runs in masks:
        starts = np.diff(runs.ends, prepend=0) - (runs.ends - runs.starts)
        ends = starts + (runs.ends - runs.starts)
        if (starts[1:] < ends[:-1]).any() or ends[-1] - 1 > frame_size**2:
            return None
        absolute.append(Runs(starts, ends))
    return absolute if any(runs.starts.size > 1 for runs in absolute) else None


def _overlap(masks: Sequence[Runs], side: int) -> float:
    """Return the fraction of pixels that are inside also one column on, in a frame of a side."""
    inside, area = 0.0, 0
    for starts, ends in masks:
        edges = np.column_stack([starts, ends]).ravel()
        counts = np.repeat(np.cumsum(ends - starts), 2)  # pixels inside up to each edge
        counts[0::2] -= ends - starts
        shifted = np.interp(edges + side, edges, counts)
        inside += float((shifted[1::2] - shifted[0::2]).sum())
        area += int(counts[-1])
    return inside / area


def _raise_absolute(path: Path) -> None:
    raise InputError(
        f"{path}: the codes are absolute, pairs of start and length; here the offset of a run "
        "counts from the end of the run before it, the first from pixel 0: subtract that end from "
        "each start (and 1 from the first if they count from 1)"
    )


def _raise_other_frame(path: Path, frame_size: int, side: int, reason: str, cure: str) -> None:
    raise InputError(
        f"{path}: the codes are not of a {frame_size}x{frame_size} frame: all fit into "
        f"{side}x{side}, {reason}; {cure.format(side=side)}"
    )
