"""Decisions of a working folder that belong to the artifacts beside them."""

from dataclasses import dataclass

from lib import artifacts, layout
from lib.artifacts import Artifact
from lib.decision import schema
from lib.decision.schema import DECISION_FILE, Decision
from lib.errors import InputError
from lib.layout import Work


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


def _check_inputs(artifact: Artifact, checked: set[str]) -> None:
    """Check all inputs under WORK, and their inputs; each of them once."""
    for location in layout.artifact_paths(artifact.location.root):
        if location.name in artifact.inputs and location.name not in checked:
            checked.add(location.name)
            _check_inputs(artifacts.read_chained(location), checked)
