"""Probability maps of one image, resized to the RLE frame and averaged there."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lib import images
from lib.errors import InputError


def read_map(path: Path, size: int, block: int = 1) -> np.ndarray:
    """Read a map and resize it to the RLE frame.

    Args:
        path: PNG of the map.
        size: side of the frame, in pixels.
        block: side of the blocks of pixels to average over; 1 for single pixels.

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
    """Average the maps of one image with several sets of weights, reading each map once.

    Args:
        paths: PNGs of M maps.
        weights: (B, M), not negative; one row for each blend. Maps of weight 0 are not read.
        size: side of the frame, in pixels.
        block: side of the blocks of pixels that get one value; 1 for single pixels.

    Returns:
        (B, size / block, size / block) uint8.

    Raises:
        InputError: if a map is damaged, not square, or larger than the frame.
    """
    normalised = weights / weights.sum(axis=1, keepdims=True)
    means = np.zeros((len(weights), size // block, size // block), np.float32)
    for path, column in zip(paths, normalised.T, strict=True):
        if column.any():
            values = read_map(path, size, block)
            for mean, weight in zip(means, column, strict=True):
                mean += np.float32(weight) * values
    return images.quantize(means)
