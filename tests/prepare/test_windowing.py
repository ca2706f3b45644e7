"""DICOM files of every kind: those of pydicom's own tests, odd headers, and damaged ones."""

import io
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.data.data_manager import DATA_ROOT
from pydicom.dataset import Dataset
from pydicom.pixels import (
    apply_color_lut,
    apply_modality_lut,
    apply_windowing,
    get_decoder,
    pixel_array,
)
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from lib.errors import InputError
from lib.prepare import dicom
from lib.prepare.dicom import UnreadableError
from tests.raw_folders import noise, write_dicom

WHEEL = Path(DATA_ROOT) / "test_files"  # what pydicom would download lies elsewhere
FILES = sorted(path.relative_to(WHEEL).as_posix() for path in WHEEL.rglob("*") if path.is_file())
RAMP = np.array([[0, 1000], [2000, 4000]], np.uint16)


def copied(name: str, tmp_path: Path) -> Path:
    return Path(shutil.copyfile(WHEEL / name, tmp_path / "a.dcm"))


def said(path: Path) -> str:
    """The one line that says why a file cannot be read; "" if it is read."""
    reason = ""
    try:
        pixels = dicom.read(path).pixels
    except UnreadableError as error:
        reason = str(error) or "nothing"
    else:
        assert (pixels.dtype, pixels.ndim) == (np.uint8, 2)
    assert len(reason.splitlines()) <= 1
    return reason


# Pydicom's own files, against what pydicom makes of them.


def pixels_by_pydicom(path: Path) -> tuple[Dataset, np.ndarray]:
    """Raises anything at all for what is no single image."""
    data = pydicom.dcmread(path)
    baseline = data.file_meta.TransferSyntaxUID == JPEGBaseline8Bit
    return data, pixel_array(data, decoding_plugin="pillow" if baseline else "")


