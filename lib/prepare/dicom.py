"""Decoder of DICOM, PNG and JPEG files to 8-bit gray radiographs."""

import re
import warnings
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import cast

import numpy as np
import pydicom
from PIL import Image, ImageOps
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
PIXEL_ELEMENTS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
PALETTE = "PALETTE COLOR"
GRAY_8_BIT = {"SamplesPerPixel": 1, "BitsAllocated": 8, "PixelRepresentation": 0}
GRAY_KINDS = ("MONOCHROME1", "MONOCHROME2")
COLOUR_KINDS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", PALETTE)
# pydicom only warns of a file cut short, and of pixels of another shape than the header's.
FATAL_WARNINGS = "End of file reached|The decoded RLE segment contains non-conformant padding"

ORIENTATION, TURNED = 0x0112, (5, 6, 7, 8)  # EXIF tag; its values that swap rows and columns

# The decoders of each transfer syntax, in order, and the packages to install for them. Decoders
# round differently, so their order does not depend on what is installed. For JPEG Lossless, GDCM
# is the one with a permissive licence; pylibjpeg-libjpeg is under the GPL, and no requirement.
PILLOW, GDCM, PYLIBJPEG = "pillow", "gdcm", "pylibjpeg"
DECODERS: dict[str, tuple[tuple[str, ...], str]] = {
    uid.JPEGBaseline8Bit: ((PILLOW,), PILLOW),
    **dict.fromkeys(uid.JPEG2000TransferSyntaxes, ((PILLOW, GDCM), PILLOW)),
    **dict.fromkeys(
        (uid.JPEGLossless, uid.JPEGLosslessSV1, *uid.JPEGLSTransferSyntaxes),
        ((GDCM,), "python-gdcm"),
    ),
    uid.JPEGExtended12Bit: ((PYLIBJPEG,), "pylibjpeg pylibjpeg-libjpeg"),
    **dict.fromkeys(
        (uid.HTJ2K, uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL),
        ((PYLIBJPEG,), "pylibjpeg pylibjpeg-openjpeg"),
    ),
}


@dataclass(frozen=True)
class Radiograph:
    """A decoded image: (rows, columns) uint8, bright is dense.

    `source` names the kind of file and the rule that mapped its values to 8 bits.
    """

    pixels: np.ndarray
    source: str
    header: Header = Header()


def read(path: Path) -> Radiograph:
    """Decode an image file.

    Raises:
        UnreadableError: if the content cannot be decoded to one gray image.
        InputError: if memory is too small for it; the content may be good.
        OSError: if the file cannot be read; the content may be good.
    """
    if path.is_dir():
        raise UnreadableError("a folder, not a file")
    content = path.read_bytes()
    # Archives store DICOM files without a suffix, or with a number.
    decode = _decode_picture if path.suffix.lower() in PICTURE_SUFFIXES else _decode_dicom
    if not content:
        raise UnreadableError("empty file")
    try:
        return decode(content)
    except MemoryError:
        raise InputError(
            f"{path} needs more memory than there is; use fewer --workers, or take it out"
        ) from None
    except Exception as error:  # decoders raise any exception on damaged bytes
        # Their messages hold addresses of objects, and parts of the file.
        reason = one_line(re.sub("<.*?>", "", str(error)))[:200] or type(error).__name__
        fault = "" if isinstance(error, UnreadableError) else "cannot be decoded: "
        raise UnreadableError(fault + reason) from error


def read_size(path: Path) -> tuple[int, int] | None:
    """Return rows and columns of an image file from its header; None if it cannot be read."""
    try:
        if path.suffix.lower() in DICOM_SUFFIXES:
            tags = ["Rows", "Columns"]
            with disable_value_validation():
                data = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=tags)
            return int(data.Rows), int(data.Columns)
        with Image.open(path, formats=("PNG", "JPEG")) as picture:
            size = picture.height, picture.width
            return size[::-1] if picture.getexif().get(ORIENTATION, 1) in TURNED else size
    except Exception:  # `read` says later what is wrong with the file
        return None


def _decode_dicom(content: bytes) -> Radiograph:
    # The competition's UIDs (ID_0011fe81e) are not valid: pydicom would warn at every file.
    with disable_value_validation(), warnings.catch_warnings():
        warnings.filterwarnings("error", message=FATAL_WARNINGS)
        try:
            data = pydicom.dcmread(BytesIO(content))
        except pydicom.errors.InvalidDicomError:
            raise UnreadableError("not a DICOM file") from None
        _check_header(data)
        values, kind = _decode_pixels(data), data.PhotometricInterpretation
        _check_pixel_length(data)
        if kind in GRAY_KINDS:
            pixels, rule = windowing.gray_to_8_bit(data, values)
        elif kind == PALETTE:
            colours = apply_color_lut(values, data)
            pixels, rule = windowing.colour_to_8_bit(colours, 8 * colours.itemsize)
            rule += " palette"
        else:
            pixels, rule = windowing.colour_to_8_bit(values, int(data.BitsStored))
        if kind == "MONOCHROME1":
            pixels, rule = 255 - pixels, f"{rule} inverted"
        return Radiograph(pixels, f"dicom {rule}", read_header(data))


