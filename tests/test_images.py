"""Images on disk, and resized; values worked by hand."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lib import images
from lib.errors import InputError

NOISE = np.random.default_rng(0).integers(0, 256, (40, 30), np.uint8)


def test_a_png_gives_back_what_was_written(tmp_path: Path) -> None:
    images.write_png(tmp_path / "a.png", NOISE)
    assert (images.read_png(tmp_path / "a.png") == NOISE).all()


def test_equal_images_are_equal_files(tmp_path: Path) -> None:
    images.write_png(tmp_path / "a.png", NOISE)
    images.write_png(tmp_path / "b.png", NOISE.copy())
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def damaged_files() -> dict[str, bytes]:
    whole = cv2.imencode(".png", NOISE)[1].tobytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    return {
        "empty": b"",
        "text": b"not an image",
        "cut-in-half": whole[:middle],
        "cut-at-the-last-byte": whole[:-13],
        "flipped-bit": flipped,
        "colour": cv2.imencode(".png", np.dstack([NOISE] * 3))[1].tobytes(),
        "16-bit": cv2.imencode(".png", NOISE.astype(np.uint16) * 256)[1].tobytes(),
    }


@pytest.mark.parametrize("name", damaged_files())
def test_refuses_a_damaged_or_other_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.png").write_bytes(damaged_files()[name])
    with pytest.raises(InputError, match=r"a\.png is missing or not a complete 8-bit gray PNG"):
        images.read_png(tmp_path / "a.png")


def test_a_change_of_any_byte_of_a_png_is_noticed(tmp_path: Path) -> None:
    """PNGs are not hashed when they are read: their own checksums must suffice."""
    folder = tmp_path / "cache" / "64" / "images"
    image = np.random.default_rng(0).integers(0, 256, (24, 24), np.uint8)
    images.write_png(folder / "a.png", image)
    whole, messages = (folder / "a.png").read_bytes(), set()
    for at in range(0, len(whole), 5):
        (folder / "a.png").write_bytes(whole[:at] + bytes([whole[at] ^ 16]) + whole[at + 1 :])
        try:
            read = images.read_png(folder / "a.png")
        except InputError as error:
            messages.add(str(error))
        else:
            assert np.array_equal(read, image)
    (line,) = messages
    assert "remake its folder with 01_prepare.py --raw DIR --sizes 64 " in line


def test_refuses_a_missing_png(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is missing"):
        images.read_png(tmp_path / "a.png")


def test_shrinking_averages_areas() -> None:
    image = np.array([[0, 4, 10, 10], [8, 4, 10, 10], [1, 1, 0, 200], [1, 1, 0, 200]], np.uint8)
    assert images.shrink(image, 2).tolist() == [[4, 10], [1, 100]]


def test_resizing_to_the_same_size_changes_nothing() -> None:
    assert (images.shrink(NOISE[:30], 30) == NOISE[:30]).all()
    probabilities = np.array([[0.1, 0.9], [0.3, 0.4]], np.float32)
    assert (images.to_frame(probabilities, 2) == probabilities).all()


@pytest.mark.parametrize(("inside", "value"), [(0, 0), (1, 0), (2, 255), (3, 255), (4, 255)])
def test_a_pixel_is_in_the_mask_where_half_of_its_area_is(inside: int, value: int) -> None:
    block = np.zeros(4, bool)
    block[:inside] = True
    assert images.shrink_mask(block.reshape(2, 2), 1).tolist() == [[value]]


def test_clahe_raises_the_contrast_of_dark_and_bright_regions() -> None:
    faint = np.random.default_rng(0).integers(0, 24, (64, 64))
    faint[:, 32:] += 200
    corrected = images.clahe(faint.astype(np.uint8))
    assert corrected.shape == faint.shape
    assert corrected.dtype == np.uint8
    for half in np.s_[:, :32], np.s_[:, 32:]:
        assert corrected[half].std() > 1.2 * faint[half].std()


def test_clahe_limits_the_contrast_of_noise() -> None:
    flat = np.full((64, 64), 100, np.uint8)
    flat[::2] += 1
    # Unlimited, two equally frequent gray values would end at 128 and 255.
    assert np.ptp(images.clahe(flat).astype(int)) < 64


def test_a_map_is_brought_to_the_frame_bilinearly() -> None:
    # Pixel centres of a doubled image lie a quarter of a pixel from those of the small one.
    doubled = images.to_frame(np.array([[0, 1], [0, 1]], np.float32), 4)
    assert doubled.dtype == np.float32
    assert doubled.tolist() == [[0, 0.25, 0.75, 1]] * 4


@given(hnp.arrays(np.float32, (3, 3), elements=st.floats(0, 1, width=32)))
def test_resizing_to_the_frame_stays_within_the_probabilities(probabilities: np.ndarray) -> None:
    framed = images.to_frame(probabilities, 7)
    assert framed.min() >= probabilities.min() - 1e-6
    assert framed.max() <= probabilities.max() + 1e-6


def test_quantizing_rounds_to_the_nearest_level() -> None:
    probabilities = np.array([[0, 0.4 / 255, 0.6 / 255, 0.5, 254.6 / 255, 1]], np.float32)
    assert images.quantize(probabilities).tolist() == [[0, 0, 1, 128, 255, 255]]


@given(st.integers(0, 255))
def test_a_level_survives_the_way_to_a_probability_and_back(level: int) -> None:
    assert images.quantize(np.float32([[level]]) / 255) == level
