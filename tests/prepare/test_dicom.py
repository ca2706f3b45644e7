"""Decoding: pydicom's own files, all kinds of pictures, odd headers, and damaged files."""

import io
import re
import shutil
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.data.data_manager import DATA_ROOT
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
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

from lib.prepare import dicom
from lib.prepare.dicom import UnreadableError
from tests.raw_folders import noise, write_dicom

WHEEL = Path(DATA_ROOT) / "test_files"  # files that pydicom would download are elsewhere
FILES = sorted(path.relative_to(WHEEL).as_posix() for path in WHEEL.rglob("*") if path.is_file())
RAMP = np.array([[0, 1000], [2000, 4000]], np.uint16)


def jpeg_of(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def write_jpeg_dicom(path: Path, pixels: np.ndarray) -> Path:
    file = pydicom.dcmread(write_dicom(path, pixels))
    file.PixelData = encapsulate([jpeg_of(pixels)])
    file["PixelData"].is_undefined_length = True
    file.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    file.save_as(path)
    return path


def copy_file(name: str, tmp_path: Path) -> Path:
    """Copy a file of pydicom's tests to a.dcm."""
    return Path(shutil.copyfile(WHEEL / name, tmp_path / "a.dcm"))


def fault_of(path: Path) -> str:
    """Return the line that says why a file cannot be read; "" if it is read."""
    reason = ""
    try:
        pixels = dicom.read(path).pixels
    except UnreadableError as error:
        reason = str(error) or "nothing"
    else:
        assert (pixels.dtype, pixels.ndim) == (np.uint8, 2)
    assert len(reason.splitlines()) <= 1
    return reason


# Files as they should be.


GRAY = noise(2)
COLOUR = np.stack([noise(1), noise(2), noise(3)], axis=2)


@pytest.mark.parametrize(
    ("name", "content", "pixels", "source"),
    [
        ("a.png", GRAY, GRAY, "png 8-bit"),
        ("a.PNG", GRAY, GRAY, "png 8-bit"),
        ("a.png", np.dstack([GRAY] * 3), GRAY, "png rgb"),
        ("a.png", RAMP, np.array([[0, 64], [128, 255]]), "png 16-bit range 0..4000"),
    ],
    ids=["gray", "gray-with-capitals", "gray-in-colour", "16-bit"],
)
def test_a_png_is_read_as_gray(
    tmp_path: Path, name: str, content: np.ndarray, pixels: np.ndarray, source: str
) -> None:
    Image.fromarray(content).save(tmp_path / name)
    radiograph = dicom.read(tmp_path / name)
    assert (radiograph.pixels == pixels).all()
    assert radiograph.source == source


def test_8_bit_pixels_stay_unchanged(tmp_path: Path) -> None:
    radiograph = dicom.read(write_dicom(tmp_path / "a.dcm", noise(1)))
    assert (radiograph.pixels == noise(1)).all()
    assert radiograph.source == "dicom 8-bit"


def test_monochrome1_is_inverted(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", noise(1), PhotometricInterpretation="MONOCHROME1")
    radiograph = dicom.read(path)
    assert (radiograph.pixels == 255 - noise(1)).all()
    assert radiograph.source == "dicom 8-bit inverted"


def test_jpeg_baseline_is_decoded_as_pillow_does(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    radiograph = dicom.read(write_jpeg_dicom(tmp_path / "a.dcm", smooth))
    expected = np.asarray(Image.open(io.BytesIO(jpeg_of(smooth))))
    assert (radiograph.pixels == expected).all()
    assert radiograph.source == "dicom 8-bit"


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([jpeg_of(noise(1)), jpeg_of(noise(2))], "2 frames, not one image"),
        ([jpeg_of(noise(1)[:8])], "L pixels, 8 x "),
        ([jpeg_of(np.dstack([noise(1)] * 3))], "RGB pixels, "),
        ([jpeg_of(noise(1))[:-99]], "truncated"),
    ],
)
def test_a_jpeg_that_is_not_what_its_header_says_is_unreadable(
    tmp_path: Path, frames: list[bytes], message: str
) -> None:
    path = write_jpeg_dicom(tmp_path / "a.dcm", noise(1))
    file = pydicom.dcmread(path)
    file.PixelData = encapsulate(frames)
    file.save_as(path)
    with pytest.raises(UnreadableError, match=message):
        dicom.read(path)


def test_invalid_identifiers_raise_no_warnings(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Invalid value"):
        path = write_dicom(tmp_path / "a.dcm", noise(1), SOPInstanceUID="ID_0011fe81e")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert dicom.read(path).source == "dicom 8-bit"


# Files that are not one radiograph.


def zip_file() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "hello" * 100)
    return buffer.getvalue()


NO_RADIOGRAPHS = [
    pytest.param("a.dcm", b"", "empty file", id="empty"),
    pytest.param("a.dcm", b"not an image\n" * 50, "not a DICOM file", id="text"),
    pytest.param("a.dcm", zip_file(), "not a DICOM file", id="zip"),
    pytest.param("a.dcm", b"\0" * 128 + b"DICM", "no image in it", id="preamble-only"),
    pytest.param("a.dcm", b"\0" * 128 + b"DICM" + b"z" * 999, "no image in it", id="rubbish"),
    pytest.param("a.png", zip_file(), "cannot identify", id="no-png"),
    pytest.param("a.jpg", zip_file(), "cannot identify", id="no-jpeg"),
]


@pytest.mark.parametrize(("name", "content", "reason"), NO_RADIOGRAPHS)
def test_a_file_without_an_image_is_unreadable(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    (tmp_path / name).write_bytes(content)
    message = fault_of(tmp_path / name)
    assert reason in message
    assert "0x" not in message  # nor the folder: the message is the same in every run
    assert str(tmp_path) not in message


@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("kind", ["raw.dcm", "jpeg.dcm", "picture.jpg", "picture.png"])
def test_a_file_cut_short_is_unreadable(tmp_path: Path, kind: str, fraction: float) -> None:
    path = tmp_path / kind
    if path.suffix == ".dcm":
        (write_jpeg_dicom if kind == "jpeg.dcm" else write_dicom)(path, noise(1))
    else:
        Image.fromarray(noise(1)).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * fraction)])
    with pytest.raises(UnreadableError):
        dicom.read(path)


