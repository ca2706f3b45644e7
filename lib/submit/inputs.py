"""What a submission is made from: a decision, the ensemble it was taken on, the dataset."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lib import artifacts, csv_files
from lib.artifacts import Artifact
from lib.dataset import Dataset
from lib.decision import deciders
from lib.decision.deciders import Decider
from lib.decision.rules import ThresholdRule
from lib.errors import InputError
from lib.layout import CLASSES, Work, map_file, mask_file

COLUMNS = ("ImageId", "p")  # of class.csv
BINARY_RULE = ThresholdRule()  # of 0 and 255 only, every threshold makes the same mask


@dataclass(frozen=True)
class SubmissionInputs:
    """A decision, and what it is applied to."""

    decision: Artifact
    ensemble: Artifact
    dataset: Dataset

    @property
    def inputs(self) -> list[Artifact]:
        return [self.decision, self.ensemble, self.dataset.artifact]

    @cached_property
    def decided(self) -> dict[str, Any]:
        """What decision.json holds."""
        return json.loads(self.decision.path("decision.json").read_bytes())

    @cached_property
    def rule(self) -> Decider:
        return deciders.from_json(self.decided)

    @property
    def voted(self) -> bool:
        """Whether the decision holds the masks of test images: the majority of its folds'."""
        return self.decided.get("test_rule") == "vote"

    @cached_property
    def class_probabilities(self) -> dict[str, float]:
        """p(positive) by ImageId: of the decision's gate, or else of the ensemble's members.

        Empty where no member has an image-level output.
        """
        gated = CLASSES in self.decision.files
        table = csv_files.read((self.decision if gated else self.ensemble).path(CLASSES), COLUMNS)
        return dict(zip(table["ImageId"], table["p"].astype(float), strict=True))

    @cached_property
    def oof_ids(self) -> list[str]:
        """The images with an out-of-fold map, sorted."""
        files = self.ensemble.files
        return [name for name in sorted(self.dataset.truth) if map_file("oof", name) in files]

    @property
    def test_maps(self) -> Artifact:
        """What holds the maps of test images, or their masks where they were voted on."""
        return self.decision if self.voted else self.ensemble

    def test_path(self, image_id: str) -> Path | None:
        """The map or the voted mask of a test image, if there is one."""
        file = mask_file(image_id) if self.voted else map_file("test", image_id)
        return self.test_maps.path(file) if file in self.test_maps.files else None


def read(work: Work, name: str) -> SubmissionInputs:
    """Open a decision and what it was taken on.

    Args:
        name: NAME-TAG, the decision's folder.

    Raises:
        InputError: if one of them is missing or damaged, or has been remade since, or there are no
            test images.
    """
    decision = artifacts.read_chained(work.decision(name))
    ensemble = next(path for path in decision.inputs if path.startswith("ensembles/"))
    source = SubmissionInputs(
        decision,
        artifacts.read_chained(work.ensemble(ensemble.removeprefix("ensembles/"))),
        Dataset(artifacts.read(work.dataset)),
    )
    if not source.dataset.sample:
        raise InputError("the dataset has no test images, so there is nothing to submit")
    return source
