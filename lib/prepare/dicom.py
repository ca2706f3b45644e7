"""Radiographs from files of any kind, as 8-bit gray pixels."""

import re
import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image
from pydicom.config import disable_value_validation
from pydicom.pixels import pixel_array
from pydicom.uid import JPEGBaseline8Bit

from lib.errors import InputError
from lib.prepare.header import Header, first, read_header

DICOM_SUFFIXES = (".dcm", ".dicom")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")
GRAY_TOLERANCE = 8  # gray levels between the channels of a gray image stored in colour


class UnreadableError(InputError):
    """A file that is no radiograph: damaged, cut short, of another kind."""


@dataclass(frozen=True)
class Radiograph:
    """An image as the pipeline sees it: (rows, columns) uint8, bright is dense.

    `source` says what it was, and by which rule it became 8 bits.
    """

    pixels: np.ndarray
    source: str
    header: Header = Header()


def read(path: Path) -> Radiograph:
    """Decode an image file.

    Raises:
        UnreadableError: if its content cannot be decoded to one gray image.
        OSError: if the file cannot be read at all, which is no fault of its content.
    """
    content = path.read_bytes()
    decode = _decode_dicom if path.suffix.lower() in DICOM_SUFFIXES else _decode_picture
    if not content:
        raise UnreadableError("empty file")
    try:
        return decode(content)
    except (UnreadableError, MemoryError):
        raise
    except Exception as error:  # decoders raise anything at all on damaged bytes
        reason = " ".join(re.sub("<.*?>", "", str(error)).split())[:100] or type(error).__name__
        raise UnreadableError(f"cannot be decoded: {reason}") from error


def to_8_bit(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Map low..high to 0..255 linearly; what lies outside is clipped.

    Args:
        values: any shape and kind of number.
        low, high: in the unit of the values; if they are equal, all is 0.

    Returns:
        uint8 of the same shape.
    """
    if high <= low:
        return np.zeros(values.shape, np.uint8)
    scaled = (values.astype(np.float64) - low) * (255 / (high - low))
    return np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)


def _decode_dicom(content: bytes) -> Radiograph:
    # The competition's UIDs (ID_0011fe81e) are not valid, and pydicom would say so for every file.
    with disable_value_validation(), warnings.catch_warnings():
        warnings.filterwarnings("error", message="End of file reached")
        try:
            data = pydicom.dcmread(BytesIO(content))
        except pydicom.errors.InvalidDicomError:
            raise UnreadableError("not a DICOM file") from None
        if int(data.get("NumberOfFrames") or 1) > 1:
            raise UnreadableError(f"{data.NumberOfFrames} frames, not one image")
        if data.PhotometricInterpretation == "PALETTE COLOR":
            raise UnreadableError("a palette, not gray values")
        # Decoders round differently: with one for all, pixels do not depend on what is installed.
        baseline = data.file_meta.get("TransferSyntaxUID") == JPEGBaseline8Bit
        values = pixel_array(data, decoding_plugin="pillow" if baseline else "")
        gray = _one_channel(values)
        pixels, rule = _windowed(data, gray)
        if data.PhotometricInterpretation == "MONOCHROME1":
            pixels, rule = 255 - pixels, f"{rule} inverted"
        return Radiograph(pixels, f"dicom {rule}", read_header(data))


def _windowed(data: pydicom.Dataset, values: np.ndarray) -> tuple[np.ndarray, str]:
    """To 8 bits: as they are, else by the header's window, else by the range of the values.

    Reference:
        DICOM PS3.3 C.11.2.1.2.1, the linear function.
    """
    bits = int(data.BitsStored)
    if bits <= 8 and values.min() >= 0:
        return values.astype(np.uint8), "8-bit"
    values = values * float(first(data, "RescaleSlope") or 1) + float(
        first(data, "RescaleIntercept") or 0
    )
    centre, width = first(data, "WindowCenter"), first(data, "WindowWidth")
    if centre and width and float(width) > 1:
        low = float(centre) - 0.5 - (float(width) - 1) / 2
        pixels = to_8_bit(values, low, low + float(width) - 1)
        return pixels, f"{bits}-bit window {float(centre):g}/{float(width):g}"
    low, high = values.min(), values.max()
    return to_8_bit(values, low, high), f"{bits}-bit range {low:g}..{high:g}"


def _decode_picture(content: bytes) -> Radiograph:
    """A PNG or JPEG as re-hosts have them: gray, gray stored in colour, or 16 bits deep."""
    with Image.open(BytesIO(content), formats=("PNG", "JPEG")) as picture:
        picture.load()
        kind = str(picture.format).lower()
        if picture.mode.startswith("I"):
            values = np.asarray(picture)
            low, high = values.min(), values.max()
            return Radiograph(to_8_bit(values, low, high), f"{kind} 16-bit range {low:g}..{high:g}")
        gray = picture.mode in ("L", "1")
        values = np.asarray(picture.convert("L" if gray else "RGB"))
        return Radiograph(_one_channel(values), f"{kind} 8-bit" if gray else f"{kind} rgb")


def _one_channel(values: np.ndarray) -> np.ndarray:
    """(rows, columns) of gray, from one channel or from three that are equal."""
    if values.ndim == 2:
        return values
    if values.ndim != 3 or values.shape[2] != 3:
        raise UnreadableError(f"pixels of shape {values.shape}, not one gray image")
    apart = np.ptp(values.astype(np.int32), axis=2).max()
    if apart > GRAY_TOLERANCE:
        raise UnreadableError(f"a colour image: its channels differ by up to {apart}")
    return values[..., 1]
