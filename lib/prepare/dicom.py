"""Radiographs from files of any kind, as 8-bit gray pixels."""

import re
import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image
from pydicom import uid
from pydicom.config import disable_value_validation
from pydicom.encaps import generate_frames
from pydicom.pixels import apply_color_lut, get_decoder, pixel_array
from pydicom.pixels.utils import get_expected_length

from lib.errors import InputError
from lib.prepare import windowing
from lib.prepare.header import Header, one_line, read_header
from lib.prepare.windowing import UnreadableError

DICOM_SUFFIXES = (".dcm", ".dicom")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")
MAX_PIXELS = 100_000_000  # five times the largest radiographs
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
PALETTE = "PALETTE COLOR"
GRAY_BYTES = {"SamplesPerPixel": 1, "BitsAllocated": 8, "PixelRepresentation": 0}
GRAYS, COLOURS = ("MONOCHROME1", "MONOCHROME2"), ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT",
                                                  "YBR_RCT", PALETTE)  # fmt: skip
# What pydicom only warns of: a file cut short, and pixels of another shape than the header's.
FAULTS = "End of file reached|The decoded RLE segment contains non-conformant padding"

# What to install for syntaxes that pydicom and Pillow cannot decode, or only in part.
PACKAGES = {
    **dict.fromkeys(uid.JPEGLSTransferSyntaxes, "pyjpegls"),
    **dict.fromkeys(
        (uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1),
        "pylibjpeg pylibjpeg-libjpeg",
    ),
    **dict.fromkeys(
        (uid.HTJ2K, uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL), "pylibjpeg pylibjpeg-openjpeg"
    ),
}


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
        InputError: if there is not the memory for it, which is no fault of its content.
        OSError: if the file cannot be read at all, which is none either.
    """
    if path.is_dir():
        raise UnreadableError("a folder, not a file")
    content = path.read_bytes()
    decode = _decode_dicom if path.suffix.lower() in DICOM_SUFFIXES else _decode_picture
    if not content:
        raise UnreadableError("empty file")
    try:
        return decode(content)
    except MemoryError:
        raise InputError(
            f"{path} needs more memory than there is; use fewer --workers, or take it out"
        ) from None
    except Exception as error:  # decoders raise anything at all on damaged bytes
        # They name objects by their address, and quote what was never meant to be read.
        reason = one_line(re.sub("<.*?>", "", str(error)))[:200] or type(error).__name__
        known = isinstance(error, UnreadableError)
        raise UnreadableError(reason if known else f"cannot be decoded: {reason}") from error


def _decode_dicom(content: bytes) -> Radiograph:
    # The competition's UIDs (ID_0011fe81e) are not valid, and pydicom would say so for every file.
    with disable_value_validation(), warnings.catch_warnings():
        warnings.filterwarnings("error", message=FAULTS)
        try:
            data = pydicom.dcmread(BytesIO(content))
        except pydicom.errors.InvalidDicomError:
            raise UnreadableError("not a DICOM file") from None
        _refuse_other_kinds(data)
        values, kind = _decoded(data), data.PhotometricInterpretation
        _refuse_excess(data)
        if kind in GRAYS:
            pixels, rule = windowing.of_gray(data, values)
        elif kind == PALETTE:
            colours = apply_color_lut(values, data)
            pixels, rule = windowing.of_colour(colours, 8 * colours.itemsize)
            rule += " palette"
        else:
            pixels, rule = windowing.of_colour(values, int(data.BitsStored))
        if kind == "MONOCHROME1":
            pixels, rule = 255 - pixels, f"{rule} inverted"
        return Radiograph(pixels, f"dicom {rule}", read_header(data))


def _refuse_other_kinds(data: pydicom.Dataset) -> None:
    """Refuse what is no single image, by what its header says: nothing is decoded yet."""
    if not any(name in data for name in PIXELS):
        raise UnreadableError(f"no image in it{_named(data)}")
    frames = data.get("NumberOfFrames") or 1
    if frames != 1:
        raise UnreadableError(f"{frames} frames, not one image")
    rows, columns = (int(data.get(name) or 0) for name in ("Rows", "Columns"))
    if rows * columns > MAX_PIXELS:
        raise UnreadableError(f"{rows} x {columns} pixels, more than a radiograph has")
    kind = data.get("PhotometricInterpretation")
    if kind not in GRAYS + COLOURS:
        raise UnreadableError(
            f"pixels of the kind {kind}, which is neither gray nor a known colour"
        )
    stored, high = data.get("BitsStored"), data.get("HighBit")
    if stored and high is not None and high != stored - 1:
        raise UnreadableError(f"high bit {high} of {stored} bits: values are not where they belong")


def _named(data: pydicom.Dataset) -> str:
    kind = data.get("SOPClassUID") or data.file_meta.get("MediaStorageSOPClassUID")
    return f": it is a {kind.name}" if kind else ""


def _decoded(data: pydicom.Dataset) -> np.ndarray:
    """The pixels as they are stored, YBR apart, which becomes RGB.

    Raises:
        UnreadableError: if what decodes them is not installed.
    """
    syntax = data.file_meta.get("TransferSyntaxUID")
    # Decoders round differently: with one for all, pixels do not depend on what is installed.
    plugin = "pillow" if syntax == uid.JPEGBaseline8Bit else ""
    if plugin and tuple(map(data.get, GRAY_BYTES)) == tuple(GRAY_BYTES.values()):
        return _gray_jpeg(data)
    try:
        return pixel_array(data, decoding_plugin=plugin)
    except RuntimeError:
        if syntax in PACKAGES and not {*get_decoder(syntax).available_plugins} - {"pillow"}:
            raise UnreadableError(
                f"{syntax.name} needs a decoder that is not installed: "
                f"pip install {PACKAGES[syntax]}"
            ) from None
        raise


def _gray_jpeg(data: pydicom.Dataset) -> np.ndarray:
    """What pydicom has of Pillow too, and copies twice: the competition's files are all so."""
    frames = list(generate_frames(data.PixelData, number_of_frames=1))
    if len(frames) != 1:
        raise UnreadableError(f"{len(frames)} frames, not one image")
    with Image.open(BytesIO(frames[0]), formats=("JPEG",)) as picture:
        pixels = np.asarray(picture)
    if pixels.shape != (data.Rows, data.Columns):
        rows, columns = picture.height, picture.width
        raise UnreadableError(
            f"{picture.mode} pixels, {rows} x {columns}, where its header has "
            f"{data.Rows} x {data.Columns} gray ones"
        )
    return pixels


