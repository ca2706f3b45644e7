"""Inputs of a submission: a decision, the ensemble that it was made from, and the dataset."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lib import artifacts, csv_files, dataset
from lib.artifacts import Artifact
from lib.dataset import Dataset
from lib.decision import schema
from lib.decision.schema import DECISION_FILE, Decision
from lib.errors import InputError
from lib.layout import CLASSES, Work, map_file


@dataclass(frozen=True)
class SubmissionInputs:
    """A decision with the ensemble and the dataset that it applies to."""

    decision_artifact: Artifact
    ensemble: Artifact
    dataset: Dataset

    @property
    def inputs(self) -> list[Artifact]:
        """The three artifacts that a submission is made from."""
        return [self.decision_artifact, self.ensemble, self.dataset.artifact]

    @cached_property
    def decision(self) -> Decision:
        """The content of decision.json."""
        return schema.load(self.decision_artifact.path(DECISION_FILE))

    @cached_property
    def p_positive(self) -> dict[str, float]:
        """p(positive) by ImageId, from the decision's gate or else from the ensemble.

        Empty if no member has an image-level output.
        """
        has_gate = CLASSES in self.decision_artifact.files
        owner = self.decision_artifact if has_gate else self.ensemble
        table = csv_files.read(owner.path(CLASSES), ("ImageId", "p"))
        return dict(zip(table["ImageId"], table["p"].astype(float), strict=True))

    @cached_property
    def oof_ids(self) -> list[str]:
        """The images with an out-of-fold map, sorted."""
        files = self.ensemble.files
        return [name for name in sorted(self.dataset.truth) if map_file("oof", name) in files]

    def test_map(self, image_id: str) -> Path | None:
        """Return the path of a test image's map; None if the ensemble has none."""
        file = map_file("test", image_id)
        return self.ensemble.path(file) if file in self.ensemble.files else None


def read(work: Work, name: str) -> SubmissionInputs:
    """Open a decision with its ensemble and the dataset.

    Args:
        work: the working folder.
        name: NAME-TAG, the decision's folder.

    Raises:
        InputError: if one of them is missing, damaged or remade since, or if there are no test
            images.
    """
    decision = artifacts.read_chained(work.decision(name))
    ensemble = artifacts.read_chained(work.ensemble(decision.input_name("ensembles")))
    source = SubmissionInputs(decision, ensemble, dataset.read(work))
    if not source.dataset.sample:
        raise InputError(
            "dataset has no test images, so there is nothing to submit; run 01_prepare.py on data "
            "that has some"
        )
    return source
