"""Masks as a folder of pictures: their frame, their values, and the refusals."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lib import rle
from lib.errors import InputError
from lib.prepare import masks
from lib.prepare.labels import Labels

SIDE = 16


def disc(inside: int = 255, side: int = SIDE) -> np.ndarray:
    rows, columns = np.ogrid[:side, :side]
    radius = np.hypot(rows - side / 2, columns - side / 2)
    return np.where(radius < side / 4, inside, 0).astype(np.uint8)


def read(
    root: Path, frame_size: int | None = None, mode: str = "L", **pictures: np.ndarray
) -> Labels:
    """Read masks that are saved under the names of the arguments, "_" for "."."""
    paths = {}
    for name, pixels in pictures.items():
        file = name.replace("_", ".")
        Image.fromarray(pixels).convert(mode).save(root / file)
        paths[name.partition("_")[0]] = file
    return masks.read(root, paths, frame_size)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "1"])
def test_what_is_not_zero_is_inside_whatever_the_kind_of_file(tmp_path: Path, mode: str) -> None:
    empty = np.zeros((SIDE, SIDE), np.uint8)
    labels = read(tmp_path, mode=mode, a_png=disc(), b_png=empty)
    assert (labels.frame_size, labels.note) == (SIDE, "")
    assert labels.rows["ImageId"].tolist() == ["a", "b"]
    assert labels.rows["area_px"].tolist() == [(disc() > 0).sum(), 0]
    assert labels.rows["EncodedPixels"][1] == "-1"


def test_values_of_zero_and_one_are_the_same_mask(tmp_path: Path) -> None:
    labels = read(tmp_path, a_png=disc(255), b_png=disc(1))
    first, second = labels.rows["EncodedPixels"]
    assert first == second


def test_the_digest_depends_on_the_content_of_the_masks(tmp_path: Path) -> None:
    first, again, other = (read(tmp_path, a_png=disc(level)).sha256 for level in (255, 255, 1))
    assert first == again != other


def test_a_jpeg_is_cut_at_half_with_a_note(tmp_path: Path) -> None:
    labels = read(tmp_path, a_jpg=disc(side=64), b_png=disc(side=64))
    assert labels.note.startswith("1 JPEG masks are cut at half of 255, such as a.jpg")
    first, second = labels.rows["area_px"]
    assert first == pytest.approx(second, rel=0.02)


@pytest.mark.parametrize(
    ("pictures", "fault"),
    [
        ({"a_png": np.arange(256, dtype=np.uint8).reshape(16, 16)}, "a.png has 256 values"),
        ({"a_jpg": disc(90)}, "a.jpg has values up to [0-9]+ of 255"),
        ({"a_png": disc(), "b_png": disc(side=8)}, "b.png has 8 x 8 pixels.* 16 x 16"),
        ({"a_png": disc()[:8]}, "a.png has 8 x 16 pixels.* square"),
    ],
)
def test_what_is_no_mask_is_refused_with_its_file(
    tmp_path: Path, pictures: dict[str, np.ndarray], fault: str
) -> None:
    with pytest.raises(InputError, match=fault):
        read(tmp_path, **pictures)


@pytest.mark.parametrize("frame_size", [8, 40])
def test_masks_are_resized_to_a_stated_frame(tmp_path: Path, frame_size: int) -> None:
    box = np.zeros((SIDE, SIDE), np.uint8)
    box[4:8, 8:12] = 1
    labels = read(tmp_path, frame_size, a_png=box)
    assert labels.frame_size == frame_size
    mask = rle.decode(labels.rows["EncodedPixels"][0], frame_size, frame_size)
    rows, columns = (slice(start * frame_size // SIDE, (start + 4) * frame_size // SIDE)
                     for start in (4, 8))  # fmt: skip
    expected = np.zeros_like(mask)
    expected[rows, columns] = True
    assert np.count_nonzero(mask != expected) <= 4  # the corners of an enlarged box are cut


def test_a_black_jpeg_is_an_empty_mask_whatever_its_quality(tmp_path: Path) -> None:
    # Some qualities make a black picture a little brighter, the same everywhere.
    almost_black = np.full((64, 64), 1, np.uint8)
    labels = read(tmp_path, a_jpg=almost_black, b_png=disc(side=64))
    assert labels.rows["area_px"][0] == 0


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize("empty", [0, 255])
def test_inverted_masks_are_refused_with_a_file(tmp_path: Path, suffix: str, empty: int) -> None:
    inverted = {f"{name}_{suffix}": 255 - disc(side=64) for name in "ab"}
    outside = {f"{name}_{suffix}": np.full((64, 64), empty, np.uint8) for name in "cde"}
    message = rf"{tmp_path} has inverted masks: {5 if empty else 2} of 5 .* a.{suffix} .*-negate"
    with pytest.raises(InputError, match=message):
        read(tmp_path, **inverted, **outside)


def test_a_single_large_mask_among_others_is_accepted(tmp_path: Path) -> None:
    labels = read(tmp_path, a_png=255 - disc(), b_png=disc(), c_png=disc())
    assert labels.rows["area_px"][0] > SIDE**2 / 2


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_radiograph_is_no_mask(tmp_path: Path, suffix: str) -> None:
    gray = np.hypot(*np.indices((64, 64))).astype(np.uint8)
    message = rf"a.{suffix} has [0-9]+ values and looks like a radiograph; --masks wants"
    with pytest.raises(InputError, match=message):
        read(tmp_path, **{f"a_{suffix}": gray})


def test_an_unreadable_mask_is_refused_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(InputError, match="a.png is unreadable: .*; get it again"):
        masks.read(tmp_path, {"a": "a.png"}, None)
