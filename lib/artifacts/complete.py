"""Complete artifacts: open and check one, or all with the inputs that they were made from."""

import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib import layout
from lib.artifacts import manifest as manifests
from lib.errors import InputError
from lib.files import sha256
from lib.layout import ArtifactPath

REPLACED = "replaced.txt"  # where run_all.sh lists what REPLACE=1 has finished


@dataclass(frozen=True)
class Artifact:
    """A complete artifact and its manifest."""

    location: ArtifactPath
    manifest: Mapping[str, Any]

    @property
    def id(self) -> str:
        """SHA-256 of kind, format, config, inputs and files."""
        return self.manifest["id"]

    @property
    def config(self) -> Mapping[str, Any]:
        """Everything that decides the content, apart from the inputs."""
        return self.manifest["config"]

    @property
    def inputs(self) -> Mapping[str, str]:
        """Id of each input, by its path relative to WORK."""
        return self.manifest["inputs"]

    @property
    def files(self) -> Mapping[str, Mapping[str, Any]]:
        """Size and SHA-256 of each file, by its path relative to the folder."""
        return self.manifest["files"]

    def input_name(self, folder: str) -> str:
        """Return the name of the one input in a folder of WORK, such as "ensembles"."""
        (name,) = [path for path in self.inputs if path.startswith(f"{folder}/")]
        return name.removeprefix(f"{folder}/")

    def path(self, name: str) -> Path:
        """Return the path of a file, for reading.

        Every file that is not a PNG is hashed: a changed bit in weights or tables would otherwise
        go unnoticed. PNGs are too many, and decoding checks their own checksums.

        Raises:
            InputError: if the manifest does not list the file, or the file is damaged.
        """
        if name not in self.files:
            command = self.location.command
            raise InputError(f"{self.location} has no {name}; remake it with {command} --replace")
        fault = None if name.endswith(".png") else self.find_damage(name)
        if fault:
            raise InputError(fault)
        return self.location.folder / name

    def find_damage(self, name: str) -> str | None:
        """Return an error message if the SHA-256 of a file is not the one in the manifest."""
        if sha256(self.location.folder / name) == self.files[name]["sha256"]:
            return None
        return (
            f"{self.location}/{name} is damaged: another sha256 than in the manifest; "
            f"remake it with {self.location.command} --replace"
        )


def read(location: ArtifactPath) -> Artifact:
    """Open a complete artifact; check kind, format, id, and the name and size of every file.

    Raises:
        InputError: if it is missing, unfinished, of another kind or format, or damaged; the message
            names the stage to run.
    """
    if not location.folder.exists():
        state = "is unfinished" if location.partial.exists() else "does not exist"
        raise InputError(f"{location} {state}; run {location.command}")
    manifest, fault = manifests.check(location, location.folder)
    if fault:
        raise InputError(f"{location} {fault}; remake it with {location.command} --replace")
    return Artifact(location, manifest)


def read_chained(location: ArtifactPath) -> Artifact:
    """Open a complete artifact; check too that it was made from the inputs now under WORK.

    Raises:
        InputError: as `read`, and for the first input that was remade since.
    """
    artifact = read(location)
    inputs = [
        other for other in layout.artifact_paths(location.root) if other.name in artifact.inputs
    ]
    for fault in _remade_inputs(artifact, {other.name: _id_of(other) for other in inputs}):
        raise InputError(fault)
    return artifact


def verify(root: Path) -> list[str]:
    """Check every artifact under WORK: the hashes of all files, and the inputs.

    Returns:
        A line for each fault; an empty list if there is none.
    """
    faults: list[str] = []
    artifacts: dict[str, Artifact] = {}
    for location in layout.artifact_paths(root):
        try:
            artifact = read(location)
            artifacts[location.name] = artifact
            faults += filter(None, map(artifact.find_damage, artifact.files))
        except InputError as error:
            faults.append(str(error))
        except OSError as error:
            faults.append(
                f"{location} cannot be checked: {error.strerror}: {error.filename}; "
                "correct that and verify again"
            )
    ids = {name: artifact.id for name, artifact in artifacts.items()}
    for artifact in artifacts.values():
        faults += _remade_inputs(artifact, ids)
    return faults


