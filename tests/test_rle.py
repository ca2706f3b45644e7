"""Run-length encoding, worked by hand on 3 rows x 4 columns, and its refusals."""

import csv
import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lib import rle
from lib.errors import InputError

HEIGHT, WIDTH = 3, 4
KNOWN = [
    pytest.param([], "-1", id="empty"),
    pytest.param([(0, 0)], "0 1", id="first-pixel"),
    pytest.param([(2, 3)], "11 1", id="run-that-touches-the-last-pixel"),
    pytest.param([(2, 0), (0, 1)], "2 2", id="runs-go-down-a-column-into-the-next"),
    pytest.param([(0, 0), (2, 0)], "0 1 1 1", id="gap-counts-from-the-end-of-the-last-run"),
    pytest.param([(0, 0), (2, 3)], "0 1 10 1", id="both-corners"),
    pytest.param([(r, c) for r in range(3) for c in range(4)], "0 12", id="full"),
    pytest.param([(1, c) for c in range(4)], "1 1 2 1 2 1 2 1", id="a-row-is-a-run-a-column"),
]


def mask_of(pixels: list[tuple[int, int]]) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    for row, column in pixels:
        mask[row, column] = True
    return mask


def decode_by_definition(code: str, height: int, width: int) -> np.ndarray:
    """Decode as the competition describes it, pixel by pixel."""
    mask, position = np.zeros((height, width), bool), 0
    numbers = [int(word) for word in code.split()]
    for offset, length in zip(numbers[0::2], numbers[1::2], strict=True):
        position += offset
        for pixel in range(position, position + length):
            mask[pixel % height, pixel // height] = True
        position += length
    return mask


masks = hnp.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)))


@pytest.mark.parametrize(("pixels", "code"), KNOWN)
def test_known_codes(pixels: list[tuple[int, int]], code: str) -> None:
    assert rle.encode(mask_of(pixels)) == code
    assert (rle.decode(code, HEIGHT, WIDTH) == mask_of(pixels)).all()
    assert rle.area(code) == len(pixels)


def test_any_non_zero_value_is_inside() -> None:
    assert rle.encode(np.array([[0, 255], [7, 0]], np.uint8)) == "1 2"


@given(masks)
def test_decoding_gives_back_what_was_encoded(mask: np.ndarray) -> None:
    decoded = rle.decode(rle.encode(mask), *mask.shape)
    assert decoded.dtype == bool
    assert (decoded == mask).all()


@given(masks)
def test_the_encoder_agrees_with_the_definition(mask: np.ndarray) -> None:
    code = rle.encode(mask)
    if mask.any():
        assert (decode_by_definition(code, *mask.shape) == mask).all()
    assert rle.area(code) == mask.sum()


@given(masks)
def test_runs_are_as_long_as_they_can_be(mask: np.ndarray) -> None:
    numbers = [int(word) for word in rle.encode(mask).split()]
    assert numbers == [-1] or (min(numbers[1::2]) > 0 and all(gap > 0 for gap in numbers[2::2]))


def test_runs_that_adjoin_are_read_as_one() -> None:
    assert (rle.decode("1 2 0 3", HEIGHT, WIDTH) == rle.decode("1 5", HEIGHT, WIDTH)).all()


@pytest.mark.parametrize("blanks", ["  1 2", "1 2 ", "1\t2", "1  2\n"])
def test_blanks_do_not_count(blanks: str) -> None:
    assert rle.area(blanks) == 2


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("1 2 3", "3 numbers, not pairs"),
        ("", "0 numbers, not pairs"),
        ("1 a", "'a', which is not a whole number"),
        ("1.0 2", "'1.0', which is not a whole number"),
        ("1_0 2", "'1_0'"),
        ("+1 2", r"'\+1'"),
        ("\uff11 2", "not a whole number"),
        ("1 nan", "'nan'"),
        ("1e1 3", "'1e1'"),
        ("0x1 3", "'0x1'"),
        ("0:3", "'0:3'"),
        ("٣ 3", "not a whole number"),
        ("-2", "1 numbers, not pairs"),
        ("1 99999999999999999999999", "'99999999999999999999999'"),
        ("-3 2", "negative offset, -3"),
        ("-1 -1", "negative offset, -1"),
        ("3 0", "length 0"),
        ("3 -4", "length -4"),
        ("9 4", "past 3x4: it ends at pixel 13 of 12"),
        ("12 1", "past 3x4"),
        ("999999999999999999 1", "no image can hold"),
    ],
)
def test_refuses_other_texts(code: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        rle.decode(code, HEIGHT, WIDTH)


@given(st.text(max_size=30))
def test_any_text_is_decoded_or_refused_in_one_line(text: str) -> None:
    message = ""
    try:
        assert rle.decode(text, HEIGHT, WIDTH).shape == (HEIGHT, WIDTH)
    except InputError as error:
        message = str(error)
    assert len(message.splitlines()) <= 1


def test_union_counts_overlaps_once() -> None:
    united = rle.union(["0 4", "2 4", "-1"], HEIGHT, WIDTH)
    assert rle.encode(united) == "0 6"


def test_union_of_nothing_is_empty() -> None:
    assert rle.encode(rle.union([], HEIGHT, WIDTH)) == rle.EMPTY


def test_every_real_mask_survives_the_round_trip(shared_data) -> None:
    codes = [row[1].strip() for row in label_rows(shared_data) if row[1].strip() != rle.EMPTY]
    assert len(codes) == 3576
    for code in codes:
        assert rle.encode(rle.decode(code, 1024, 1024)) == code


def label_rows(shared_data) -> list[list[str]]:
    (path,) = (shared_data / "siim_labels").glob("*train*.csv*")
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt") as file:
        return list(csv.reader(file))[1:]
