"""Conversion of pixel values of any depth and meaning to 8-bit gray, bright for dense."""

import math

import numpy as np
import pydicom
from pydicom.pixels import apply_modality_lut, apply_voi

from lib.errors import InputError
from lib.prepare.header import first_value

GRAY_TOLERANCE = 8  # gray levels between the channels of a gray image stored in colour
INNER = 0.01, 0.99  # quantiles
MAX_REACH = 4  # of the range on either side of the inner values, in multiples of their width
LUMINANCE = np.array([0.299, 0.587, 0.114])  # of red, green and blue: ITU-R BT.601


class UnreadableError(InputError):
    """A file that is not a radiograph: damaged, cut short, or of another kind."""


def to_8_bit(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Map low..high to 0..255 linearly; clip values outside.

    Args:
        values: numbers of any type, in any shape.
        low, high: in the unit of the values; if they are equal, the result is 0 everywhere.

    Returns:
        uint8 of the same shape.
    """
    if high <= low:
        return np.zeros(values.shape, np.uint8)
    scaled = (values.astype(np.float64) - low) * (255 / (high - low))
    return np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)


@np.errstate(over="ignore", invalid="ignore")  # odd headers overflow; the result is checked
def gray_to_8_bit(data: pydicom.Dataset, stored: np.ndarray) -> tuple[np.ndarray, str]:
    """Convert gray values to 8 bits by the header's window or table, or else by their range.

    Values of 8 bits and fewer are display values: they are scaled by their bit depth alone.

    Args:
        data: the header.
        stored: (rows, columns) numbers of any type.

    Returns:
        uint8 of the same shape, and the name of the rule that was applied.

    Raises:
        UnreadableError: if there are several channels, values or window are not finite, the window
            has an unknown function, or the header maps different pixels to one value.
    """
    if stored.ndim != 2:
        raise UnreadableError(f"gray pixels of shape {stored.shape}, not one image")
    is_integer = stored.dtype.kind != "f"
    bits = int(data.get("BitsStored") or data.BitsAllocated) if is_integer else 8 * stored.itemsize
    if bits <= 8 and stored.min() >= 0:
        gray = stored if bits == 8 else to_8_bit(stored, 0, 2**bits - 1)
        return gray.astype(np.uint8, copy=False), f"{bits}-bit"
    values, window = _rescale(data, stored), _read_window(data)
    if window:
        gray, rule = _apply_window(values, *window), f"window {window[0]:g}/{window[1]:g}"
    elif data.get("VOILUTSequence"):
        gray, rule = _apply_voi_table(data, values), "table"
    else:
        gray, rule = range_to_8_bit(values, _without_padding(data, stored, values))
        return gray, f"{bits}-bit {rule}"
    _check_contrast(values, gray, rule)
    return gray, f"{bits}-bit {rule}"


def colour_to_8_bit(values: np.ndarray, bits: int) -> tuple[np.ndarray, str]:
    """Convert colours to 8-bit gray: the gray stored in all channels, or else the luminance.

    Args:
        values: (rows, columns, 3) of red, green and blue, from 0 to 2**bits - 1.
        bits: bit depth of a channel.

    Returns:
        (rows, columns) uint8, and the name of the rule that was applied.
    """
    gray = gray_of_channels(values)
    if gray is not None:
        return to_8_bit(gray, 0, 2**bits - 1), f"{bits}-bit"
    return to_8_bit(values @ LUMINANCE, 0, 2**bits - 1), f"{bits}-bit luminance"


def gray_of_channels(values: np.ndarray) -> np.ndarray | None:
    """Return the gray that is stored in three channels, (rows, columns); None if they differ."""
    if values.ndim != 3 or values.shape[2] != 3:
        raise UnreadableError(f"pixels of shape {values.shape}, not one image")
    difference = np.ptp(values.astype(np.int64), axis=2).max()
    return values[..., 1] if difference <= GRAY_TOLERANCE else None


def _rescale(data: pydicom.Dataset, stored: np.ndarray) -> np.ndarray:
    """Convert stored values to the unit of the header's window.

    Reference:
        DICOM PS3.3 C.11.1, the modality transformation.
    """
    if not np.isfinite(stored).all():
        raise UnreadableError("pixels that are not finite numbers")
    if data.get("ModalityLUTSequence"):
        values = apply_modality_lut(stored, data)
    else:
        slope = float(first_value(data, "RescaleSlope") or 1)
        values = stored * slope + float(first_value(data, "RescaleIntercept") or 0)
    if not math.isfinite(_value_range(values)):
        raise UnreadableError("pixels rescaled to values that are not finite")
    _check_contrast(stored, values, "rescaling")
    return values


def _read_window(data: pydicom.Dataset) -> tuple[float, float, str] | None:
    """Return centre, width and function of the header's first window; None without a width."""
    if not (first_value(data, "WindowCenter") and first_value(data, "WindowWidth")):
        return None
    centre, width = (float(first_value(data, f"Window{name}")) for name in ("Center", "Width"))
    function = first_value(data, "VOILUTFunction") or "LINEAR"
    if not (math.isfinite(centre) and math.isfinite(width)):
        raise UnreadableError(f"a window of {centre:g}/{width:g}, which are not both finite")
    return (centre, width, function) if width > (1 if function == "LINEAR" else 0) else None


def _value_range(values: np.ndarray) -> float:
    """Return maximum minus minimum; not finite if one of the values is not."""
    return float(values.max()) - float(values.min())


def _check_contrast(before: np.ndarray, after: np.ndarray, rule: str) -> None:
    """Refuse a rule that maps all pixels to one value although they differ."""
    if _value_range(after) == 0 < _value_range(before):
        raise UnreadableError(f"pixels differ, but its {rule} makes all of them alike")


def _apply_window(values: np.ndarray, centre: float, width: float, function: str) -> np.ndarray:
    """Map the values inside a window to 8 bits.

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


def _apply_voi_table(data: pydicom.Dataset, values: np.ndarray) -> np.ndarray:
    """Map values to 8 bits by the header's table.

    Reference:
        DICOM PS3.3 C.11.2.1.1, the VOI LUT.
    """
    depth = data.VOILUTSequence[0].LUTDescriptor[2]
    return to_8_bit(apply_voi(np.rint(values).astype(np.int64), data), 0, 2**depth - 1)


def range_to_8_bit(values: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, str]:
    """Map the range of an image to 0..255; return the range in words, too.

    A burned-in marker or a dead pixel may be far from all else, and the image would be black or
    white beside it. So outliers are clipped if the inner 98 % would get less than a fifth of the
    levels.

    Args:
        values: (rows, columns) numbers of any type.
        inside: those of the pixels that count, in any shape.

    Returns:
        uint8 of the same shape, and the name of the rule that was applied.
    """
    inner_low, inner_high = np.quantile(inside, INNER)
    reach = MAX_REACH * (inner_high - inner_low)
    kept = inside[(inside >= inner_low - reach) & (inside <= inner_high + reach)]
    if not reach or kept.size == inside.size:
        kept, rule = inside, "range"
    else:
        rule = "range without outliers"
    low, high = float(kept.min()), float(kept.max())
    return to_8_bit(values, low, high), f"{rule} {low:g}..{high:g}"


def _without_padding(data: pydicom.Dataset, stored: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the values without the padding around the image."""
    padding = data.get("PixelPaddingValue")
    if padding is not None:
        limit = data.get("PixelPaddingRangeLimit", padding)
        inside = (stored < min(padding, limit)) | (stored > max(padding, limit))
        return values[inside] if inside.any() else values
    return values