def shown(data: Dataset, values: np.ndarray) -> np.ndarray:
    """What is on the screen, 0 to 255, by pydicom's own functions."""
    if data.PhotometricInterpretation == "PALETTE COLOR":
        values = apply_color_lut(values, data)
    if values.ndim == 3:
        deepest = 2 ** (8 * values.itemsize) - 1
        return sum(values[..., i] * share for i, share in enumerate((0.299, 0.587, 0.114))) * (
            255 / deepest
        )
    if data.BitsStored == 8:
        return values.astype(float)
    values = apply_modality_lut(values, data).astype(float)
    low, high = values.min(), values.max()
    if "WindowCenter" in data:
        low, high = apply_windowing(np.array([-1e9, 1e9]), data)  # the black and the white it gives
        values = apply_windowing(values, data)
    gray = (values - low) * 255 / (high - low)
    return 255 - gray if data.PhotometricInterpretation == "MONOCHROME1" else gray


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom warns of what is odd in its files
@pytest.mark.parametrize("name", FILES)
def test_each_file_of_pydicom_is_read_as_pydicom_shows_it_or_refused(
    tmp_path: Path, name: str
) -> None:
    path = copied(name, tmp_path)
    try:
        data, values = pixels_by_pydicom(path)
        one_image = int(data.get("NumberOfFrames") or 1) == 1
    except Exception:
        one_image = False
    expected = shown(data, values) if one_image else None
    if expected is None:
        assert said(path)
    elif np.ptp(expected) == 0:  # bone in a window of the brain: white, and nothing to be seen
        assert said(path) == "pixels differ, but its window 30/100 makes all of them alike"
    else:
        assert np.abs(dicom.read(path).pixels - expected).max() <= 0.501


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("examples_ybr_color.dcm", "30 frames, not one image"),
        ("rtdose_rle.dcm", "15 frames, not one image"),
        ("badVR.dcm", "1A frames, not one image"),
        ("rtplan.dcm", "no image in it: it is a RT Plan Storage"),
        ("dicomdirtests/DICOMDIR", "no image in it: it is a Media Storage Directory Storage"),
        ("meta_missing_tsyntax.dcm", "pixels of the kind None"),
        ("MR_truncated.dcm", "8130 vs 8192 bytes"),
        ("no_meta.dcm", "not a DICOM file"),
        ("README.txt", "not a DICOM file"),
        ("zipMR.gz", "not a DICOM file"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_is_no_single_image_is_named(tmp_path: Path, name: str, reason: str) -> None:
    assert reason in said(copied(name, tmp_path))


def decodable(name: str) -> bool:
    """Whether a decoder for a file is installed here: not all of them need be."""
    uid = pydicom.dcmread(WHEEL / name, stop_before_pixels=True).file_meta.TransferSyntaxUID
    return uid not in dicom.PACKAGES or bool({*get_decoder(uid).available_plugins} - {"pillow"})


ENCODED = ["MR_small_RLE.dcm", "MR_small_bigendian.dcm", "MR_small_expb.dcm",
           "MR_small_implicit.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm",
           "MR_small_padded.dcm"]  # fmt: skip


@pytest.mark.parametrize("name", ENCODED)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_one_image_in_all_lossless_codes_is_one_image(tmp_path: Path, name: str) -> None:
    if not decodable(name):
        pytest.skip("its decoder is not installed")
    plain = dicom.read(copied("MR_small.dcm", tmp_path)).pixels
    assert (dicom.read(copied(name, tmp_path)).pixels == plain).all()


# Ten bars of ten rows, as they were drawn: red, pink, green, light green, blue, light blue, grays.
BARS = [(255, 0, 0), (255, 128, 128), (0, 255, 0), (128, 255, 128), (0, 0, 255), (128, 128, 255),
        (0, 0, 0), (64, 64, 64), (192, 192, 192), (255, 255, 255)]  # fmt: skip
WITH_BARS = [name for name in FILES
             if name.startswith(("SC_rgb", "SC_ybr")) and "odd" not in name and "frame" not in name
             and name not in ("SC_rgb_jpeg.dcm", "SC_rgb_jpeg_dcmd.dcm",
                              "SC_rgb_jpeg_app14_dcmd.dcm")]  # fmt: skip


@pytest.mark.parametrize("name", WITH_BARS)
def test_bars_of_colour_have_their_luminance_in_every_code(tmp_path: Path, name: str) -> None:
    if not decodable(name):
        pytest.skip("its decoder is not installed")
    radiograph = dicom.read(copied(name, tmp_path))
    expected = [0.299 * red + 0.587 * green + 0.114 * blue for red, green, blue in BARS]
    assert np.abs(radiograph.pixels[5::10, 50] - np.array(expected)).max() <= 3
    assert radiograph.source.endswith("-bit luminance")


# Headers, on values worked by hand.


def read_ramp(tmp_path: Path, bits: int = 12, **elements: object) -> dicom.Radiograph:
    return dicom.read(write_dicom(tmp_path / "a.dcm", RAMP, bits, **elements))


def test_a_linear_exact_window_has_its_whole_width(tmp_path: Path) -> None:
    window = {"WindowCenter": 2000, "WindowWidth": 4000}
    radiograph = read_ramp(tmp_path, VOILUTFunction="LINEAR_EXACT", **window)
    assert radiograph.pixels.tolist() == [[0, 64], [128, 255]]  # v * 255 / 4000


def test_a_sigmoid_window_is_the_standards_curve(tmp_path: Path) -> None:
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
def test_a_rescaling_to_no_number_is_refused(tmp_path: Path, rescale: dict[str, str]) -> None:
    with pytest.raises(UnreadableError, match="rescaled to values that are not finite"):
        read_ramp(tmp_path, **rescale)


@pytest.mark.parametrize("rescale", [{"RescaleSlope": "0"}, {"RescaleIntercept": "1e308"}], ids=str)
def test_a_rescaling_that_leaves_nothing_is_refused(
    tmp_path: Path, rescale: dict[str, str]
) -> None:
    with pytest.raises(UnreadableError, match="rescaling makes all of them alike"):
        read_ramp(tmp_path, **rescale)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(
    ("centre", "width"),
    [("NaN", 100), ("inf", 100), ("-inf", 100), (2000, "NaN"), (2000, "inf"), (2000, "-inf")],
)
def test_a_window_of_no_number_is_refused(
    tmp_path: Path, centre: object, width: object, function: str
) -> None:
    window = {"WindowCenter": centre, "WindowWidth": width}
    with pytest.raises(UnreadableError, match="a window of .*, which are not both finite"):
        read_ramp(tmp_path, VOILUTFunction=function, **window)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(
    ("centre", "width"), [(-1e6, 10), (1e6, 10), (1e308, 10), (2000, 1e308), (1e308, 1e308)]
)
def test_a_window_beside_all_pixels_is_refused(
    tmp_path: Path, centre: float, width: float, function: str
) -> None:
    window = {"WindowCenter": f"{centre:g}", "WindowWidth": f"{width:g}"}
    with pytest.raises(UnreadableError, match="its window .* makes all of them alike"):
        read_ramp(tmp_path, VOILUTFunction=function, **window)


@pytest.mark.parametrize(
    "elements", [{}, {"RescaleSlope": 0}, {"WindowCenter": 9, "WindowWidth": 9}]
)
def test_what_is_constant_from_the_start_is_constant_in_the_end(
    tmp_path: Path, elements: dict[str, int]
) -> None:
    path = write_dicom(tmp_path / "a.dcm", np.full((4, 4), 700, np.uint16), 12, **elements)
    assert len(np.unique(dicom.read(path).pixels)) == 1


def table(entries: list[int], first: int, bits: int) -> Dataset:
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [len(entries), first, bits], entries
    item["LUTDescriptor"].VR = item["LUTData"].VR = "US"
    return item


def test_a_table_of_the_header_decides_if_there_is_no_window(tmp_path: Path) -> None:
    entries = [0] * 1000 + [1023] * 500 + [512]
    radiograph = read_ramp(tmp_path, VOILUTSequence=[table(entries, 500, 10)])
    # 0 lies before the table, 1000 in its black part, 2000 and 4000 behind its end.
    assert radiograph.pixels.tolist() == [[0, 0], [128, 128]]
    assert radiograph.source == "dicom 12-bit table"


def test_a_table_that_leaves_nothing_is_refused(tmp_path: Path) -> None:
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
    data["PixelPaddingRangeLimit"].value = 40  # what it leaves is constant: no fault of the header
    data.save_as(path)
    assert dicom.read(path).pixels.tolist() == [[0, 0], [0, 0]]


def test_an_overlay_in_the_unused_bits_is_ignored(tmp_path: Path) -> None:
    values = RAMP | np.array([[0x8000, 0], [0x4000, 0]], np.uint16)
    path = write_dicom(tmp_path / "a.dcm", values, bits=12)
    assert dicom.read(path).pixels.tolist() == [[0, 64], [128, 255]]


def test_bits_that_are_not_where_they_belong_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="high bit 15 of 12 bits"):
        read_ramp(tmp_path, HighBit=15)


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


