"""Conversion of pixel values to 8 bits, on values worked by hand."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from lib.prepare import dicom
from lib.prepare.windowing import UnreadableError
from tests.raw_folders import noise, write_dicom, write_rgb

RAMP = np.array([[0, 1000], [2000, 4000]], np.uint16)
SIGNED = np.array([[-100, -20], [20, 155]], np.int16)


def read_ramp(tmp_path: Path, bits: int = 12, **elements: object) -> dicom.Radiograph:
    return dicom.read(write_dicom(tmp_path / "a.dcm", RAMP, bits, **elements))


WINDOW = {"WindowCenter": 2000, "WindowWidth": 4000}
SIGMOID = np.rint(255 / (1 + np.exp(-4 * (RAMP - 2000.0) / 4000))).tolist()
MAPPED = {
    # 1000 is the first value that is black, 2000 the last that is white.
    "first-window": (RAMP, {"WindowCenter": [1500.5, 9], "WindowWidth": [1001, 9]},
                     [[0, 0], [255, 255]], "window 1500.5/1001"),
    # Rescaled -1000, 1000, 3000, 7000.
    "rescaled": (RAMP, {"RescaleSlope": 2, "RescaleIntercept": -1000, "WindowCenter": 3000.5,
                        "WindowWidth": 8001}, [[0, 64], [128, 255]], "window 3000.5/8001"),
    "linear-exact": (RAMP, WINDOW | {"VOILUTFunction": "LINEAR_EXACT"}, [[0, 64], [128, 255]],
                     "window 2000/4000"),
    "sigmoid": (RAMP, WINDOW | {"VOILUTFunction": "SIGMOID"}, SIGMOID, "window 2000/4000"),
    "around-zero": (SIGNED, {"WindowCenter": 0.5, "WindowWidth": 201}, [[0, 102], [153, 255]],
                    "window 0.5/201"),
    "centre-zero": (SIGNED, {"WindowCenter": 0, "WindowWidth": 201}, [[1, 103], [154, 255]],
                    "window 0/201"),
    "signed": (SIGNED, {}, [[0, 80], [120, 255]], "range -100..155"),
}  # fmt: skip


@pytest.mark.parametrize(("values", "elements", "expected", "rule"), MAPPED.values(), ids=MAPPED)
def test_values_are_mapped_by_window_or_range(
    tmp_path: Path, values: np.ndarray, elements: dict[str, object], expected: list, rule: str
) -> None:
    radiograph = dicom.read(write_dicom(tmp_path / "a.dcm", values, 16, **elements))
    assert radiograph.pixels.tolist() == expected
    assert radiograph.source == f"dicom 16-bit {rule}"


@pytest.mark.parametrize(
    ("elements", "fault"),
    [
        *[({"RescaleSlope": slope}, "are not finite") for slope in ("NaN", "inf", "1e308")],
        *[({"RescaleIntercept": value}, "are not finite") for value in ("NaN", "-inf")],
        ({"RescaleSlope": "0"}, "rescaling makes all of them alike"),
        ({"RescaleIntercept": "1e308"}, "rescaling makes all of them alike"),
        (WINDOW | {"VOILUTFunction": "CUBIC"}, "unknown function 'CUBIC'"),
    ],
    ids=str,
)
def test_rules_that_cannot_be_applied_are_refused(
    tmp_path: Path, elements: dict[str, object], fault: str
) -> None:
    with pytest.raises(UnreadableError, match=fault):
        read_ramp(tmp_path, **elements)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(
    ("centre", "width"),
    [("NaN", 100), ("inf", 100), ("-inf", 100), (2000, "NaN"), (2000, "inf"), (2000, "-inf")],
)
def test_a_window_that_is_not_finite_is_refused(
    tmp_path: Path, centre: object, width: object, function: str
) -> None:
    window = {"WindowCenter": centre, "WindowWidth": width}
    with pytest.raises(UnreadableError, match="a window of .*, which are not both finite"):
        read_ramp(tmp_path, VOILUTFunction=function, **window)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(
    ("centre", "width"), [(-1e6, 10), (1e6, 10), (1e308, 10), (2000, 1e308), (1e308, 1e308)]
)
def test_a_window_without_any_pixel_is_refused(
    tmp_path: Path, centre: float, width: float, function: str
) -> None:
    window = {"WindowCenter": f"{centre:g}", "WindowWidth": f"{width:g}"}
    with pytest.raises(UnreadableError, match="its window .* makes all of them alike"):
        read_ramp(tmp_path, VOILUTFunction=function, **window)


@pytest.mark.parametrize(
    ("elements", "value"),
    [({}, 0), ({"RescaleSlope": 0}, 0), ({"WindowCenter": 9, "WindowWidth": 9}, 255)],
)
def test_a_constant_image_stays_constant_and_is_accepted(
    tmp_path: Path, elements: dict[str, int], value: int
) -> None:
    path = write_dicom(tmp_path / "a.dcm", np.full((4, 4), 700, np.uint16), 12, **elements)
    assert (dicom.read(path).pixels == value).all()


def table(entries: list[int], first: int, bits: int) -> Dataset:
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [len(entries), first, bits], entries
    item["LUTDescriptor"].VR = item["LUTData"].VR = "US"
    return item


def test_the_table_of_the_header_applies_without_a_window(tmp_path: Path) -> None:
    entries = [0] * 1000 + [1023] * 500 + [512]
    radiograph = read_ramp(tmp_path, VOILUTSequence=[table(entries, 500, 10)])
    # 0 lies before the table, 1000 in its black part, 2000 and 4000 behind its end.
    assert radiograph.pixels.tolist() == [[0, 0], [128, 128]]
    assert radiograph.source == "dicom 12-bit table"


def test_a_table_with_a_single_value_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="its table makes all of them alike"):
        read_ramp(tmp_path, VOILUTSequence=[table([7, 7], 500, 10)])


def test_a_modality_table_comes_before_the_window(tmp_path: Path) -> None:
    sequence = table([100, 200, 300, 400], 0, 16)
    sequence.ModalityLUTType = "US"
    values = np.array([[0, 1], [2, 3]], np.uint16)
    path = write_dicom(tmp_path / "a.dcm", values, 12, ModalityLUTSequence=[sequence])
    assert dicom.read(path).pixels.tolist() == [[0, 85], [170, 255]]


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_all_depths_are_mapped_by_their_range(tmp_path: Path, bits: int) -> None:
    values = np.array([[0, 2 ** (bits - 1)], [2**bits - 1, 1]], np.uint16)
    radiograph = dicom.read(write_dicom(tmp_path / "a.dcm", values, bits))
    assert radiograph.pixels.tolist() == [[0, 128], [255, 0]]
    assert radiograph.source == f"dicom {bits}-bit range 0..{2**bits - 1:g}"


def test_fewer_than_8_bits_fill_their_range(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", np.array([[0, 1], [8, 15]], np.uint8), bits=4)
    assert dicom.read(path).pixels.tolist() == [[0, 17], [136, 255]]


def test_padding_does_not_widen_the_range(tmp_path: Path) -> None:
    values = np.array([[-2000, 0], [40, 100]], np.int16)
    path = write_dicom(tmp_path / "a.dcm", values, 16)
    data = pydicom.dcmread(path)
    data.add_new("PixelPaddingValue", "SS", -2000)
    data.save_as(path)
    assert dicom.read(path).pixels.tolist() == [[0, 0], [102, 255]]
    data.add_new("PixelPaddingRangeLimit", "SS", 0)
    data.save_as(path)
    assert dicom.read(path).pixels.tolist() == [[0, 0], [0, 255]]
    data["PixelPaddingRangeLimit"].value = 40  # the rest is constant, which is no error
    data.save_as(path)
    assert dicom.read(path).pixels.tolist() == [[0, 0], [0, 0]]


def test_an_overlay_in_the_unused_bits_is_ignored(tmp_path: Path) -> None:
    values = RAMP | np.array([[0x8000, 0], [0x4000, 0]], np.uint16)
    path = write_dicom(tmp_path / "a.dcm", values, bits=12)
    assert dicom.read(path).pixels.tolist() == [[0, 64], [128, 255]]


def write_float(path: Path, values: np.ndarray, stray_bits: int | None = None) -> Path:
    data = pydicom.dcmread(write_dicom(path, RAMP, 16))
    for keyword in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
        del data[keyword]
    if stray_bits:
        data.BitsStored = stray_bits
    data.BitsAllocated, data.FloatPixelData = 32, values.astype("<f4").tobytes()
    data.save_as(path)
    return path


@pytest.mark.parametrize(("divisor", "stray_bits"), [(1000, None), (5000, 8)])
def test_float_pixels_are_mapped_by_their_range_whatever_bits_the_header_has(
    tmp_path: Path, divisor: int, stray_bits: int | None
) -> None:
    radiograph = dicom.read(write_float(tmp_path / "a.dcm", RAMP / divisor, stray_bits))
    assert radiograph.pixels.tolist() == [[0, 64], [128, 255]]
    assert radiograph.source == f"dicom 32-bit range 0..{4000 / divisor:g}"


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_float_pixels_must_be_finite(tmp_path: Path, odd: float) -> None:
    values = np.array([[0, 1], [2, odd]])
    with pytest.raises(UnreadableError, match="not finite"):
        dicom.read(write_float(tmp_path / "a.dcm", values))


def test_gray_stored_in_colour_is_that_gray(tmp_path: Path) -> None:
    radiograph = dicom.read(write_rgb(tmp_path / "a.dcm", np.stack([noise(1)] * 3, axis=2)))
    assert (radiograph.pixels == noise(1)).all()
    assert radiograph.source == "dicom 8-bit"


@pytest.mark.parametrize("kind", ["dcm", "png"])
def test_a_burned_in_marker_does_not_turn_an_image_black(tmp_path: Path, kind: str) -> None:
    """By the range of all values, those up to 2,000 would have at most 8 of 255 levels."""
    values = np.arange(40 * 50, dtype=np.uint16).reshape(40, 50)
    values[0, :5] = 65_535  # less than a hundredth of the pixels
    path = tmp_path / f"a.{kind}"
    if kind == "dcm":
        write_dicom(path, values, 16)
    else:
        Image.fromarray(values).save(path)
    radiograph = dicom.read(path)
    assert radiograph.pixels[0, :5].tolist() == [255] * 5
    assert radiograph.pixels[20, 0] == 127  # (1000 - 5) / (1999 - 5) * 255
    assert radiograph.source.endswith("16-bit range without outliers 5..1999")
