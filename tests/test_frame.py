"""Codes of another frame, and codes with absolute starts, are recognised before any decoding."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib import frame, rle
from lib.errors import InputError

CURE = "give --side {side}"
Check = Callable[..., None]


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


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Read a file of these codes and one for no mask, and check their shapes."""

    def read_and_check(codes: list[str], frame_size: int, **options: Any) -> None:
        path = tmp_path / "labels.csv"
        rows = [f"image{number},{code}\n" for number, code in enumerate([*codes, "-1"])]
        path.write_text("".join(["ImageId,EncodedPixels\n", *rows]))
        frame.check_shapes(path, frame.read(path, frame_size, CURE), frame_size, CURE, **options)

    return read_and_check


@pytest.mark.parametrize("image_size", [None, 96, 256, 512])
def test_codes_of_the_frame_in_use_pass(check: Check, image_size: int | None) -> None:
    check(disc_codes(256), 256, image_size=image_size)


def test_codes_of_the_frame_in_use_pass_even_if_all_fit_into_the_images(check: Check) -> None:
    y, x = np.mgrid[:256, :256]
    codes = [rle.encode((y - 128) ** 2 + (x - 30) ** 2 < radius**2) for radius in range(5, 25)]
    check(codes, 256, image_size=128)


@pytest.mark.parametrize("side", [96, 100, 128, 192])
@pytest.mark.parametrize("known", [True, False])
def test_codes_of_a_smaller_frame_are_refused_with_that_frame(
    check: Check, side: int, known: bool
) -> None:
    with pytest.raises(InputError, match=rf"labels.csv.* 256x256 .*--side {side}$"):
        check(disc_codes(side), 256, image_size=side if known else None)


def test_a_single_short_code_that_fits_into_the_smaller_images_is_refused(check: Check) -> None:
    with pytest.raises(InputError, match="the size of the images; give --side 16"):
        check(["40 5"], 32, image_size=16)
    check(["40 5"], 32)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("side", [256, 96])
def test_absolute_codes_are_named_as_such(check: Check, first: int, side: int) -> None:
    codes = [absolute(code, first) for code in disc_codes(side)]
    with pytest.raises(InputError, match="labels.csv: the codes are absolute.* start and length"):
        check(codes, 256)


@pytest.mark.parametrize("is_prediction", [False, True])
def test_absolute_codes_that_do_not_run_past_the_frame_are_named_too(
    check: Check, is_prediction: bool
) -> None:
    y, x = np.mgrid[:256, :256]
    codes = [
        absolute(rle.encode((abs(y - row) < 20) & (abs(x - 4) < 4))) for row in range(30, 200, 10)
    ]
    with pytest.raises(InputError, match="the codes are absolute"):
        check(codes, 256, is_prediction=is_prediction)


def test_a_code_past_the_frame_is_named_with_its_line_and_image(check: Check) -> None:
    with pytest.raises(InputError, match=r"line 3, image image1: .* 4x4: it ends at pixel 17 of"):
        check(["0 3", "10 7"], 4)


def test_masks_that_are_whole_in_no_frame_are_refused(check: Check) -> None:
    rng = np.random.default_rng(0)
    codes = [rle.encode(rng.random((256, 256)) > 0.9) for _ in range(3)]
    with pytest.raises(InputError, match=r"no mask is whole .* 10% .*--side"):
        check(codes, 256)


@pytest.mark.parametrize("side", [64, 96, 128, 192])
def test_a_prediction_in_a_smaller_frame_is_refused_with_that_frame(
    check: Check, side: int
) -> None:
    with pytest.raises(InputError, match=rf"labels.csv.* 256x256 .*--side {side}$"):
        check(disc_codes(side), 256, is_prediction=True)


def sparse(every: int, run: int = 1) -> list[str]:
    """Return codes of runs of some pixels, at the same distance each, in the left quarter."""
    return [f"{start} {run}" + f" {every - run} {run}" * 400 for start in range(5)]


ODD_PREDICTIONS = {
    "specks": [rle.encode(np.random.default_rng(0).random((256, 256)) > 0.9)],
    "a few specks on the left": sparse(21),
    "a chess board": [rle.encode(np.indices((256, 256)).sum(axis=0) % 2)],
    "columns with gaps": [rle.encode(np.arange(256)[None] % 2 * np.ones((256, 1)))] * 20,
    "a thin slope": [rle.encode(np.eye(256))],
    "lines on the left": [rle.encode(np.ones((256, 1)) * (np.arange(256) == 3))] * 200,
    "the left border": [rle.encode(np.ones((256, 1)) * (np.arange(256) < 5))] * 200,
    "everything": [rle.encode(np.ones((256, 256)))] * 200,
}


@pytest.mark.parametrize("codes", ODD_PREDICTIONS.values(), ids=ODD_PREDICTIONS)
def test_odd_masks_that_a_network_may_predict_are_accepted(check: Check, codes: list[str]) -> None:
    check(codes, 256, is_prediction=True)


def test_real_labels_pass_in_their_frame_alone(shared_data: Path) -> None:
    path = shared_data / "siim_labels" / "stage_2_train.csv.gz"
    rows = frame.read(path, 1024, CURE)
    for image_size in (None, 384, 512, 1024, 2048):
        frame.check_shapes(path, rows, 1024, CURE, image_size=image_size)
    for other, is_prediction in ((1100, False), (1280, True)):
        with pytest.raises(InputError, match="--side 1024"):
            frame.check_shapes(path, rows, other, CURE, is_prediction=is_prediction)
