"""Submissions of decisions by expected Dice, and of --rule auto, with their reports."""

from pathlib import Path

import numpy as np
import pytest

from lib import artifacts, dataset, rle
from lib.decision.schema import Decision
from lib.ensemble.decide import decide
from lib.ensemble.options import DecisionOptions
from lib.layout import Work
from tests import fakes
from tests.submit.builders import read_page, submit


@pytest.fixture
def work(tmp_path: Path) -> Work:
    """An ensemble of forty images in three folds, with good maps and image probabilities."""
    work, truth = Work(tmp_path / "work"), fakes.masks(40)
    fakes.make_dataset(work, truth, folds=3)
    rng = np.random.default_rng(0)
    maps = {image_id: fakes.noisy_map(mask, rng, 0.7) for image_id, mask in truth.items()}
    test = {"test0": maps["image00"], "test1": maps["image01"]}
    p = {image_id: 0.5 + 0.2 * mask.any() for image_id, mask in truth.items()}
    fakes.make_ensemble(
        work, "final", {"oof": maps, "test": test}, p | {"test0": 0.7, "test1": 0.5}
    )
    return work


def make_decision(work: Work, options: DecisionOptions) -> Decision:
    ensemble, data = artifacts.read(work.ensemble("final")), dataset.read(work)
    location = work.decision(f"final-{options.rule}")
    draft = artifacts.begin(location, options.config, [ensemble, data.artifact])
    assert draft
    return decide(draft, ensemble, data, options)


def test_the_expected_dice_rule_is_submitted_and_reported(work: Work) -> None:
    make_decision(work, DecisionOptions("expected", None))
    artifact = submit(work, name="final-expected")
    page = read_page(artifact)
    for phrase in (
        "Probabilities calibrated on out-of-fold images",
        "highest expected Dice",
        "Calibration out of fold",
        "The probability of a pneumothorax is the members",
    ):
        assert phrase in page, phrase
    rows = artifact.path("submission.csv").read_text().splitlines()
    codes = dict(row.split(",") for row in rows)
    assert codes["test1"] == rle.EMPTY
    assert codes["test0"] != rle.EMPTY


def test_the_report_gives_the_choice_of_auto_and_its_reason(work: Work) -> None:
    decision = make_decision(work, DecisionOptions("auto", "plateau"))
    page = read_page(submit(work, name="final-auto"))
    assert f"“{decision.auto.rule}”: expected gains" in page
