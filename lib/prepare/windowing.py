"""From pixel values of any depth and meaning to 8-bit gray, bright for dense."""

import math

import numpy as np
import pydicom
from pydicom.pixels import apply_modality_lut, apply_voi

from lib.errors import InputError
from lib.prepare.header import first

GRAY_TOLERANCE = 8  # gray levels between the channels of a gray image stored in colour
LUMINANCE = np.array([0.299, 0.587, 0.114])  # of red, green and blue: ITU-R BT.601


class UnreadableError(InputError):
    """A file that is no radiograph: damaged, cut short, of another kind."""


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


@np.errstate(over="ignore", invalid="ignore")  # by odd headers: what comes of it is checked
def of_gray(data: pydicom.Dataset, stored: np.ndarray) -> tuple[np.ndarray, str]:
    """Gray values to 8 bits, by the header's window or table, else by their range.

    8 bits and fewer are what was shown: they fill the range that they are stored in.

    Args:
        data: the header.
        stored: (rows, columns) of any kind of number.

    Returns:
        uint8 of the same shape, and the rule in words.

    Raises:
        UnreadableError: if there are several channels, values or window are not finite, the window
            is of an unknown kind, or the header makes pixels alike that differ.
    """
    if stored.ndim != 2:
        raise UnreadableError(f"gray pixels of shape {stored.shape}, not one image")
    whole = stored.dtype.kind != "f"
    bits = int(data.get("BitsStored") or data.BitsAllocated) if whole else 8 * stored.itemsize
    if bits <= 8 and stored.min() >= 0:
        as_shown = stored if bits == 8 else to_8_bit(stored, 0, 2**bits - 1)
        return as_shown.astype(np.uint8, copy=False), f"{bits}-bit"
    values, window = _rescaled(data, stored), _window(data)
    if window:
        shown, rule = _windowed(values, *window), f"window {window[0]:g}/{window[1]:g}"
    elif data.get("VOILUTSequence"):
        shown, rule = _looked_up(data, values), "table"
    else:
        low, high = _range(data, stored, values)
        return to_8_bit(values, low, high), f"{bits}-bit range {low:g}..{high:g}"
    _refuse_lost(values, shown, rule)
    return shown, f"{bits}-bit {rule}"


def of_colour(values: np.ndarray, bits: int) -> tuple[np.ndarray, str]:
    """Colours to 8 bits: the one gray that is stored in them, or else their luminance.

    Args:
        values: (rows, columns, 3) of red, green and blue, from 0 to 2**bits - 1.

    Returns:
        (rows, columns) uint8, and the rule in words.
    """
    gray = one_gray(values)
    if gray is not None:
        return to_8_bit(gray, 0, 2**bits - 1), f"{bits}-bit"
    return to_8_bit(values @ LUMINANCE, 0, 2**bits - 1), f"{bits}-bit luminance"


def one_gray(values: np.ndarray) -> np.ndarray | None:
    """(rows, columns) of the gray that is stored in three channels; None if they differ."""
    if values.ndim != 3 or values.shape[2] != 3:
        raise UnreadableError(f"pixels of shape {values.shape}, not one image")
    apart = np.ptp(values.astype(np.int64), axis=2).max()
    return values[..., 1] if apart <= GRAY_TOLERANCE else None


def _rescaled(data: pydicom.Dataset, stored: np.ndarray) -> np.ndarray:
    """From stored values to those that windows are stated in.

    Reference:
        DICOM PS3.3 C.11.1, the modality transformation.
    """
    if not np.isfinite(stored).all():
        raise UnreadableError("pixels that are not finite numbers")
    if data.get("ModalityLUTSequence"):
        values = apply_modality_lut(stored, data)
    else:
        slope = float(first(data, "RescaleSlope") or 1)
        values = stored * slope + float(first(data, "RescaleIntercept") or 0)
    if not math.isfinite(_spread(values)):
        raise UnreadableError("pixels rescaled to values that are not finite")
    _refuse_lost(stored, values, "rescaling")
    return values


def _window(data: pydicom.Dataset) -> tuple[float, float, str] | None:
    """Centre, width and function of the header's first window, if it has one of any width."""
    if not (first(data, "WindowCenter") and first(data, "WindowWidth")):
        return None
    centre, width = (float(first(data, f"Window{name}")) for name in ("Center", "Width"))
    function = first(data, "VOILUTFunction") or "LINEAR"
    if not (math.isfinite(centre) and math.isfinite(width)):
        raise UnreadableError(f"a window of {centre:g}/{width:g}, which are not both finite")
    return (centre, width, function) if width > (1 if function == "LINEAR" else 0) else None


def _spread(values: np.ndarray) -> float:
    """Greatest less least; not finite if one of the values is not."""
    return float(values.max()) - float(values.min())


def _refuse_lost(before: np.ndarray, after: np.ndarray, rule: str) -> None:
    if _spread(after) == 0 < _spread(before):
        raise UnreadableError(f"pixels differ, but its {rule} makes all of them alike")


def _windowed(values: np.ndarray, centre: float, width: float, function: str) -> np.ndarray:
    """The part of the values that a window shows, as 8 bits.

    Reference:
        DICOM PS3.3 C.11.2.1.2 (LINEAR) and C.11.2.1.3 (SIGMOID, LINEAR_EXACT).
    """
    if function == "SIGMOID":  # 1 / (1 + exp(-4 x)) is (1 + tanh(2 x)) / 2
        return to_8_bit(np.tanh(2 * (values - centre) / width), -1, 1)
    if function == "LINEAR":
        centre, width = centre - 0.5, width - 1
    elif function != "LINEAR_EXACT":
        raise UnreadableError(f"a window of the unknown function {function[:40]!r}")
    return to_8_bit(values, centre - width / 2, centre + width / 2)


def _looked_up(data: pydicom.Dataset, values: np.ndarray) -> np.ndarray:
    """What the header's table shows, as 8 bits.

    Reference:
        DICOM PS3.3 C.11.2.1.1, the VOI LUT.
    """
    depth = data.VOILUTSequence[0].LUTDescriptor[2]
    return to_8_bit(apply_voi(np.rint(values).astype(np.int64), data), 0, 2**depth - 1)


def _range(data: pydicom.Dataset, stored: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """The least and greatest value, the padding around the image apart."""
    padding = data.get("PixelPaddingValue")
    if padding is not None:
        limit = data.get("PixelPaddingRangeLimit", padding)
        inside = (stored < min(padding, limit)) | (stored > max(padding, limit))
        values = values[inside] if inside.any() else values
    return float(values.min()), float(values.max())
