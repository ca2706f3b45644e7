"""Decoding: what becomes of every kind of file, and of what is no radiograph."""

import io
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit

from lib.prepare import dicom
from tests.raw_folders import noise, write_dicom

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


def test_8_bits_stay_as_they_are(tmp_path: Path) -> None:
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
    with pytest.raises(dicom.UnreadableError, match=message):
        dicom.read(path)


def test_more_bits_without_a_window_are_mapped_by_their_range(tmp_path: Path) -> None:
    radiograph = dicom.read(write_dicom(tmp_path / "a.dcm", RAMP, bits=12))
    assert radiograph.pixels.tolist() == [[0, 64], [128, 255]]  # v * 255 / 4000, rounded
    assert radiograph.source == "dicom 12-bit range 0..4000"


def test_the_window_of_the_header_decides_if_there_is_one(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("suffix", [".png", ".PNG"])
def test_a_gray_png_is_taken_as_it_is(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(noise(2)).save(tmp_path / f"a{suffix}")
    radiograph = dicom.read(tmp_path / f"a{suffix}")
    assert (radiograph.pixels == noise(2)).all()
    assert radiograph.source == "png 8-bit"


def test_gray_stored_in_colour_is_gray_again(tmp_path: Path) -> None:
    Image.fromarray(np.repeat(noise(2)[..., None], 3, axis=2)).save(tmp_path / "a.png")
    radiograph = dicom.read(tmp_path / "a.png")
    assert (radiograph.pixels == noise(2)).all()
    assert radiograph.source == "png rgb"


def test_a_16_bit_png_is_mapped_by_its_range(tmp_path: Path) -> None:
    Image.fromarray(RAMP).save(tmp_path / "a.png")
    radiograph = dicom.read(tmp_path / "a.png")
    assert radiograph.pixels.tolist() == [[0, 64], [128, 255]]
    assert radiograph.source == "png 16-bit range 0..4000"


def test_a_colour_picture_is_no_radiograph(tmp_path: Path) -> None:
    Image.fromarray(np.stack([noise(1), noise(2), noise(3)], axis=2)).save(tmp_path / "a.png")
    with pytest.raises(dicom.UnreadableError, match="colour image"):
        dicom.read(tmp_path / "a.png")


def zip_file() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "hello" * 100)
    return buffer.getvalue()


NO_RADIOGRAPHS = [
    pytest.param(b"", "empty file", id="empty"),
    pytest.param(b"not an image\n" * 50, "not a DICOM file", id="text"),
    pytest.param(zip_file(), "not a DICOM file", id="zip"),
    pytest.param(b"\0" * 128 + b"DICM", "no image in it", id="preamble-only"),
    pytest.param(b"\0" * 128 + b"DICM" + b"z" * 999, "no image in it", id="rubbish"),
]


@pytest.mark.parametrize(("content", "reason"), NO_RADIOGRAPHS)
def test_what_is_no_dicom_is_unreadable(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.dcm").write_bytes(content)
    with pytest.raises(dicom.UnreadableError, match=reason):
        dicom.read(tmp_path / "a.dcm")


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_what_is_no_picture_is_unreadable(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a{suffix}").write_bytes(zip_file())
    with pytest.raises(dicom.UnreadableError, match="cannot identify"):
        dicom.read(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("kind", ["raw.dcm", "jpeg.dcm", "picture.jpg", "picture.png"])
def test_a_file_cut_short_is_unreadable(tmp_path: Path, kind: str, share: float) -> None:
    path = tmp_path / kind
    if path.suffix == ".dcm":
        (write_jpeg_dicom if kind == "jpeg.dcm" else write_dicom)(path, noise(1))
    else:
        Image.fromarray(noise(1)).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(dicom.UnreadableError):
        dicom.read(path)


def test_several_frames_are_not_one_image(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", noise(1), NumberOfFrames=2)
    with pytest.raises(dicom.UnreadableError, match="2 frames"):
        dicom.read(path)


def test_reasons_do_not_change_from_run_to_run(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(zip_file())
    with pytest.raises(dicom.UnreadableError) as caught:
        dicom.read(tmp_path / "a.png")
    assert "0x" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_a_file_that_is_not_there_is_no_matter_of_content(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        dicom.read(tmp_path / "a.dcm")


def test_invalid_identifiers_raise_no_warnings(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Invalid value"):
        path = write_dicom(tmp_path / "a.dcm", noise(1), SOPInstanceUID="ID_0011fe81e")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert dicom.read(path).source == "dicom 8-bit"


def test_real_files_decode_with_their_header(shared_data: Path) -> None:
    path = next((shared_data / "siim_dicom" / "stage_2_images").glob("*.dcm"))
    radiograph = dicom.read(path)
    assert radiograph.pixels.shape == (1024, 1024)
    assert radiograph.source == "dicom 8-bit"
    assert radiograph.header.sex in ("F", "M")
    assert radiograph.header.view in ("AP", "PA")
