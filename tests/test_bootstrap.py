"""Standard errors and bootstrap intervals, against the usual formulas."""

import numpy as np
import pytest

from lib import bootstrap

DICE = np.random.default_rng(0).random(400)
ONE_IMAGE_EACH = np.arange(400)


def test_with_one_image_a_patient_the_standard_error_is_the_usual_one() -> None:
    usual = DICE.std() / np.sqrt(len(DICE))
    assert bootstrap.standard_error(DICE, ONE_IMAGE_EACH) == pytest.approx(usual)


def test_a_copy_of_each_image_of_a_patient_adds_no_information() -> None:
    twice, patients = np.tile(DICE, 2), np.tile(ONE_IMAGE_EACH, 2)
    error = bootstrap.standard_error(DICE, ONE_IMAGE_EACH)
    assert bootstrap.standard_error(twice, patients) == pytest.approx(error)
    interval = bootstrap.interval(DICE, ONE_IMAGE_EACH)
    assert bootstrap.interval(twice, patients) == pytest.approx(interval)


def test_the_interval_is_two_standard_errors_wide_on_each_side() -> None:
    error = bootstrap.standard_error(DICE, ONE_IMAGE_EACH)
    low, high = bootstrap.interval(DICE, ONE_IMAGE_EACH)
    assert low == pytest.approx(DICE.mean() - 1.96 * error, abs=error / 4)
    assert high == pytest.approx(DICE.mean() + 1.96 * error, abs=error / 4)
