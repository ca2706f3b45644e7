"""Lineage of a submission: the artifacts that it was made from, where they are on this machine."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lib import artifacts
from lib.artifacts import Artifact
from lib.errors import InputError
from lib.layout import ArtifactPath, artifact_paths


@dataclass(frozen=True)
class Ancestor:
    """An artifact by name and id; `artifact` is None if it is missing here or has another id."""

    name: str
    id: str
    artifact: Artifact | None


def ancestors(root: Path, parents: Iterable[Artifact]) -> list[Ancestor]:
    """Return the parents and all artifacts that they were made from, each once, nearest first."""
    locations = {location.name: location for location in artifact_paths(root)}
    by_name = {parent.location.name: Ancestor(parent.location.name, parent.id, parent)
               for parent in parents}  # fmt: skip
    queue = deque(by_name.values())
    while queue:
        artifact = queue.popleft().artifact
        for name, input_id in artifact.inputs.items() if artifact else ():
            if name not in by_name:
                by_name[name] = Ancestor(name, input_id, _open(locations.get(name), input_id))
                queue.append(by_name[name])
    return list(by_name.values())


def _open(location: ArtifactPath | None, artifact_id: str) -> Artifact | None:
    """Return the artifact at a location; None if it is missing, damaged or has another id."""
    try:
        artifact = artifacts.read(location) if location else None
    except InputError:
        return None
    return artifact if artifact and artifact.id == artifact_id else None


def describe_provenance(lineage: Iterable[Ancestor]) -> str:
    """Return commands, commits, versions and times of artifacts, as text for log/lineage.txt."""
    blocks = []
    for ancestor in lineage:
        if ancestor.artifact:
            provenance = ancestor.artifact.manifest["made"]
            versions = provenance["libraries"].items()
            libraries = " ".join(f"{name}={version}" for name, version in versions)
            blocks.append(
                f"{ancestor.name}\n  id       {ancestor.id}\n"
                f"  command  {provenance['command']}\n  commit   {provenance['commit']}\n"
                f"  python   {provenance['python']}\n  with     {libraries}\n"
                f"  started  {provenance['started']}, {provenance['seconds']} s\n"
            )
        else:
            blocks.append(f"{ancestor.name}\n  id       {ancestor.id}\n  not on this machine\n")
    return "\n".join(blocks)