def write_rgb(path: Path, pixels: np.ndarray, kind: str = "RGB") -> Path:
    return write_dicom(path, pixels, 8, SamplesPerPixel=3, PlanarConfiguration=0,
                       PhotometricInterpretation=kind)  # fmt: skip


def test_one_gray_stored_in_colour_is_that_gray(tmp_path: Path) -> None:
    radiograph = dicom.read(write_rgb(tmp_path / "a.dcm", np.stack([noise(1)] * 3, axis=2)))
    assert (radiograph.pixels == noise(1)).all()
    assert radiograph.source == "dicom 8-bit"


def test_gray_of_several_channels_is_refused(tmp_path: Path) -> None:
    path = write_rgb(tmp_path / "a.dcm", np.stack([noise(1)] * 3, axis=2), "MONOCHROME2")
    assert said(path) == "gray pixels of shape (32, 32, 3), not one image"


def test_a_kind_of_colour_that_nobody_converts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="kind HSV"):
        dicom.read(write_rgb(tmp_path / "a.dcm", np.stack([noise(1)] * 3, axis=2), "HSV"))


# What cannot be decoded here.


@pytest.mark.parametrize(
    ("name", "uid", "packages"),
    [
        ("MR_small_jpeg_ls_lossless.dcm", JPEGLSLossless, "pyjpegls"),
        ("SC_rgb_jpeg_gdcm.dcm", JPEGLosslessSV1, "pylibjpeg pylibjpeg-libjpeg"),
    ],
)
def test_a_missing_decoder_is_named_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, uid: str, packages: str
) -> None:
    monkeypatch.setattr(get_decoder(uid), "_available", {})
    reason = said(copied(name, tmp_path))
    assert reason.startswith(uid.name)
    assert reason.endswith(f"needs a decoder that is not installed: pip install {packages}")


def test_what_pillow_decodes_only_in_part_names_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = get_decoder(pydicom.uid.JPEGExtended12Bit)
    only_pillow = {name: of for name, of in decoder._available.items() if name == "pillow"}
    monkeypatch.setattr(decoder, "_available", only_pillow)
    reason = said(copied("JPGExtended.dcm", tmp_path))
    assert reason.endswith("pip install pylibjpeg pylibjpeg-libjpeg")