@pytest.mark.parametrize(
    ("pixels", "elements", "reason"),
    [
        (noise(1), {"NumberOfFrames": 2}, "2 frames, not one image"),
        (noise(1), {"HighBit": 15}, "high bit 15 of 8 bits"),
        (noise(1), {"Rows": 65535, "Columns": 65535}, "65535 x 65535 pixels, more than a radiog"),
        (noise(1), {"PhotometricInterpretation": "HSV"}, "kind HSV"),
        (COLOUR, {"SamplesPerPixel": 3, "PlanarConfiguration": 0}, "shape (32, 32, 3), not one"),
    ],
)
def test_a_header_that_is_not_of_one_gray_image_is_refused(
    tmp_path: Path, pixels: np.ndarray, elements: dict[str, object], reason: str
) -> None:
    assert reason in fault_of(write_dicom(tmp_path / "a.dcm", pixels, **elements))


def test_a_colour_picture_becomes_its_luminance_with_a_note(tmp_path: Path) -> None:
    Image.fromarray(COLOUR).save(tmp_path / "a.png")
    radiograph = dicom.read(tmp_path / "a.png")
    assert np.abs(radiograph.pixels - COLOUR @ [0.299, 0.587, 0.114]).max() <= 0.5
    assert radiograph.source == "png rgb 8-bit luminance"


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("syntax", ["JPEGLosslessProcess14", "JPEGLosslessProcess14_1",
                                    "JPEGLSLossless", "JPEG2000Lossless"])  # fmt: skip