def describe_outdated(artifact: Artifact) -> str | None:
    """Name the artifacts that were made from an earlier one of this name, in a line, or None."""
    name, root = artifact.location.name, artifact.location.root
    outdated = [
        str(location)
        for location, used_id in _made_from(artifact.location)
        if used_id != artifact.id
    ]
    if not outdated:
        return None
    return (
        f"made from the earlier {name}: {', '.join(outdated)}; for the commands that remake them: "
        f"{shlex.join(['python', '-m', 'lib.artifacts', 'verify', str(root)])}"
    )


def describe_dependants(location: ArtifactPath) -> str:
    """Return what remaking an artifact outdates, as words of a message; "" if nothing."""
    names = [str(other) for other, _ in _made_from(location)]
    more = ", ..." if len(names) > 3 else ""
    return f", which outdates {', '.join(names[:3])}{more}" if names else ""


def _made_from(location: ArtifactPath) -> Iterator[tuple[ArtifactPath, str]]:
    """Yield the artifacts of later stages that have this one as an input, with the id they used."""
    kinds = list(layout.PATTERNS)
    later_kinds = kinds[kinds.index(location.kind) + 1 :]  # caches have long manifests
    for other in layout.artifact_paths(location.root):
        if other.kind in later_kinds:
            with suppress(OSError, ValueError, KeyError, TypeError):  # verify names damaged ones
                yield other, manifests.load(other.folder)["inputs"][location.name]


def describe_leftovers(root: Path) -> list[str]:
    """Return a line for each thing under WORK that interrupted commands left, with the cures."""
    leftovers: dict[Path, str] = {}
    for kind, pattern in layout.PATTERNS.items():
        for folder in layout.artifact_folders(root, kind):
            if folder.suffix == layout.UNFINISHED:
                name = folder.relative_to(root).as_posix().removesuffix(layout.UNFINISHED)
                location = ArtifactPath(root, name, kind)
                begun = location.adapt_command(layout.recorded_command(folder))
                replace = " --replace" if location.folder.exists() else ""
                leftovers[folder] = f"run {begun or location.command}{replace} to continue, or "
        leftovers |= dict.fromkeys(root.glob(f"{pattern}{layout.REMOVED}"), "")
    if (root / REPLACED).exists():
        leftovers[root / REPLACED] = "run the same REPLACE=1 bash run_all.sh to continue, or "
    return [
        f"{path.relative_to(root).as_posix()} is of a command that was interrupted or still runs; "
        f"if interrupted, {cure}remove it"
        for path, cure in leftovers.items()
    ]


def _id_of(location: ArtifactPath) -> str:
    """Return the id of a complete artifact without checking its files: a cache has thousands."""
    try:
        return manifests.load(location.folder)["id"]
    except (OSError, ValueError, KeyError, TypeError):
        return read(location).id  # raises the error that names the cure


def _remade_inputs(artifact: Artifact, ids: Mapping[str, str]) -> list[str]:
    """Return a fault for each input under WORK that is not the one the artifact was made from.

    A missing input is fine: it may be on another machine.
    """
    return [
        f"{artifact.location} was made from another {name} than the one here; "
        f"remake it with {_command_from_inputs(artifact)} --replace"
        for name, used_id in artifact.inputs.items()
        if ids.get(name, used_id) != used_id
    ]


def _command_from_inputs(artifact: Artifact) -> str:
    """Return the command that remakes an artifact; that of a decision keeps the ensemble here."""
    command = artifact.location.command
    for name in artifact.inputs if artifact.location.kind == "decision" else ():
        with suppress(OSError, ValueError, KeyError, TypeError):
            config = manifests.load(artifact.location.root / name)["config"]
            flags = {f"--{key}": config[key] for key in ("members", "folds", "weights")}
            if config["weights"] == "search":
                flags["--weights"] = ["search"]
            command = layout.set_flags(shlex.split(command), flags)
    return command
