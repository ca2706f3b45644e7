"""Small artifacts of two files."""

import os
from pathlib import Path

from lib import artifacts
from lib.artifacts import CONFIG, Artifact
from lib.files import write_bytes, write_json
from lib.layout import ArtifactPath

RECIPE = {"recipe": {"phases": [{"epochs": 3, "size": 64}], "seed": 42}, "limit": None}


def make(
    location: ArtifactPath, config=RECIPE, inputs=(), content: bytes = b"weights", **begin
) -> Artifact:
    draft = artifacts.begin(location, config, inputs, **begin)
    assert draft is not None
    write_bytes(draft.path("weights/a.pt"), content)
    write_bytes(draft.path("history.csv"), b"epoch\n0\n")
    return draft.finish(device="cpu")


def unpublish(artifact: Artifact) -> Path:
    """Bring an artifact back to the moment after its manifest was written."""
    partial = artifact.location.partial
    os.rename(artifact.location.folder, partial)
    begun = {"config": artifact.config, "inputs": artifact.inputs}
    write_json(partial / CONFIG, begun)
    return partial


def files_under(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