def _refuse_excess(data: pydicom.Dataset) -> None:
    """Refuse pixels of another shape than the header's, which would be cropped or sheared."""
    if data.file_meta.TransferSyntaxUID.is_encapsulated:
        return
    expected = get_expected_length(data)
    content = next(data[name].value for name in PIXELS if name in data)
    excess = content[expected + expected % 2 :]
    if len(excess) > expected // data.Rows or any(excess):  # up to a row of nulls is padding
        raise UnreadableError(
            f"{len(excess)} bytes more than the {data.Rows} x {data.Columns} pixels of its header"
        )


def _decode_picture(content: bytes) -> Radiograph:
    """A PNG or JPEG as re-hosts have them: gray, gray stored in colour, or 16 bits deep."""
    with Image.open(BytesIO(content), formats=("PNG", "JPEG")) as picture:
        picture.load()
        kind = str(picture.format).lower()
        if picture.mode.startswith("I"):
            values = np.asarray(picture)
            low, high = values.min(), values.max()
            shown = windowing.to_8_bit(values, low, high)
            return Radiograph(shown, f"{kind} 16-bit range {low:g}..{high:g}")
        if picture.mode in ("L", "1"):
            return Radiograph(np.asarray(picture.convert("L")), f"{kind} 8-bit")
        gray = windowing.one_gray(np.asarray(picture.convert("RGB")))
        if gray is None:
            raise UnreadableError("a colour image, not one gray stored in three channels")
        return Radiograph(gray, f"{kind} rgb")