def _check_header(data: pydicom.Dataset) -> None:
    """Refuse a file whose header is not that of a single image; nothing is decoded yet."""
    if not any(name in data for name in PIXEL_ELEMENTS):
        raise UnreadableError(f"no image in it{_sop_class(data)}")
    frames = data.get("NumberOfFrames") or 1
    if frames != 1:
        raise UnreadableError(f"{frames} frames, not one image")
    rows, columns = (int(data.get(name) or 0) for name in ("Rows", "Columns"))
    if rows * columns > MAX_PIXELS:
        raise UnreadableError(f"{rows} x {columns} pixels, more than a radiograph has")
    kind = data.get("PhotometricInterpretation")
    if kind not in GRAY_KINDS + COLOUR_KINDS:
        raise UnreadableError(
            f"pixels of the kind {kind}, which is neither gray nor a known colour"
        )
    stored, high = data.get("BitsStored"), data.get("HighBit")
    if stored and high is not None and high != stored - 1:
        raise UnreadableError(f"high bit {high} of {stored} bits: values are not where they belong")


def _sop_class(data: pydicom.Dataset) -> str:
    """Return the kind of a file without pixels, for the message; "" if it is not stated."""
    kind = data.get("SOPClassUID") or data.file_meta.get("MediaStorageSOPClassUID")
    return f": it is a {kind.name}" if kind else ""


def _decode_pixels(data: pydicom.Dataset) -> np.ndarray:
    """Return the pixels as stored; YBR becomes RGB.

    Raises:
        UnreadableError: if the package that decodes them is not installed.
    """
    syntax = data.file_meta.get("TransferSyntaxUID")
    is_gray_8_bit = tuple(map(data.get, GRAY_8_BIT)) == tuple(GRAY_8_BIT.values())
    if syntax == uid.JPEGBaseline8Bit and is_gray_8_bit:
        return _decode_gray_jpeg(data)
    if syntax not in DECODERS:
        return pixel_array(data)
    plugins, packages = DECODERS[syntax]
    if syntax == uid.JPEGExtended12Bit and data.get("BitsStored") == 8:
        plugins = (PILLOW,)  # it decodes no more bits of this syntax
    available = [plugin for plugin in plugins if plugin in get_decoder(syntax).available_plugins]
    if not available:
        raise UnreadableError(
            f"{syntax.name} needs a decoder that is not installed: pip install {packages}"
        )
    for plugin in available:
        with suppress(RuntimeError):
            return pixel_array(data, decoding_plugin=plugin)
    raise UnreadableError(
        f"{syntax.name} pixels that {' and '.join(available)} cannot decode: damaged or cut short"
    )


def _decode_gray_jpeg(data: pydicom.Dataset) -> np.ndarray:
    """Decode a gray JPEG, as all files of the competition are, without pydicom's two copies."""
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


def _check_pixel_length(data: pydicom.Dataset) -> None:
    """Refuse more pixels than the header states: they would be cropped or sheared."""
    if data.file_meta.TransferSyntaxUID.is_encapsulated:
        return
    expected = get_expected_length(data)
    content = next(data[name].value for name in PIXEL_ELEMENTS if name in data)
    excess = content[expected + expected % 2 :]
    if len(excess) > expected // data.Rows or any(excess):  # up to a row of nulls is padding
        raise UnreadableError(
            f"{len(excess)} bytes more than the {data.Rows} x {data.Columns} pixels of its header"
        )


def _decode_picture(content: bytes) -> Radiograph:
    """Decode a PNG or JPEG: gray, gray stored in colour, a colour photograph, or 16 bits deep."""
    with Image.open(BytesIO(content), formats=("PNG", "JPEG")) as opened:
        opened.load()
        picture, kind = cast(Image.Image, opened), str(opened.format).lower()
        if picture.getexif().get(ORIENTATION, 1) != 1:  # a phone's photograph: as viewers show it
            picture, kind = ImageOps.exif_transpose(picture), f"{kind} turned"
        if picture.mode.startswith("I"):
            values = np.asarray(picture)
            pixels, rule = windowing.range_to_8_bit(values, values)
            return Radiograph(pixels, f"{kind} 16-bit {rule}")
        if picture.mode in ("L", "1"):
            return Radiograph(np.asarray(picture.convert("L")), f"{kind} 8-bit")
        colours = np.asarray(picture.convert("RGB"))
        gray = windowing.gray_of_channels(colours)
        if gray is not None:
            return Radiograph(gray, f"{kind} rgb")
        pixels, rule = windowing.colour_to_8_bit(colours, 8)
        return Radiograph(pixels, f"{kind} rgb {rule}")
