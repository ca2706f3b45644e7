"""Conversion of pixel values to 8 bits, on values worked by hand."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from lib.prepare import dicom
from lib.prepare.windowing import UnreadableError
from tests.raw_folders import noise, write_dicom, write_rgb

RAMP = np.array([[0, 1000], [2000, 4000]], np.uint16)


def read_ramp(tmp_path: Path, bits: int = 12, **elements: object) -> dicom.Radiograph:
    return dicom.read(write_dicom(tmp_path / "a.dcm", RAMP, bits, **elements))


def test_more_bits_without_a_window_are_mapped_by_their_range(tmp_path: Path) -> None:
    radiograph = dicom.read(write_dicom(tmp_path / "a.dcm", RAMP, bits=12))
    assert radiograph.pixels.tolist() == [[0, 64], [128, 255]]  # v * 255 / 4000, rounded
    assert radiograph.source == "dicom 12-bit range 0..4000"


def test_the_window_of_the_header_applies(tmp_path: Path) -> None:
    path = write_dicom(
        tmp_path / "a.dcm", RAMP, 12, WindowCenter=[1500.5, 9], WindowWidth=[1001, 9]
    )
    radiograph = dicom.read(path)
    # The first window is used: 1000 is the first value that is black, 2000 the last that is white.
    assert radiograph.pixels.tolist() == [[0, 0], [255, 255]]
    assert radiograph.source == "dicom 12-bit window 1500.5/1001"


def test_the_window_applies_after_the_rescaling(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", RAMP, 12, RescaleSlope=2, RescaleIntercept=-1000,
                       WindowCenter=3000.5, WindowWidth=8001)  # fmt: skip
    # Rescaled -1000, 1000, 3000, 7000 in a window from -1000 to 7000.
    assert dicom.read(path).pixels.tolist() == [[0, 64], [128, 255]]


def test_signed_pixels_are_mapped_by_their_range(tmp_path: Path) -> None:
    pixels = np.array([[-100, 0], [100, 155]], np.int16)
    radiograph = dicom.read(write_dicom(tmp_path / "a.dcm", pixels, bits=16))
    assert radiograph.pixels.tolist() == [[0, 100], [200, 255]]


def test_a_constant_image_is_black(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", np.full((4, 4), 700, np.uint16), bits=12)
    assert (dicom.read(path).pixels == 0).all()


def test_a_linear_exact_window_has_its_whole_width(tmp_path: Path) -> None:
    window = {"WindowCenter": 2000, "WindowWidth": 4000}
    radiograph = read_ramp(tmp_path, VOILUTFunction="LINEAR_EXACT", **window)
    assert radiograph.pixels.tolist() == [[0, 64], [128, 255]]  # v * 255 / 4000


def test_a_sigmoid_window_has_the_curve_of_the_standard(tmp_path: Path) -> None:
    window = {"WindowCenter": 2000, "WindowWidth": 4000}
    radiograph = read_ramp(tmp_path, VOILUTFunction="SIGMOID", **window)
    expected = 255 / (1 + np.exp(-4 * (RAMP - 2000.0) / 4000))
    assert (radiograph.pixels == np.rint(expected)).all()


def test_a_window_may_be_around_zero(tmp_path: Path) -> None:
    values = np.array([[-300, -100], [20, 300]], np.int16)
    path = write_dicom(tmp_path / "a.dcm", values, 16, WindowCenter=0.5, WindowWidth=201)
    assert dicom.read(path).pixels.tolist() == [[0, 0], [153, 255]]  # -100 to 100
    path = write_dicom(tmp_path / "a.dcm", values, 16, WindowCenter=0, WindowWidth=201)
    assert dicom.read(path).source == "dicom 16-bit window 0/201"


def test_a_window_of_an_unknown_function_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="unknown function 'CUBIC'"):
        read_ramp(tmp_path, VOILUTFunction="CUBIC", WindowCenter=2000, WindowWidth=4000)


@pytest.mark.parametrize(
    "rescale",
    [{"RescaleSlope": slope} for slope in ("NaN", "inf", "1e308")]
    + [{"RescaleIntercept": intercept} for intercept in ("NaN", "-inf")],
    ids=str,
)
def test_a_rescaling_to_values_that_are_not_finite_is_refused(
    tmp_path: Path, rescale: dict[str, str]
) -> None:
    with pytest.raises(UnreadableError, match="rescaled to values that are not finite"):
        read_ramp(tmp_path, **rescale)


@pytest.mark.parametrize("rescale", [{"RescaleSlope": "0"}, {"RescaleIntercept": "1e308"}], ids=str)
def test_a_rescaling_to_a_single_value_is_refused(tmp_path: Path, rescale: dict[str, str]) -> None:
    with pytest.raises(UnreadableError, match="rescaling makes all of them alike"):
        read_ramp(tmp_path, **rescale)


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
    "elements", [{}, {"RescaleSlope": 0}, {"WindowCenter": 9, "WindowWidth": 9}]
)
def test_a_constant_image_stays_constant_and_is_accepted(
    tmp_path: Path, elements: dict[str, int]
) -> None:
    path = write_dicom(tmp_path / "a.dcm", np.full((4, 4), 700, np.uint16), 12, **elements)
    assert len(np.unique(dicom.read(path).pixels)) == 1


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


def test_float_pixels_are_mapped_by_their_range(tmp_path: Path) -> None:
    radiograph = dicom.read(write_float(tmp_path / "a.dcm", RAMP / 1000))
    assert radiograph.pixels.tolist() == [[0, 64], [128, 255]]
    assert radiograph.source == "dicom 32-bit range 0..4"


def test_float_pixels_are_never_8_bits_whatever_the_header_says(tmp_path: Path) -> None:
    radiograph = dicom.read(write_float(tmp_path / "a.dcm", RAMP / 5000, stray_bits=8))
    assert radiograph.pixels.tolist() == [[0, 64], [128, 255]]
    assert radiograph.source == "dicom 32-bit range 0..0.8"


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_float_pixels_must_be_finite(tmp_path: Path, odd: float) -> None:
    values = np.array([[0, 1], [2, odd]])
    with pytest.raises(UnreadableError, match="not finite"):
        dicom.read(write_float(tmp_path / "a.dcm", values))


def test_gray_stored_in_colour_is_that_gray(tmp_path: Path) -> None:
    radiograph = dicom.read(write_rgb(tmp_path / "a.dcm", np.stack([noise(1)] * 3, axis=2)))
    assert (radiograph.pixels == noise(1)).all()
    assert radiograph.source == "dicom 8-bit"