def test_lossless_syntaxes_of_archives_give_the_pixels_of_the_plain_file(
    tmp_path: Path, syntax: str, bits: int
) -> None:
    import gdcm

    values = np.random.default_rng(bits).integers(0, 2**bits, (40, 30), np.uint16)
    plain = write_dicom(tmp_path / "plain.dcm", values, bits)
    reader, change, writer = (
        gdcm.ImageReader(),
        gdcm.ImageChangeTransferSyntax(),
        gdcm.ImageWriter(),
    )
    reader.SetFileName(str(plain))
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, syntax)))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFileName(str(tmp_path / "encoded.dcm"))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    encoded = dicom.read(tmp_path / "encoded.dcm")
    assert np.array_equal(encoded.pixels, dicom.read(plain).pixels)
    assert len(np.unique(encoded.pixels)) > 100


def test_a_missing_file_is_not_called_unreadable(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        dicom.read(tmp_path / "a.dcm")


def test_a_folder_with_the_name_of_a_file_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").mkdir()
    assert fault_of(tmp_path / "a.dcm") == "a folder, not a file"


def test_a_video_is_refused(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", noise(1))
    data = pydicom.dcmread(path)
    data.file_meta.TransferSyntaxUID = pydicom.uid.MPEG2MPML
    data["PixelData"].is_undefined_length = True
    data.PixelData = pydicom.encaps.encapsulate([b"x" * 20])
    data.save_as(path)
    assert "'MPEG2 Main Profile / Main Level' is not supported" in fault_of(path)


@pytest.fixture
def large_png(tmp_path: Path) -> Path:
    path = tmp_path / "large.png"
    Image.new("L", (9000, 9000)).save(path, compress_level=1)
    return path


ROOT = Path(__file__).resolve().parents[2]
LITTLE_MEMORY = """
import resource, sys
from pathlib import Path
from lib.prepare import dicom
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + 2**25  # 32 MiB more than the process has
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    dicom.read(Path(sys.argv[1]))
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize(
    ("orientation", "turns", "is_mirrored"),
    [(1, 0, False), (2, 0, True), (3, 2, False), (6, 3, False)],
)
def test_a_photograph_is_read_as_viewers_turn_it(
    tmp_path: Path, orientation: int, turns: int, is_mirrored: bool
) -> None:
    stored = np.add.outer(np.arange(64), 2 * np.arange(48)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / "photo.png", exif=exif)
    radiograph = dicom.read(tmp_path / "photo.png")
    shown = np.rot90(stored[:, ::-1] if is_mirrored else stored, turns)
    assert np.array_equal(radiograph.pixels, shown)
    assert dicom.read_size(tmp_path / "photo.png") == shown.shape
    assert radiograph.source == ("png 8-bit" if orientation == 1 else "png turned 8-bit")


def test_too_little_memory_does_not_make_a_file_unreadable(large_png: Path) -> None:
    """In a process of its own: one that ran other tests has free memory of theirs."""
    pytest.importorskip("resource", reason="needs POSIX")
    command = [sys.executable, "-c", LITTLE_MEMORY, large_png]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert re.match("InputError .*large.png needs more memory .*--workers", done.stdout), done


WITHOUT_SHAPE = ["MR_small.dcm", "MR_small_RLE.dcm"]  # only their headers state a shape


@pytest.mark.parametrize("name", WITHOUT_SHAPE)
@pytest.mark.parametrize("side", ["Rows", "Columns"])
@pytest.mark.parametrize("less", [1, 2, 3, 4, 32])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_more_pixels_than_the_header_has_are_another_image(
    tmp_path: Path, name: str, side: str, less: int
) -> None:
    path = copy_file(name, tmp_path)
    data = pydicom.dcmread(path)
    data[side].value -= less
    data.save_as(path)
    assert fault_of(path)


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
def test_bytes_after_the_pixels_must_be_padding(
    tmp_path: Path, side: int, behind: bytes, fault: str
) -> None:
    path = write_dicom(tmp_path / "a.dcm", noise(1, side))
    data = pydicom.dcmread(path)
    data.PixelData = noise(1, side).tobytes() + behind
    data.save_as(path)
    reason = fault_of(path)
    assert fault in reason
    assert bool(reason) == bool(fault)


# Pydicom's own files, compared with pydicom's own functions.


def decode_by_pydicom(path: Path) -> tuple[Dataset, np.ndarray]:
    """Return header and pixels; any exception is possible for a file that is not one image."""
    data = pydicom.dcmread(path)
    baseline = data.file_meta.TransferSyntaxUID == JPEGBaseline8Bit
    return data, pixel_array(data, decoding_plugin="pillow" if baseline else "")


def display_by_pydicom(data: Dataset, values: np.ndarray) -> np.ndarray:
    """Return display values, 0 to 255, by pydicom's own functions."""
    if data.PhotometricInterpretation == "PALETTE COLOR":
        values = apply_color_lut(values, data)
    if values.ndim == 3:
        return values @ np.array([0.299, 0.587, 0.114]) * 255 / (2 ** (8 * values.itemsize) - 1)
    if data.BitsStored == 8:
        return values.astype(float)
    values = apply_modality_lut(values, data).astype(float)
    low, high = values.min(), values.max()
    if "WindowCenter" in data:
        low, high = apply_windowing(np.array([-1e9, 1e9]), data)  # its black and its white
        values = apply_windowing(values, data)
    gray = (values - low) * 255 / (high - low)
    return 255 - gray if data.PhotometricInterpretation == "MONOCHROME1" else gray


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom warns of odd values in its files
@pytest.mark.parametrize("name", FILES)
def test_each_file_of_pydicom_is_read_as_pydicom_shows_it_or_refused(
    tmp_path: Path, name: str
) -> None:
    path = copy_file(name, tmp_path)
    try:
        data, values = decode_by_pydicom(path)
        one_image = int(data.get("NumberOfFrames") or 1) == 1
    except Exception:
        one_image = False
    expected = display_by_pydicom(data, values) if one_image else None
    if expected is None:
        assert fault_of(path)
    elif np.ptp(expected) == 0:  # bone in a window of the brain: all white
        assert fault_of(path) == "pixels differ, but its window 30/100 makes all of them alike"
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
def test_a_file_of_another_kind_is_named(tmp_path: Path, name: str, reason: str) -> None:
    assert reason in fault_of(copy_file(name, tmp_path))


def decodable(name: str) -> bool:
    """Return True if a decoder for a file is installed; some are optional."""
    uid = pydicom.dcmread(WHEEL / name, stop_before_pixels=True).file_meta.TransferSyntaxUID
    plugins, _ = dicom.DECODERS.get(uid, ((), ""))
    return not plugins or not {*plugins}.isdisjoint(get_decoder(uid).available_plugins)


ENCODED = ["MR_small_RLE.dcm", "MR_small_bigendian.dcm", "MR_small_expb.dcm",
           "MR_small_implicit.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm",
           "MR_small_padded.dcm"]  # fmt: skip


@pytest.mark.parametrize("name", ENCODED)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_image_is_the_same_in_all_lossless_encodings(tmp_path: Path, name: str) -> None:
    if not decodable(name):
        pytest.skip("its decoder is not installed")
    plain = dicom.read(copy_file("MR_small.dcm", tmp_path)).pixels
    assert (dicom.read(copy_file(name, tmp_path)).pixels == plain).all()


# Ten bars of ten rows: red, pink, green, light green, blue, light blue, grays.
BARS = [(255, 0, 0), (255, 128, 128), (0, 255, 0), (128, 255, 128), (0, 0, 255), (128, 128, 255),
        (0, 0, 0), (64, 64, 64), (192, 192, 192), (255, 255, 255)]  # fmt: skip
WITH_BARS = [name for name in FILES
             if name.startswith(("SC_rgb", "SC_ybr")) and "odd" not in name and "frame" not in name
             and name not in ("SC_rgb_jpeg.dcm", "SC_rgb_jpeg_dcmd.dcm",
                              "SC_rgb_jpeg_app14_dcmd.dcm")]  # fmt: skip


@pytest.mark.parametrize("name", WITH_BARS)
def test_bars_of_colour_become_their_luminance_in_every_encoding(tmp_path: Path, name: str) -> None:
    if not decodable(name):
        pytest.skip("its decoder is not installed")
    radiograph = dicom.read(copy_file(name, tmp_path))
    expected = [0.299 * red + 0.587 * green + 0.114 * blue for red, green, blue in BARS]
    assert np.abs(radiograph.pixels[5::10, 50] - np.array(expected)).max() <= 3
    assert radiograph.source.endswith("-bit luminance")


@pytest.mark.parametrize(
    ("name", "syntax", "packages"),
    [
        ("MR_small_jpeg_ls_lossless.dcm", "JPEG-LS Lossless", "python-gdcm"),
        ("SC_rgb_jpeg_gdcm.dcm", "JPEG Lossless", "python-gdcm"),
        ("JPGExtended.dcm", "JPEG Extended", "pylibjpeg pylibjpeg-libjpeg"),  # Pillow: 8 bits only
    ],
)
def test_a_missing_decoder_is_named_with_the_packages_to_install(
    tmp_path: Path, name: str, syntax: str, packages: str
) -> None:
    if decodable(name):
        pytest.skip("its decoder is installed")
    reason = fault_of(copy_file(name, tmp_path))
    assert reason.startswith(syntax)
    assert reason.endswith(f"needs a decoder that is not installed: pip install {packages}")


# Damage: small images in each encoding, cut and changed anywhere.


IN_ENCODING = {
    DeflatedExplicitVRLittleEndian: "SC_rgb_small_odd.dcm",
    JPEG2000Lossless: "MR_small_jp2klossless.dcm",
    JPEGBaseline8Bit: "SC_rgb_small_odd_jpeg.dcm",
    JPEGLosslessSV1: "SC_rgb_jpeg_gdcm.dcm",
    JPEGLSLossless: "MR_small_jpeg_ls_lossless.dcm",
    RLELossless: "MR_small_RLE.dcm",
}


def encoded(uid: str) -> bytes:
    """Return a small file in a transfer syntax."""
    buffer = io.BytesIO()
    data = pydicom.dcmread(WHEEL / IN_ENCODING[uid])
    for element in list(data):  # private ones: most of a file, and never read
        if element.tag.is_private:
            del data[element.tag]
    data.file_meta.TransferSyntaxUID = uid
    data.save_as(buffer)
    return buffer.getvalue()


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("uid", IN_ENCODING, ids=lambda uid: uid.name.replace(" ", "-"))
def test_a_file_cut_anywhere_is_unreadable_or_whole(tmp_path: Path, uid: str) -> None:
    whole, path = encoded(uid), tmp_path / "a.dcm"
    for kept in range(0, len(whole), max(1, len(whole) // 60)):
        path.write_bytes(whole[:kept])
        fault_of(path)
    path.write_bytes(whole[: len(whole) * 3 // 4])
    assert fault_of(path)


@pytest.mark.filterwarnings("ignore")  # of the decoders
@given(st.data())
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
def test_changed_bytes_never_cause_another_error(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(write_dicom(tmp_path / "a.dcm", noise(1, 8), 8, PatientAge="052Y",
                                    WindowCenter=9, WindowWidth=9).read_bytes())  # fmt: skip
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(128, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "a.dcm").write_bytes(content)
    fault_of(tmp_path / "a.dcm")


@given(st.binary(max_size=300))
@settings(suppress_health_check=list(HealthCheck))
def test_random_bytes_are_unreadable(tmp_path: Path, content: bytes) -> None:
    for name, before in (("a.dcm", b""), ("b.dcm", b"\0" * 128 + b"DICM"), ("c.png", b"\x89PNG")):
        (tmp_path / name).write_bytes(before + content)
        assert fault_of(tmp_path / name)
