"""Inputs of a submission: what is opened and what is refused."""

import pytest

from lib.errors import InputError
from lib.files import remove
from lib.layout import Work
from lib.submit import inputs
from tests import fakes
from tests.submit.builders import BOX, NAME, RULE, TEST_IDS, prepare


def test_an_ensemble_that_was_remade_is_refused(work: Work) -> None:
    prepare(work)
    remove(work.ensemble("final").folder)
    fakes.make_ensemble(work, "final", {"test": dict.fromkeys(TEST_IDS, BOX)})
    with pytest.raises(InputError, match=f"decisions/{NAME} .* ensembles/final"):
        inputs.read(work, NAME)


def test_a_dataset_without_test_images_is_refused(work: Work) -> None:
    fakes.make_dataset(work, test=())
    fakes.make_ensemble(work, "final", {"oof": {}})
    fakes.make_decision(work, "final", RULE)
    with pytest.raises(InputError, match="no test images.* run 01_prepare.py"):
        inputs.read(work, NAME)


def test_a_missing_decision_names_the_stage(work: Work) -> None:
    with pytest.raises(InputError, match="decisions/x-y .* run 04_ensemble.py"):
        inputs.read(work, "x-y")
