"""The check of a submission, on 3 x 3 pixels: files that the competition rejects are refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lib import rle
from lib.errors import InputError
from lib.submit import validation
from lib.submit.masks import Row, digest

SIZE = 3
CORNERS = np.array([[1, 0, 0], [0, 0, 0], [0, 0, 1]], bool)  # "0 1 7 1"
BAR = np.array([[0, 1, 0], [0, 1, 0], [0, 0, 0]], bool)  # "3 2"
EMPTY = np.zeros((3, 3), bool)
GOOD = "ImageId,EncodedPixels\na,0 1 7 1\nb,-1\nc,3 2\n"


def expected_rows(*masks: np.ndarray) -> list[Row]:
    return [
        Row(name, "ignored", int(mask.sum()), digest(mask))
        for name, mask in zip("abc", masks, strict=True)
    ]


@pytest.fixture
def check(tmp_path: Path):
    def check(content: str) -> None:
        path = tmp_path / "submission.csv"
        path.write_bytes(content.encode())
        validation.check(path, expected_rows(CORNERS, EMPTY, BAR), SIZE)

    return check


def test_a_correct_submission_passes(check) -> None:
    check(GOOD)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD.replace(",Enc", ", Enc"), "line 1: the header is 'ImageId, EncodedPixels'"),
        (GOOD.replace("ImageId,EncodedPixels\n", ""), "line 1: the header is 'a,0 1 7 1'"),
        (GOOD.replace("\n", "\r\n"), "line 1: the header"),
        ("\ufeff" + GOOD, "line 1: the header is"),
        (GOOD + "d,-1\n", "has 4 rows; the sample submission has 3"),
        (GOOD.removesuffix("c,3 2\n"), "has 2 rows; the sample submission has 3"),
        (GOOD + "\n", "has 4 rows"),
        ("", "line 1: the header is ''"),
        (GOOD.replace("b,", "x,"), "line 3: 'x' where the sample submission has b"),
        (GOOD.replace("b,", "a,"), "line 3: 'a' where the sample submission has b"),
        (GOOD.replace("b,-1", "b"), "line 3: 'b' where"),
        (GOOD.replace("b,-1\nc,3 2", "c,3 2\nb,-1"), "line 3: 'c' where the sample"),
        (GOOD.replace("3 2", "3 2 0 1"), "line 4: two runs meet at pixel 5"),
        (GOOD.replace("3 2", "3 7"), "line 4: a run from pixel 3 to 10 in 3x3"),
        (GOOD.replace("3 2", "3 0"), "line 4: a run from pixel 3 to 3"),
        (GOOD.replace("3 2", "3 -2"), "line 4: '3 -2' is not a list"),
        (GOOD.replace("3 2", "3"), "line 4: '3' is not a list"),
        (GOOD.replace("3 2", ""), "line 4: '' is not a list"),
        (GOOD.replace("3 2", "3  2"), "line 4: '3  2' is not a list"),
        (GOOD.replace("3 2", "3 2 "), "line 4: '3 2 ' is not a list"),
        (GOOD.replace("3 2", " -1"), "line 4: ' -1' is not a list"),
        (GOOD.replace("3 2", "3 2,"), "line 4: '3 2,' is not a list"),
        (GOOD.replace("3 2", '"3 2"'), "is not a list"),
        (GOOD.replace("3 2", "-1"), "line 4: c decodes to another mask"),
        (GOOD.replace("3 2", "4 2"), "line 4: c decodes to another mask"),
        (GOOD.replace("b,-1", "b,0 1"), "line 3: b decodes to another mask"),
    ],
)
def test_a_file_that_the_competition_rejects_is_refused(check, content: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check(content)


def test_an_id_twice_in_the_sample_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "submission.csv"
    path.write_text("ImageId,EncodedPixels\na,-1\na,-1\n")
    row = Row("a", "-1", 0, digest(EMPTY))
    with pytest.raises(InputError, match="an ImageId twice"):
        validation.check(path, [row, row], SIZE)


@given(hnp.arrays(bool, st.integers(1, 9).map(lambda side: (side, side))))
def test_codes_of_the_encoder_are_read_back(mask: np.ndarray) -> None:
    assert (validation.read_mask(rle.encode(mask), len(mask)) == mask).all()


def test_masks_that_differ_in_a_pixel_have_other_digests() -> None:
    masks = [np.arange(9).reshape(3, 3) == pixel for pixel in range(9)]
    assert len({digest(mask) for mask in [*masks, EMPTY]}) == 10
