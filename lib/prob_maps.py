"""Probability maps of one image, brought to the RLE frame and averaged there."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lib import images
from lib.errors import InputError


def read_map(path: Path, size: int, block: int = 1) -> np.ndarray:
    """Read a map and bring it to the RLE frame.

    Args:
        size: the frame's side, in pixels.
        block: if not 1, the side of the blocks of pixels that the map is averaged over.

    Returns:
        (size / block, size / block) float32 in [0, 1].

    Raises:
        InputError: if it is damaged, not square, or larger than the frame.
    """
    values = images.read_png(path)
    height, width = values.shape
    if height != width or height > size:
        raise InputError(
            f"{path} is {height}x{width}, which cannot be the {size}x{size} frame's; remake the "
            "maps with 03_infer.py, or the dataset with 01_prepare.py --rle-size"
        )
    probabilities = values.astype(np.float32) / 255
    if block > 1:
        return images.shrink(probabilities, size // block)
    return images.to_frame(probabilities, size)


def blend(paths: Sequence[Path], weights: np.ndarray, size: int, block: int = 1) -> np.ndarray:
    """Average the maps of one image: several sets of weights from one reading.

    Args:
        paths: of M maps.
        weights: (B, M), not negative; a row for each blend. What no blend weighs is not read.
        size: the frame's side, in pixels.
        block: 1 for blends in the frame; more for blends with a value per block of so many pixels.

    Returns:
        (B, size / block, size / block) uint8.

    Raises:
        InputError: if a map is damaged, not square, or larger than the frame.
    """
    shares = weights / weights.sum(axis=1, keepdims=True)
    means = np.zeros((len(weights), size // block, size // block), np.float32)
    for path, column in zip(paths, shares.T, strict=True):
        if column.any():
            values = read_map(path, size, block)
            for mean, share in zip(means, column, strict=True):
                mean += np.float32(share) * values
    return images.quantize(means)
