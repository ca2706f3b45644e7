"""Codes of another frame, and codes with absolute starts, are recognised before any decoding."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lib import rle
from lib.errors import InputError
from lib.prepare import frame

CSV = Path("labels.csv")


def disc_codes(side: int, count: int = 12, seed: int = 0) -> list[str]:
    """Return codes of discs anywhere in a frame, up to its right border."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    centres = rng.uniform(0.2, 0.8, (count - 1, 2)).tolist() + [[0.5, 0.85]]
    return [rle.encode((y - cy) ** 2 + (x - cx) ** 2 < 0.01) for cy, cx in centres]


def absolute(code: str, first: int = 1) -> str:
    numbers = np.array(code.split(), int)
    starts = np.cumsum(numbers)[0::2] + first
    return " ".join(map(str, np.column_stack([starts, numbers[1::2]]).ravel()))


def table(codes: list[str]) -> pd.DataFrame:
    rows = [(f"image{n}", code, rle.area(code)) for n, code in enumerate([*codes, "-1"])]
    return pd.DataFrame(rows, range(2, len(rows) + 2), ["ImageId", "EncodedPixels", "area_px"])


def check(codes: list[str], frame_size: int, image_size: int | None = None) -> None:
    frame.check_ends(CSV, table(codes), frame_size)
    frame.check_shapes(CSV, table(codes), frame_size, image_size)


@pytest.mark.parametrize("image_size", [None, 96, 256, 512])
def test_codes_of_the_frame_in_use_pass(image_size: int | None) -> None:
    check(disc_codes(256), 256, image_size)


def test_codes_of_the_frame_in_use_pass_even_if_all_fit_into_the_images() -> None:
    y, x = np.mgrid[:256, :256]
    codes = [rle.encode((y - 128) ** 2 + (x - 30) ** 2 < radius**2) for radius in range(5, 25)]
    check(codes, 256, 128)


@pytest.mark.parametrize("side", [96, 100, 128, 192])
@pytest.mark.parametrize("known", [True, False])
def test_codes_of_a_smaller_frame_are_refused_with_that_frame(side: int, known: bool) -> None:
    with pytest.raises(InputError, match=rf"labels.csv.* 256x256 .*--rle-size {side}$"):
        check(disc_codes(side), 256, side if known else None)


def test_a_single_short_code_that_fits_into_the_smaller_images_is_refused() -> None:
    with pytest.raises(InputError, match="the size of the images; give --rle-size 16"):
        check(["40 5"], 32, 16)
    check(["40 5"], 32)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("side", [256, 96])
def test_absolute_codes_are_named_as_such(first: int, side: int) -> None:
    codes = [absolute(code, first) for code in disc_codes(side)]
    with pytest.raises(InputError, match="labels.csv: the codes are absolute.* start and length"):
        check(codes, 256)


def test_absolute_codes_that_do_not_run_past_the_frame_are_named_too() -> None:
    y, x = np.mgrid[:256, :256]
    codes = [
        absolute(rle.encode((abs(y - row) < 20) & (abs(x - 4) < 4))) for row in range(30, 200, 10)
    ]
    frame.check_ends(CSV, table(codes), 256)
    with pytest.raises(InputError, match="the codes are absolute"):
        check(codes, 256)


def test_a_code_past_the_frame_is_named_with_its_line_and_image() -> None:
    with pytest.raises(InputError, match=r"line 3, image image1: .* 4x4: it ends at pixel 17 of"):
        check(["0 3", "10 7"], 4)


def test_masks_that_are_whole_in_no_frame_are_refused() -> None:
    rng = np.random.default_rng(0)
    codes = [rle.encode(rng.random((256, 256)) > 0.9) for _ in range(3)]
    with pytest.raises(InputError, match=r"no mask is whole .* 10% .*--rle-size"):
        check(codes, 256)


def test_real_labels_pass_in_their_frame_alone(shared_data: Path) -> None:
    from lib.prepare import labels

    path = shared_data / "siim_labels" / "stage_2_train.csv.gz"
    rows = labels.read(path, 1024)
    for image_size in (None, 384, 512, 1024, 2048):
        frame.check_shapes(path, rows, 1024, image_size)
    with pytest.raises(InputError, match="--rle-size 1024"):
        frame.check_shapes(path, rows, 1100, None)
