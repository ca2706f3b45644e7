"""Run-length encoding (RLE) of the competition: encode and decode without a loop over pixels.

An RLE is pairs "offset length". Pixels are counted down the columns, from 0; each offset counts
from the end of the run before it, the first from pixel 0. An empty mask is "-1". No library has
these relative offsets.
"""

import re
from collections.abc import Iterable

import numpy as np

from lib.errors import InputError

EMPTY = "-1"
COMPETITION_FRAME = 1024  # side of its masks, in pixels
MAX_NUMBER = 2**31 - 1  # so that no sum of them overflows 64 bits
# Narrower than int(), which also takes 1_0, +1 and the digits of other scripts.
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")
WHOLE_NUMBERS = re.compile(rf"\s*(?:{WHOLE_NUMBER.pattern}(?:\s+|$))*")


def encode(mask: np.ndarray) -> str:
    """Encode a mask.

    The competition's own encoder drops a run that reaches the last pixel; this one keeps it.

    Args:
        mask: (height, width), non-zero inside.

    Returns:
        The RLE; "-1" for an empty mask.
    """
    inside = np.asarray(mask).astype(bool, copy=False)
    height, width = inside.shape
    # True where a pixel differs from the one before it, down the columns. Compared along rows, as
    # they lie in memory; only the few that differ are then sorted by column.
    differs = np.empty_like(inside)
    np.not_equal(inside[1:], inside[:-1], out=differs[1:])
    np.not_equal(inside[0, 1:], inside[-1, :-1], out=differs[0, 1:])
    differs[0, 0] = inside[0, 0]
    rows, columns = np.divmod(np.flatnonzero(differs), width)
    edges = np.sort(columns * height + rows)
    if inside[-1, -1]:
        edges = np.append(edges, height * width)
    if edges.size == 0:
        return EMPTY
    # Edges alternate start, end, start, ...: their differences are offset, length, offset, ...
    return " ".join(map(str, np.diff(edges, prepend=0).tolist()))


def decode(code: str, height: int, width: int) -> np.ndarray:
    """Decode an RLE.

    Args:
        code: pairs of offset and length, or "-1".
        height, width: size of the frame, in pixels.

    Returns:
        (height, width) bool.

    Raises:
        InputError: if the code has letters, an odd count of numbers, a negative offset, a run of
            length below 1, or runs past the frame.
    """
    runs = _parse(code)
    mask = np.zeros((height, width), bool)
    if runs.size == 0:
        return mask
    end = runs.sum()
    if end > height * width:
        raise InputError(
            f"RLE runs past {height}x{width}: it ends at pixel {end} of {height * width}"
        )
    # Only the columns from the first run to the last are filled in.
    first, last = runs[0] // height, -(-end // height)
    lengths = np.append(runs, last * height - end)
    lengths[0] -= first * height
    inside = np.arange(lengths.size) % 2 == 1
    mask[:, first:last] = np.repeat(inside, lengths).reshape(-1, height).T
    return mask


def area(code: str) -> int:
    """Count the pixels of an RLE without decoding it.

    Raises:
        InputError: as `decode`, except that there is no frame.
    """
    return int(_parse(code)[1::2].sum())


def union(codes: Iterable[str], height: int, width: int) -> np.ndarray:
    """Unite the annotations of one image (OR): in 183 images of the competition they overlap.

    Returns:
        (height, width) bool.

    Raises:
        InputError: as `decode`.
    """
    united = np.zeros((height, width), bool)
    for code in codes:
        united |= decode(code, height, width)
    return united


def _parse(code: str) -> np.ndarray:
    """Return the numbers of an RLE, checked; an empty array for an empty mask."""
    words = code.split()
    if words == [EMPTY]:
        return np.zeros(0, np.int64)
    if not WHOLE_NUMBERS.fullmatch(code):
        word = next(word for word in words if not WHOLE_NUMBER.fullmatch(word))
        raise InputError(
            f"RLE holds {word[:40]!r}, which is not a whole number; a code is pairs of offset "
            f"and length, or {EMPTY} for no mask"
        )
    runs = np.array(list(map(int, words)), np.int64)
    if runs.size == 0 or runs.size % 2:
        raise InputError(
            f"RLE has {runs.size} numbers, not pairs of offset and length; a code that was cut "
            "short must be taken from its source again"
        )
    if (runs[0::2] < 0).any():
        raise InputError(
            f"RLE has a negative offset, {runs[0::2].min()}; offsets count from the end of the run "
            "before, and runs do not overlap"
        )
    if (runs[1::2] < 1).any():
        raise InputError(f"RLE has a run of length {runs[1::2].min()}; the shortest is 1")
    if runs.max() > MAX_NUMBER:
        raise InputError(
            f"RLE holds {runs.max()}, which no image can hold; the most is {MAX_NUMBER}"
        )
    return runs
