"""Images for training and inference: 8-bit gray PNGs, resizing, contrast, quantization."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from lib import layout
from lib.errors import InputError
from lib.files import write_bytes

# Measured on radiographs at 512 px: one filter for all rows instead of the best of five for each
# row, and run lengths as the only compression, halve the time to write, and save a third of the
# time to read and a tenth of the file. Maps and masks gain as much.
PNG_OPTIONS = [
    *(cv2.IMWRITE_PNG_COMPRESSION, 1),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP),
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
]


def read_png(path: Path) -> np.ndarray:
    """Read an 8-bit gray PNG.

    Returns:
        (height, width) uint8.

    Raises:
        InputError: if it is missing or damaged.
    """
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 2 or image.dtype != np.uint8:
        cure = f"remake its folder with {layout.command_for(path)} --replace"
        raise InputError(f"{path} is missing or not a complete 8-bit gray PNG; {cure}")
    return image


def write_png(path: Path, image: np.ndarray) -> None:
    """Write a uint8 image, (height, width) or (height, width, 3) in BGR, as `write_bytes` does."""
    _, code = cv2.imencode(".png", image, PNG_OPTIONS)
    write_bytes(path, code.data)


def shrink(image: np.ndarray, size: int) -> np.ndarray:
    """Resize an image to (size, size) by averaging areas, in integers; enlarge a smaller one.

    A radiograph that is not square loses its aspect ratio, as in the square frame of a re-host.
    """
    if image.shape == (size, size):
        return image
    enlarged = size > max(image.shape)  # averaging areas would repeat pixels
    interpolation = cv2.INTER_LINEAR if enlarged else cv2.INTER_AREA
    return cv2.resize(image, (size, size), interpolation=interpolation)


def shrink_mask(mask: np.ndarray, size: int) -> np.ndarray:
    """Resize a bool mask: a pixel is inside if at least half of its area is.

    Returns:
        (size, size) uint8, 0 or 255, as the cache stores it.
    """
    fraction = shrink(np.multiply(mask, 255, dtype=np.uint8), size)
    return cv2.threshold(fraction, 127, 255, cv2.THRESH_BINARY)[1]


def clahe(image: np.ndarray) -> np.ndarray:
    """Equalize the histogram of each of 8 x 8 tiles, with contrast limited to 2 times the mean.

    Args:
        image: (height, width) uint8.

    Reference:
        Zuiderveld, Contrast Limited Adaptive Histogram Equalization, 1994.
    """
    return cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8)).apply(image)


# Values of Input.contrast.
CONTRASTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none": lambda image: image,
    "clahe": clahe,
}


def to_frame(probabilities: np.ndarray, size: int) -> np.ndarray:
    """Resize a map to the RLE frame by bilinear interpolation; every area is counted there.

    Args:
        probabilities: (height, width) float32 in [0, 1].
        size: side of the frame, in pixels.

    Returns:
        (size, size) float32.
    """
    if probabilities.shape == (size, size):
        return probabilities
    return cv2.resize(probabilities, (size, size), interpolation=cv2.INTER_LINEAR)


def quantize(probabilities: np.ndarray) -> np.ndarray:
    """Return probabilities, (height, width) float32, as the 8-bit values of a map: round(255 p)."""
    return cv2.convertScaleAbs(probabilities, alpha=255)  # rounds as np.rint, in half its time
