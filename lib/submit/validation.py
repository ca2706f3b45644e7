"""Check of a submission: the file is read back as the competition reads it.

This module shares no code with the encoder and the CSV writer, so that it finds their errors too.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lib.errors import InputError
from lib.submit.masks import Row, digest

HEADER = "ImageId,EncodedPixels"


def check(path: Path, expected: Sequence[Row], size: int) -> None:
    """Refuse a submission that does not hold exactly the expected rows.

    Args:
        path: the CSV file.
        expected: its rows, in the order of the sample; their codes are ignored.
        size: the side of the RLE frame, in pixels.

    Raises:
        InputError: for another header, other ids or another order, an id twice, a code with runs
            that overlap, adjoin, go backwards or leave the frame, or another mask; with the line.
    """
    content = path.read_bytes().decode("latin-1")  # every byte counts: no decoding that repairs
    header, *lines = content.removesuffix("\n").split("\n")
    if header != HEADER:
        raise InputError(f"{path}, line 1: the header is {header[:60]!r}, not {HEADER}")
    if len(lines) != len(expected):
        raise InputError(f"{path} has {len(lines)} rows; the sample submission has {len(expected)}")
    if len({row.image_id for row in expected}) != len(expected):
        raise InputError(
            f"{path} would hold an ImageId twice; remake the dataset with 01_prepare.py --replace"
        )
    for number, (line, row) in enumerate(zip(lines, expected, strict=True), start=2):
        try:
            _check_row(line, row, size)
        except ValueError as error:
            raise InputError(
                f"{path}, line {number}: {error}; the submission is not published: "
                "run the same command again"
            ) from None


def _check_row(line: str, expected: Row, size: int) -> None:
    image_id, comma, code = line.partition(",")
    if not comma or image_id != expected.image_id:
        raise ValueError(f"{image_id[:60]!r} where the sample submission has {expected.image_id}")
    mask = read_mask(code, size)
    if int(mask.sum()) != expected.area or digest(mask) != expected.digest:
        raise ValueError(f"{image_id} decodes to another mask than the one predicted")


def read_mask(code: str, size: int) -> np.ndarray:
    """Decode a code as the competition describes it: run by run, down the columns.

    Returns:
        (size, size) bool.

    Raises:
        ValueError: unless the code is pairs of numbers with single blanks, and every run starts
            after a gap and ends inside the frame.
    """
    pixels = np.zeros(size * size, bool)
    if code != "-1":
        numbers = code.split(" ")
        if len(numbers) % 2 or not all(text.isascii() and text.isdigit() for text in numbers):
            raise ValueError(f"{code[:40]!r} is not a list of offsets and lengths")
        position = 0
        for offset, length in zip(numbers[0::2], numbers[1::2], strict=True):
            start = position + int(offset)
            if position and start == position:
                raise ValueError(f"two runs meet at pixel {position}: they should be one")
            position = start + int(length)
            if start == position or position > size * size:
                raise ValueError(f"a run from pixel {start} to {position} in {size}x{size}")
            pixels[start:position] = True
    return pixels.reshape(size, size).T