def test_a_video_is_refused(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", noise(1))
    data = pydicom.dcmread(path)
    data.file_meta.TransferSyntaxUID = pydicom.uid.MPEG2MPML
    data["PixelData"].is_undefined_length = True
    data.PixelData = pydicom.encaps.encapsulate([b"x" * 20])
    data.save_as(path)
    assert "'MPEG2 Main Profile / Main Level' is not supported" in said(path)


def test_a_declared_size_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    reason = "65535 x 65535 pixels, more than a radiograph has"
    assert said(write_dicom(tmp_path / "a.dcm", noise(1), Rows=65535, Columns=65535)) == reason


def test_too_little_memory_is_not_the_files_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(dicom, "pixel_array", no_memory)
    with pytest.raises(InputError, match="needs more memory .*--workers") as caught:
        dicom.read(write_dicom(tmp_path / "a.dcm", noise(1)))
    assert not isinstance(caught.value, UnreadableError)


PLAIN = ["MR_small.dcm", "MR_small_RLE.dcm"]  # codes that do not state a shape of their own


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("side", ["Rows", "Columns"])
@pytest.mark.parametrize("less", [1, 2, 3, 4, 32])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_more_pixels_than_the_header_has_are_another_image(
    tmp_path: Path, name: str, side: str, less: int
) -> None:
    path = copied(name, tmp_path)
    data = pydicom.dcmread(path)
    data[side].value -= less
    data.save_as(path)
    assert said(path)


@pytest.mark.parametrize(
    ("side", "behind", "fault"),
    [
        pytest.param(4, b"", "", id="nothing"),
        pytest.param(3, b"\7", "", id="the-byte-that-makes-the-length-even"),
        pytest.param(4, bytes(4), "", id="a-row-of-null-bytes"),
        pytest.param(4, bytes(6), "6 bytes more than the 4 x 4 pixels", id="more-than-a-row"),
        pytest.param(4, b"\0\7", "2 bytes more than the 4 x 4 pixels", id="other-bytes"),
        pytest.param(4, bytes(16), "16 bytes more", id="a-second-image"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_lies_behind_the_pixels_must_be_padding(
    tmp_path: Path, side: int, behind: bytes, fault: str
) -> None:
    path = write_dicom(tmp_path / "a.dcm", noise(1, side))
    data = pydicom.dcmread(path)
    data.PixelData = noise(1, side).tobytes() + behind
    data.save_as(path)
    reason = said(path)
    assert fault in reason
    assert bool(reason) == bool(fault)


def test_a_folder_with_the_name_of_a_file_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").mkdir()
    assert said(tmp_path / "a.dcm") == "a folder, not a file"


# Damage: small images in each code, cut and changed anywhere.


IN_CODE = {
    DeflatedExplicitVRLittleEndian: "SC_rgb_small_odd.dcm",
    JPEG2000Lossless: "MR_small_jp2klossless.dcm",
    JPEGBaseline8Bit: "SC_rgb_small_odd_jpeg.dcm",
    JPEGLosslessSV1: "SC_rgb_jpeg_gdcm.dcm",
    JPEGLSLossless: "MR_small_jpeg_ls_lossless.dcm",
    RLELossless: "MR_small_RLE.dcm",
}


def in_code(uid: str) -> bytes:
    buffer = io.BytesIO()
    data = pydicom.dcmread(WHEEL / IN_CODE[uid])
    for element in list(data):  # private ones: most of a file, and nothing that is read here
        if element.tag.is_private:
            del data[element.tag]
    data.file_meta.TransferSyntaxUID = uid
    data.save_as(buffer)
    return buffer.getvalue()


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("uid", IN_CODE, ids=lambda uid: uid.name.replace(" ", "-"))
def test_a_file_cut_anywhere_is_unreadable_or_whole(tmp_path: Path, uid: str) -> None:
    whole, path = in_code(uid), tmp_path / "a.dcm"
    for kept in range(0, len(whole), max(1, len(whole) // 60)):
        path.write_bytes(whole[:kept])
        said(path)
    path.write_bytes(whole[: len(whole) * 3 // 4])
    assert said(path)


@pytest.mark.filterwarnings("ignore")  # decoders say all sorts of things
@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_changed_bytes_never_end_in_another_error(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(write_dicom(tmp_path / "a.dcm", noise(1, 8), 8, PatientAge="052Y",
                                    WindowCenter=9, WindowWidth=9).read_bytes())  # fmt: skip
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(128, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "a.dcm").write_bytes(content)
    said(tmp_path / "a.dcm")


@given(st.binary(max_size=300))
@settings(deadline=None, suppress_health_check=list(HealthCheck))
def test_random_bytes_are_unreadable(tmp_path: Path, content: bytes) -> None:
    for name, before in (("a.dcm", b""), ("b.dcm", b"\0" * 128 + b"DICM"), ("c.png", b"\x89PNG")):
        (tmp_path / name).write_bytes(before + content)
        assert said(tmp_path / name)
