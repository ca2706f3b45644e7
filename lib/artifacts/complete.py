"""A complete artifact: opened, checked, and checked together with those it was made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib import layout
from lib.artifacts import manifest as manifests
from lib.errors import InputError
from lib.files import sha256
from lib.layout import ArtifactPath


@dataclass(frozen=True)
class Artifact:
    """A complete artifact, as its manifest tells."""

    location: ArtifactPath
    manifest: Mapping[str, Any]

    @property
    def id(self) -> str:
        return self.manifest["id"]

    @property
    def config(self) -> Mapping[str, Any]:
        return self.manifest["config"]

    @property
    def inputs(self) -> Mapping[str, str]:
        """The path of each input, relative to WORK, and its id."""
        return self.manifest["inputs"]

    @property
    def files(self) -> Mapping[str, Mapping[str, Any]]:
        return self.manifest["files"]

    def path(self, name: str) -> Path:
        """The path of one of its files, for reading.

        What is no PNG is hashed: weights and tables would be read without a word if a bit had
        changed. PNGs are the bulk, and have checksums that decoding tests.

        Raises:
            InputError: if the manifest does not list it, or it is damaged.
        """
        if name not in self.files:
            raise InputError(f"{self.location} has no {name}; remake it with {self.location.maker}")
        if not name.endswith(".png") and not self.is_whole(name):
            raise InputError(self.damaged(name))
        return self.location.folder / name

    def is_whole(self, name: str) -> bool:
        """Whether a file has the SHA-256 that the manifest says."""
        return sha256(self.location.folder / name) == self.files[name]["sha256"]

    def damaged(self, name: str) -> str:
        """What is said of a file that is not whole."""
        location = self.location
        return (
            f"{location}/{name} is damaged: another sha256 than in the manifest; "
            f"remake it with {location.maker} --replace"
        )


def read(location: ArtifactPath) -> Artifact:
    """Open a complete artifact; kind, format, id, and every file's name and size are checked.

    Raises:
        InputError: if it is missing, unfinished, of another kind or format, or damaged; the message
            names the stage to run.
    """
    if not location.folder.exists():
        state = "is unfinished" if location.partial.exists() else "is not there"
        raise InputError(f"{location} {state}; run {location.maker}")
    manifest, fault = manifests.check(location, location.folder)
    if fault:
        raise InputError(f"{location} {fault}; remake it with {location.maker} --replace")
    return Artifact(location, manifest)


def read_chained(location: ArtifactPath) -> Artifact:
    """Open a complete artifact of which the inputs that lie here are those it was made from.

    Raises:
        InputError: as `read`, and for the first input that was remade since.
    """
    artifact = read(location)
    inputs = [
        other for other in layout.artifact_paths(location.root) if other.name in artifact.inputs
    ]
    for fault in _broken_links(artifact, {other.name: _id_of(other) for other in inputs}):
        raise InputError(fault)
    return artifact


def verify(root: Path) -> list[str]:
    """Check every artifact under WORK: the hashes of all files, and the chain of inputs.

    Returns:
        A line for each fault; none if all is well.
    """
    faults, found = [], {}
    for location in layout.artifact_paths(root):
        try:
            found[location.name] = read(location)
            faults += _damaged_files(found[location.name])
        except InputError as error:
            faults.append(str(error))
        except OSError as error:
            said = f"{error.strerror}: {error.filename}"
            faults.append(f"{location} cannot be checked: {said}; mend that")
    ids = {name: artifact.id for name, artifact in found.items()}
    for artifact in found.values():
        faults += _broken_links(artifact, ids)
    return faults


def _damaged_files(artifact: Artifact) -> list[str]:
    return [artifact.damaged(name) for name in artifact.files if not artifact.is_whole(name)]


def _id_of(location: ArtifactPath) -> str:
    """The id of a complete artifact, without a look at its files: a cache has thousands."""
    try:
        return manifests.load(location.folder)["id"]
    except (OSError, ValueError, KeyError, TypeError):
        return read(location).id  # which says what is wrong


def _broken_links(artifact: Artifact, ids: Mapping[str, str]) -> list[str]:
    """Inputs that lie here and are not the ones it was made from; those made elsewhere may lack."""
    return [
        f"{artifact.location} was made from another {name} than the one here; "
        f"remake it with {artifact.location.maker} --replace"
        for name, made_from in artifact.inputs.items()
        if ids.get(name, made_from) != made_from
    ]
