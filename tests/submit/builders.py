"""A dataset, an ensemble and a decision of 16 x 16 pixels, for tests of stage 05."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from lib import artifacts, csv_files
from lib.artifacts import Artifact
from lib.decision.rules import ThresholdRule
from lib.decision.schema import DECISION_FILE, SURFACE_FILE
from lib.layout import Work
from lib.score import Score
from lib.submit import inputs, submission
from lib.submit.inputs import SubmissionInputs
from tests import fakes

NAME = "final-params"
BOX = np.zeros((16, 16), np.uint8)
BOX[2:6, 3:5] = 255
NOTHING = np.zeros((16, 16), np.uint8)
BOX_CODE = "50 4 12 4"  # rows 2 to 5 of columns 3 and 4: 3 * 16 + 2, then 12 to the next
RULE = ThresholdRule(top=0.5, min_area=3, bottom=0.3)
TEST_IDS = ("t0", "t1", "t2")
TEST_MAPS = {"t0": BOX, "t1": NOTHING, "t2": BOX}


def prepare(
    work: Work,
    test: Mapping[str, np.ndarray] = TEST_MAPS,
    rule: ThresholdRule = RULE,
    classes: Mapping[str, float] | None = None,
) -> SubmissionInputs:
    """Make a dataset of 12 labelled and 3 test images, maps that equal the truth, a decision."""
    truth = fakes.masks(12)
    fakes.make_dataset(work, truth, TEST_IDS)
    oof = {name: mask.astype(np.uint8) * 255 for name, mask in truth.items()}
    fakes.make_ensemble(work, "final", {"oof": oof, "test": test}, classes)
    fakes.make_decision(work, "final", rule)
    return inputs.read(work, NAME)


def replace_decision(
    work: Work,
    rule: ThresholdRule = RULE,
    classes: Mapping[str, float] | None = None,
    parents: Sequence[Artifact] = (),
    **values: object,
) -> None:
    """Make the decision anew.

    Args:
        classes: p(positive) by ImageId, of the decision's own gate.
        parents: artifacts that it was made from too.
        values: other fields of the decision.
    """
    source = inputs.read(work, NAME)
    decision = replace(source.decision, rule=rule, **values)
    parents = [*source.inputs[1:], *parents]
    draft = artifacts.begin(source.decision_artifact.location, {"rule": "x"}, parents, replace=True)
    assert draft
    if classes:
        table = pd.DataFrame(sorted(classes.items()), columns=["ImageId", "p"])
        csv_files.write(draft.path("class.csv"), table)
    decision.save(draft.path(DECISION_FILE))
    draft.path(SURFACE_FILE).touch()
    draft.finish()


def submit(work: Work, truth: Path | None = None, name: str = NAME) -> Artifact:
    """Make the submission of a decision, anew if there is one."""
    source = inputs.read(work, name)
    location = work.submission(name)
    config = submission.config(location, truth, replace=True)
    draft = artifacts.begin(location, config, source.inputs, replace=True)
    assert draft
    return submission.fill(draft, source, truth)


def read_page(artifact: Artifact) -> str:
    return artifact.path("report.html").read_text()


def score_of(*areas: tuple[int, int, int]) -> Score:
    """Return the score of images i00, i01, ... with these areas: predicted, true and both."""
    return Score(tuple(f"i{number:02}" for number in range(len(areas))), np.array(areas))
