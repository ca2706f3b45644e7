"""Probability maps of one image, resized to the RLE frame and averaged there."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from lib import images
from lib.errors import InputError
from lib.layout import command_for


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
            f"{path} is {height}x{width}, which cannot be the {size}x{size} frame's; remake its "
            f"folder with {command_for(path)} --replace, or the dataset with 01_prepare.py "
            "--rle-size"
        )
    if block > 1:
        return images.shrink(to_probabilities(values), size // block)
    return images.to_frame(to_probabilities(values), size)


def to_probabilities(map_8bit: np.ndarray) -> np.ndarray:
    """Return the float32 probabilities of an 8-bit map."""
    return map_8bit.astype(np.float32) / 255


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
    used = normalised.any(axis=0)
    maps = (
        read_map(path, size, block) for path, is_used in zip(paths, used, strict=True) if is_used
    )
    return weighted_means(maps, normalised[:, used])


def weighted_means(maps: Iterable[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """Average maps with several sets of weights, one map in memory at a time.

    Args:
        maps: M maps, (height, width) float32 in [0, 1].
        weights: (B, M), which sum to 1; one row for each mean.

    Returns:
        (B, height, width) uint8.
    """
    means: list[np.ndarray] = []
    for values, column in zip(maps, weights.T, strict=True):
        for number, weight in enumerate(column):
            part = np.float32(weight) * values
            if number == len(means):  # of the first map
                means.append(part)
            else:
                means[number] += part
    return np.stack([images.quantize(mean) for mean in means])
