"""Decisions of a working folder that belong to the artifacts beside them."""

from dataclasses import dataclass

from lib import artifacts, csv_files, layout
from lib.artifacts import Artifact
from lib.dataset import Dataset
from lib.decision import schema
from lib.decision.schema import DECISION_FILE, Decision
from lib.errors import InputError
from lib.layout import CLASSES, Work
from lib.leaderboard.evaluate import Truth, count_areas, truth_images
from lib.score import Score


@dataclass(frozen=True)
class DecisionEntry:
    """A decision, with its folder's name."""

    name: str
    artifact: Artifact
    decision: Decision


def names(work: Work) -> list[str]:
    """Return the names of all decisions, unfinished ones too, sorted."""
    folders = layout.artifact_folders(work.root, "decision")
    return sorted({folder.name.removesuffix(layout.UNFINISHED) for folder in folders})


def read(work: Work, name: str) -> DecisionEntry:
    """Open a decision; check the whole chain of artifacts under WORK that led to it.

    Raises:
        InputError: if the decision or one of these artifacts is damaged, or was made from another
            input than the one under WORK.
    """
    artifact = artifacts.read_chained(work.decision(name))
    try:
        _check_inputs(artifact, set())
    except InputError as error:
        raise InputError(f"{artifact.location}: {error}") from None
    return DecisionEntry(name, artifact, schema.load(artifact.path(DECISION_FILE)))


def score_on_test(entry: DecisionEntry, dataset: Dataset, truth: Truth) -> Score:
    """Score a decision on the test images of a truth.

    Raises:
        InputError: if the ensemble or one of its maps is missing or damaged.
    """
    work = Work(entry.artifact.location.root)
    ensemble = artifacts.read_chained(work.ensemble(entry.artifact.input_name("ensembles")))
    owner = entry.artifact if CLASSES in entry.artifact.files else ensemble
    table = csv_files.read(owner.path(CLASSES), ("ImageId", "p"))
    p_positive = dict(zip(table["ImageId"], table["p"].astype(float), strict=True))
    images = truth_images([ensemble.location.folder], p_positive, dataset, truth)
    areas = count_areas(images, [entry.decision.rule], dataset.rle_size, entry.name)
    ids = tuple(image.image_id for image in images)
    return Score(ids, areas[:, 0], patients=tuple(image.patient_id for image in images))


def _check_inputs(artifact: Artifact, checked: set[str]) -> None:
    """Check all inputs under WORK, and their inputs; each of them once."""
    for location in layout.artifact_paths(artifact.location.root):
        if location.name in artifact.inputs and location.name not in checked:
            checked.add(location.name)
            _check_inputs(artifacts.read_chained(location), checked)
