"""The last line of defence: a submission read back as the competition reads it.

Nothing here shares code with the encoder or the CSV writer: a fault of theirs must not hide itself.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lib.errors import InputError
from lib.submit.masks import Row, digest

HEADER = "ImageId,EncodedPixels"


def check(path: Path, meant: Sequence[Row], size: int) -> None:
    """Refuse a submission that is not exactly what is meant.

    Args:
        path: the CSV file.
        meant: its rows, in the order of the sample; their codes are not looked at.
        size: the side of the RLE frame, in pixels.

    Raises:
        InputError: for another header, other ids or another order, an id twice, a code with runs
            that overlap, adjoin, go backwards or leave the frame, or another mask; with the line.
    """
    content = path.read_bytes().decode("latin-1")  # byte by byte: nothing is forgiven
    header, *lines = content.removesuffix("\n").split("\n")
    if header != HEADER:
        raise InputError(f"{path}, line 1: the header is {header[:60]!r}, not {HEADER}")
    if len(lines) != len(meant):
        raise InputError(f"{path} has {len(lines)} rows; the sample submission has {len(meant)}")
    if len({row.image_id for row in meant}) != len(meant):
        raise InputError(f"{path} would hold an ImageId twice; remake the sample's table with 01")
    for number, (line, row) in enumerate(zip(lines, meant, strict=True), start=2):
        try:
            _check_row(line, row, size)
        except ValueError as error:
            raise InputError(f"{path}, line {number}: {error}; it is not finished") from None


def _check_row(line: str, meant: Row, size: int) -> None:
    image_id, comma, code = line.partition(",")
    if not comma or image_id != meant.image_id:
        raise ValueError(f"{image_id[:60]!r} where the sample submission has {meant.image_id}")
    mask = read_mask(code, size)
    if int(mask.sum()) != meant.area or digest(mask) != meant.digest:
        raise ValueError(f"{image_id} decodes to another mask than the one predicted")


def read_mask(code: str, size: int) -> np.ndarray:
    """Decode a code by the competition's words: run by run, down the columns.

    Returns:
        (size, size) bool.

    Raises:
        ValueError: if it is not in the one form that a mask has: pairs of numbers with single
            blanks, every run after a gap and inside the frame.
    """
    pixels = np.zeros(size * size, bool)
    if code != "-1":
        words = code.split(" ")
        if len(words) % 2 or not all(word.isascii() and word.isdigit() for word in words):
            raise ValueError(f"{code[:40]!r} is no list of offset and length")
        position = 0
        for offset, length in zip(words[0::2], words[1::2], strict=True):
            start = position + int(offset)
            if position and start == position:
                raise ValueError(f"two runs meet at pixel {position}: they should be one")
            position = start + int(length)
            if start == position or position > size * size:
                raise ValueError(f"a run from pixel {start} to {position} in {size}x{size}")
            pixels[start:position] = True
    return pixels.reshape(size, size).T
