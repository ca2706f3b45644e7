"""Image files to predict: the search for them, their names, and decoding."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pydicom
from pydicom.config import disable_value_validation

from lib import images
from lib.errors import InputError
from lib.prepare import dicom
from lib.prepare.dicom import DICOM_SUFFIXES, PICTURE_SUFFIXES, UnreadableError
from lib.prepare.discover import walk_files

DICOM_MAGIC = slice(128, 132), b"DICM"
DICOM_INDEX = "DICOMDIR"
JOURNAL_FILE = "journal.jsonl"  # in every folder of outputs
# Maximum side of an overlay, in pixels: at 1024, to write PNGs would take a tenth of the time of a
# resnet34 U-Net at 256 px. Masks have the size of the image.
DISPLAY_SIDE = 768


@dataclass(frozen=True)
class ImageFile:
    """A file to predict; `name` is its path in the folder that was given, for its outputs."""

    path: Path
    name: str


@dataclass(frozen=True)
class Found:
    """Files to predict, and files of the folders that are not images, both sorted by name."""

    images: list[ImageFile]
    others: list[str]


@dataclass(frozen=True)
class Decoded:
    """An image, resized for the networks and for its overlay.

    Attributes:
        grays: (size, size) uint8 for each size and contrast.
        display: (height, width) uint8, at most DISPLAY_SIDE a side, in the shape of the image.
        rows, columns: of the image.
        spacing_mm: between rows and between columns; None if the header has none.
        source: kind of file, and rule that made its values gray.
    """

    file: ImageFile
    grays: dict[tuple[int, str], np.ndarray]
    display: np.ndarray
    rows: int
    columns: int
    spacing_mm: tuple[float, float] | None
    source: str


@dataclass(frozen=True)
class Failed:
    """A file that cannot be decoded, and the reason."""

    file: ImageFile
    reason: str


def find(paths: Iterable[Path], excluded: Path) -> Found:
    """Find the images among files and in folders.

    In a folder, files count by their suffix, and without a suffix if they begin as DICOM files do,
    but not the outputs of an earlier call. A file that is given by its own path counts always.

    Args:
        paths: files and folders.
        excluded: folder that is not searched: that of the outputs.

    Raises:
        InputError: if a path does not exist, there is no image, or two images have one name.
    """
    found: dict[str, Path] = {}
    others: list[str] = []
    for path in paths:
        if not path.exists():
            raise InputError(f"{path} does not exist; give image files or folders")
        files, outputs = [path], set[Path]()
        if path.is_dir():
            files = list(walk_files(path, excluded))
            outputs = {file.parent for file in files if file.name == JOURNAL_FILE}
        others += map(str, outputs)
        for file in files:
            if not outputs.isdisjoint(file.parents):
                continue
            name = file.name if path.is_file() else file.relative_to(path).as_posix()
            if path.is_dir() and not _is_image(file):
                others.append(str(file))
                continue
            earlier = found.setdefault(name, file)
            if not earlier.samefile(file):
                raise InputError(
                    f"{earlier} and {file} would have the same outputs, those of {name}; give "
                    "the folder that holds both, or predict them into two --out folders"
                )
    if not found:
        given = ", ".join(map(str, paths))
        raise InputError(f"no DICOM, PNG or JPG file in {given}; give other files or folders")
    return Found([ImageFile(found[name], name) for name in sorted(found)], sorted(others))


def _is_image(file: Path) -> bool:
    if file.suffix.lower() in DICOM_SUFFIXES + PICTURE_SUFFIXES:
        return True
    if file.suffix and not file.suffix[1:].isdecimal() or file.name == DICOM_INDEX:
        return False  # archives name files by UIDs such as 1.2.840.113
    place, magic = DICOM_MAGIC
    with suppress(OSError), file.open("rb") as opened:
        return opened.read(place.stop)[place] == magic
    return False


def decode(file: ImageFile, inputs: Sequence[tuple[int, str]]) -> Decoded | Failed:
    """Decode a file as stage 01 does, and resize it as its caches and stage 03 do.

    Args:
        file: the file.
        inputs: size in pixels and contrast of each input of the networks.
    """
    try:
        radiograph = dicom.read(file.path)
        spacing_mm = None if radiograph.header == dicom.Header() else _read_spacing(file.path)
    except UnreadableError as error:
        return Failed(file, str(error))
    except OSError as error:
        return Failed(file, str(error.strerror or error))
    pixels = radiograph.pixels
    rows, columns = pixels.shape
    grays = {
        (size, contrast): images.CONTRASTS[contrast](images.shrink(pixels, size))
        for size, contrast in inputs
    }
    scale = min(1, DISPLAY_SIDE / max(rows, columns))
    display_size = max(1, round(scale * columns)), max(1, round(scale * rows))
    display = pixels
    if display_size != (columns, rows):
        # From half the size on, bilinear is as smooth, in a fifth of the time.
        interpolation = cv2.INTER_AREA if scale < 0.5 else cv2.INTER_LINEAR
        display = cv2.resize(pixels, display_size, interpolation=interpolation)
    return Decoded(file, grays, display, rows, columns, spacing_mm, radiograph.source)


def _read_spacing(path: Path) -> tuple[float, float] | None:
    """Return mm between rows and between columns, in the patient or else at the detector."""
    tags = ["PixelSpacing", "ImagerPixelSpacing"]
    with suppress(Exception):  # of a damaged header; the image was decoded
        with disable_value_validation():
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=tags)
        for tag in tags:
            if header.get(tag):
                between_rows, between_columns = map(float, header[tag].value)
                if 0 < between_rows < np.inf and 0 < between_columns < np.inf:
                    return between_rows, between_columns
    return None
