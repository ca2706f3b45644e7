"""What a submission descends from, as far as it lies on this machine."""

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
    """An artifact by path and id; `artifact` is None where it is not here, or is another one."""

    name: str
    id: str
    artifact: Artifact | None


def ancestors(root: Path, nearest: Iterable[Artifact]) -> list[Ancestor]:
    """Everything that some artifacts were made from, they themselves first, each once."""
    here = {location.name: location for location in artifact_paths(root)}
    found = {artifact.location.name: Ancestor(artifact.location.name, artifact.id, artifact)
             for artifact in nearest}  # fmt: skip
    waiting = deque(found.values())
    while waiting:
        artifact = waiting.popleft().artifact
        for name, made_from in artifact.inputs.items() if artifact else ():
            if name not in found:
                found[name] = Ancestor(name, made_from, _open(here.get(name), made_from))
                waiting.append(found[name])
    return list(found.values())


def _open(location: ArtifactPath | None, made_from: str) -> Artifact | None:
    try:
        artifact = artifacts.read(location) if location else None
    except InputError:
        return None
    return artifact if artifact and artifact.id == made_from else None


def circumstances(line: Iterable[Ancestor]) -> str:
    """Commands, commits, versions and times, as text: they are no part of what was made."""
    blocks = []
    for ancestor in line:
        if ancestor.artifact:
            made = ancestor.artifact.manifest["made"]
            libraries = " ".join(f"{name}={version}" for name, version in made["libraries"].items())
            blocks.append(
                f"{ancestor.name}\n  id       {ancestor.id}\n  command  {made['command']}\n"
                f"  commit   {made['commit']}\n  python   {made['python']}\n"
                f"  with     {libraries}\n  started  {made['started']}, {made['seconds']} s\n"
            )
        else:
            blocks.append(f"{ancestor.name}\n  id       {ancestor.id}\n  not on this machine\n")
    return "\n".join(blocks)
