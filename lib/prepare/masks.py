"""Masks as a folder of pictures (--masks), in place of a label file: one for each image."""

import hashlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib import files, images, rle
from lib.errors import InputError
from lib.parallel import map_in_processes
from lib.prepare import dicom
from lib.prepare.labels import Labels

LOSSY_SUFFIXES = (".jpg", ".jpeg")
MAX_OUTSIDE = 127  # of a JPEG, which blurs the edge of a mask
MAX_BLACK = 8  # of a JPEG of a black picture, which some qualities make a little brighter
MAX_FRACTION = 0.5  # of an image; the largest pneumothorax takes about a third
MAX_GRAY = 0.25  # fraction of pixels neither dark nor bright; radiographs have two thirds


class Mask(NamedTuple):
    """A mask file: its RLE, rows and columns, digest, and True if a JPEG blurred it."""

    code: str
    shape: tuple[int, int]
    sha256: str
    blurred: bool


def read(
    root: Path, paths: Mapping[str, str], frame_size: int | None, workers: int | None = None
) -> Labels:
    """Read all masks, and resize them to the RLE frame.

    Args:
        root: the folder of masks.
        paths: name of the image -> path of its mask, relative to `root`.
        frame_size: the side of the RLE frame, in pixels; None: that of the masks.
        workers: processes.

    Raises:
        InputError: with the file, if a mask cannot be read, is not square, has another size than
            the others, or is no mask of two values; if most masks are inverted.
    """
    masks: dict[str, Mask] = {}
    read_mask = partial(_read_mask, root, frame_size)
    results = map_in_processes(read_mask, list(paths.values()), "masks", workers)
    for path, mask in zip(paths.values(), results, strict=True):
        masks[path] = mask
        first = next(iter(masks.values()))
        _check_size(root / path, mask.shape, first.shape)
    codes = [mask.code for mask in masks.values()]
    rows = pd.DataFrame({"ImageId": list(paths), "EncodedPixels": codes})
    rows["area_px"] = [0 if code == rle.EMPTY else rle.area(code) for code in codes]
    side = frame_size or first.shape[0]
    _check_inverted(root, list(masks), rows["area_px"] / side**2)
    digest = hashlib.sha256()
    for path, mask in masks.items():
        digest.update(f"{path}\t{mask.sha256}\n".encode())
    blurred = [path for path, mask in masks.items() if mask.blurred]
    note = ""
    if blurred:
        note = f"{len(blurred)} JPEG masks are cut at half of 255, such as {blurred[0]}"
    return Labels(rows, side, digest.hexdigest(), note)


def _check_size(file: Path, shape: tuple[int, int], expected: tuple[int, int]) -> None:
    """Refuse a mask that is not square, or has another size than the first one."""
    rows, columns = shape
    if rows != columns:
        fault = "the RLE frame is square; stretch masks and images to squares"
    elif shape != expected:
        fault = f"others have {expected[0]} x {expected[1]}; resize the masks to one size"
    else:
        return
    raise InputError(f"{file} has {rows} x {columns} pixels: {fault}")


def _check_inverted(root: Path, paths: list[str], fractions: pd.Series) -> None:
    """Refuse masks that are set outside: most that are not empty cover more than half."""
    large = fractions.index[fractions > MAX_FRACTION]
    if 2 * len(large) > (fractions > 0).sum():
        raise InputError(
            f"{root} has inverted masks: {len(large)} of {len(paths)} cover more than half of the "
            f"image, such as {paths[large[0]]} {fractions[large[0]]:.0%}; a mask is 0 outside: "
            "invert these in a copy of the folder (ImageMagick: mogrify -negate FILES)"
        )


def _read_mask(root: Path, frame_size: int | None, path: str) -> Mask:
    file = root / path
    try:
        pixels = dicom.read(file).pixels
    except dicom.UnreadableError as error:
        raise InputError(f"{file} is unreadable: {error}; get it again, or take it out") from None
    is_lossy = file.suffix.lower() in LOSSY_SUFFIXES
    if is_lossy and pixels.max() <= MAX_BLACK:
        pixels = np.zeros_like(pixels)
    high = pixels.max()
    has_two_values = np.count_nonzero(pixels == high) == np.count_nonzero(pixels)
    is_gray = (pixels > high / 8) & (pixels < high / 8 * 7)
    if not has_two_values and is_gray.mean() > MAX_GRAY:
        raise InputError(
            f"{file} has {len(np.unique(pixels))} values and looks like a radiograph; --masks "
            "wants a folder of masks alone, with 0 outside and another value inside"
        )
    if is_lossy and 0 < high <= MAX_OUTSIDE:
        raise InputError(f"{file} has values up to {high} of 255 only; save masks as PNG")
    if high and not has_two_values and not is_lossy:
        levels = np.unique(pixels)
        raise InputError(
            f"{file} has {len(levels)} values, such as {', '.join(map(str, levels[:4]))}; a mask "
            "has 0 outside and one other value inside: threshold it first"
        )
    blurred = bool(high) and not has_two_values
    inside = pixels > (MAX_OUTSIDE if blurred else 0)
    if frame_size:
        inside = images.shrink_mask(inside, frame_size) > 0
    return Mask(rle.encode(inside), pixels.shape, files.sha256(file), blurred)
