"""Reference implementations: the same work in the way that published pipelines do it.

They are written for these benchmarks and contain no code of such pipelines. `prepare_minimally` is
not a published way: it is the least work that any program must do.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
import pydicom
from PIL import Image
from pydicom.encaps import generate_frames
from skimage.transform import resize

from lib import images

MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
Augment = Callable[[np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]]


class File(NamedTuple):
    """A radiograph, the path of its PNG, and the side of that PNG in px."""

    dicom: Path
    png: Path
    size: int


def prepare_minimally(file: File) -> None:
    """Decode the JPEG in a DICOM file, resize it by areas, and encode a PNG."""
    data = pydicom.dcmread(file.dicom)
    jpeg = next(generate_frames(data.PixelData, number_of_frames=1))
    pixels = np.asarray(Image.open(BytesIO(jpeg)))
    small = cv2.resize(pixels, (file.size, file.size), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(file.png), small, images.PNG_OPTIONS)


def prepare_in_threads(files: Sequence[File], labels: pd.DataFrame, threads: int) -> None:
    """Prepare images and masks in threads, resizing in floats with scikit-image.

    Args:
        files: radiographs.
        labels: ImageId and EncodedPixels, one row per annotation; searched for each image.
        threads: number of threads.
    """
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda file: _prepare(file, labels), files))


def _prepare(file: File, labels: pd.DataFrame) -> None:
    pixels = pydicom.dcmread(file.dicom).pixel_array
    cv2.imwrite(str(file.png), resize_in_floats(pixels, file.size))
    mask = np.zeros(pixels.shape)
    for code in labels.loc[labels["ImageId"] == file.dicom.stem, "EncodedPixels"]:
        if code != "-1":
            mask = np.maximum(mask, decode_by_runs(code, *pixels.shape))
    path = file.png.with_name(f"{file.png.stem}_mask.png")
    cv2.imwrite(str(path), resize_in_floats(mask, file.size))


def resize_in_floats(image: np.ndarray, size: int) -> np.ndarray:
    """Blur, then interpolate, in float64; return (size, size) uint8."""
    values = resize(image / 255, (size, size), anti_aliasing=True)
    return (values * 255).astype(np.uint8)


class FullSizeSet:
    """Training images that are read in colour, augmented at their full size, then resized."""

    def __init__(self, folder: Path, ids: Sequence[str], augment: Augment, size: int) -> None:
        """Read from a folder like WORK/cache/<size>; `size` is the side in px of a sample."""
        self.folder, self.ids, self.augment, self.size = folder, ids, augment, size

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        name = f"{self.ids[index]}.png"
        image = cv2.imread(str(self.folder / "images" / name), cv2.IMREAD_COLOR)
        path = self.folder / "masks" / name
        mask = np.zeros(image.shape[:2], np.uint8)
        if path.exists():
            mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) // 255
        image, mask = self.augment(image, mask, index)
        image = cv2.resize(image, (self.size, self.size), interpolation=cv2.INTER_LINEAR)
        mask = cv2.resize(mask, (self.size, self.size), interpolation=cv2.INTER_NEAREST)
        normalised = (image.astype(np.float32) / 255 - MEAN) / STD
        return normalised.transpose(2, 0, 1).copy(), mask[None].astype(np.float32)


def encode_by_pixels(mask: np.ndarray) -> str:
    """Return the run-length code of a mask, one pixel after the other, down the columns.

    Args:
        mask: (height, width), non-zero inside.
    """
    numbers: list[int] = []
    inside, start = False, 0  # state of the previous pixel, start of its run or gap
    height, width = mask.shape
    for position in range(height * width):
        value = bool(mask[position % height, position // height])
        if value != inside:
            numbers.append(position - start)
            inside, start = value, position
    if inside:
        numbers.append(height * width - start)
    return " ".join(map(str, numbers)) or "-1"


def decode_by_pixels(code: str, height: int, width: int) -> np.ndarray:
    """Decode pixel by pixel to a mask: (height, width) uint8, 0 or 255."""
    edges = [*accumulate(int(word) for word in code.split() if code != "-1"), -1]
    mask, passed = np.zeros(height * width, np.uint8), 0
    for position in range(height * width):
        while position == edges[passed]:
            passed += 1
        mask[position] = 255 * (passed % 2)
    return mask.reshape(width, height).T


def decode_by_runs(code: str, height: int, width: int) -> np.ndarray:
    """Decode run by run to a mask: (height, width) float, 0 or 255."""
    numbers = np.array(code.split(), int)
    mask, position = np.zeros(height * width), 0
    for offset, length in zip(numbers[0::2], numbers[1::2], strict=True):
        position += offset
        mask[position : position + length] = 255
        position += length
    return mask.reshape(width, height).T
