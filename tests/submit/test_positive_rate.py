"""Warnings on positive rates that cannot be chance."""

from pathlib import Path

import pytest

from lib import dataset
from lib.layout import Work
from lib.submit import positive_rate
from lib.submit.positive_rate import Proportion
from tests import fakes


def test_two_standard_errors_are_the_limit() -> None:
    # Of 100 and 100 with 20 and 32: pooled .26, standard error .0620, twice that .124
    test, oof = Proportion(20, 100), Proportion(32, 100)
    assert positive_rate.standard_error(test, oof) == pytest.approx(0.06203, 1e-3)
    assert positive_rate.warnings(test, oof) == []
    (warning,) = positive_rate.warnings(test, Proportion(33, 100))
    assert "20 of 100 (20.0 %) of the test images, in 33 of 100" in warning


@pytest.mark.parametrize(("count", "warned"), [(0, 1), (120, 1), (215, 0), (195, 0), (300, 1)])
def test_a_rate_far_from_the_competitions_gives_a_warning(count: int, warned: int) -> None:
    warnings = positive_rate.warnings(Proportion(count, 1000), None, positive_rate.COMPETITION)
    assert len(warnings) == warned
    assert all("21 to 22 % are positive" in warning for warning in warnings)


def test_other_data_is_compared_with_its_training_images(tmp_path: Path) -> None:
    work = Work(tmp_path)
    fakes.make_dataset(work, fakes.masks(12))
    expected = positive_rate.reference(dataset.read(work))
    assert expected
    assert expected.text == "of the training images 4 of 12 (33.3 %) are positive"
    assert positive_rate.warnings(Proportion(33, 100), None, expected) == []
    (warning,) = positive_rate.warnings(Proportion(90, 100), None, expected)
    assert "90 of 100 (90.0 %) of the test images; of the training images 4 of 12" in warning


def test_the_competition_s_images_have_its_rate_even_if_training_was_balanced(
    tmp_path: Path,
) -> None:
    work = Work(tmp_path)
    test = [f"{positive_rate.COMPETITION_IDS}1000.1517875165.878027"]
    fakes.make_dataset(work, fakes.masks(12), test=test)
    assert positive_rate.reference(dataset.read(work)) == positive_rate.COMPETITION


def test_without_maps_nothing_is_compared() -> None:
    assert positive_rate.warnings(Proportion(0, 0), Proportion(5, 10)) == []
