"""Submissions of decisions by expected Dice, and of --rule auto, with their reports."""

from pathlib import Path

import numpy as np
import pytest

from lib import artifacts, dataset, rle
from lib.artifacts import Artifact
from lib.decision.schema import Decision
from lib.ensemble.decide import decide
from lib.ensemble.options import DecisionOptions
from lib.layout import Work
from lib.submit import inputs, submission
from tests import fakes


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


def submit(work: Work, tag: str) -> Artifact:
    """The submission; it is refused if the maps do not give the score of the decision."""
    source, location = inputs.read(work, f"final-{tag}"), work.submission(f"final-{tag}")
    config = submission.config(location, None, replace=True)
    draft = artifacts.begin(location, config, source.inputs, replace=True)
    assert draft
    return submission.fill(draft, source, None)


def read_page(artifact: Artifact) -> str:
    return artifact.path("report.html").read_text()


def test_the_expected_dice_rule_is_submitted_and_reported(work: Work) -> None:
    make_decision(work, DecisionOptions("expected", None))
    artifact = submit(work, "expected")
    page = read_page(artifact)
    for phrase in (
        "Probabilities calibrated on out-of-fold images",
        "highest expected Dice",
        "Calibration out of fold",
        "The probability of a pneumothorax is the members",
    ):
        assert phrase in page, phrase
    rows = artifact.path("submission.csv").read_text().split("\n")
    codes = dict(row.split(",") for row in rows[1:-1])
    assert codes["test1"] == rle.EMPTY
    assert codes["test0"] != rle.EMPTY


def test_the_report_gives_the_choice_of_auto_and_its_reason(work: Work) -> None:
    decision = make_decision(work, DecisionOptions("auto", "plateau"))
    assert f"“{decision.auto['rule']}”: expected gains" in read_page(submit(work, "auto"))
