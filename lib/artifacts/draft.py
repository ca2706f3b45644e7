"""Drafts: artifacts that are being made. Begin one, continue it after a kill, publish it."""

import json
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from lib import layout
from lib.artifacts import manifest as manifests
from lib.artifacts.complete import Artifact, read
from lib.artifacts.differences import describe_differences
from lib.artifacts.lock import Lock
from lib.artifacts.manifest import CONFIG, JOURNAL, MANIFEST, STATE
from lib.errors import InputError
from lib.files import TEMPORARY, Journal, remove, write_json
from lib.layout import ArtifactPath
from lib.provenance import collect


@dataclass
class Draft:
    """An artifact that is being made, in `<folder>.partial`."""

    location: ArtifactPath
    config: Mapping[str, Any]
    inputs: dict[str, str]
    started: float = field(default_factory=time.time)

    @cached_property
    def lock(self) -> Lock:
        return Lock(self.location)

    @property
    def folder(self) -> Path:
        return self.location.partial

    @property
    def journal(self) -> Journal:
        """Records of the work done so far; removed when the artifact is finished."""
        return Journal(self.folder / JOURNAL)

    def path(self, name: str) -> Path:
        """Return the path of a file to write, with the functions of `lib.files`."""
        return self.folder / name

    def finish(self, inputs: Iterable[Artifact] = (), **circumstances: Any) -> Artifact:
        """Write the manifest and give the folder its final name.

        Args:
            inputs: those that were not known yet when the draft began.
            circumstances: values for the manifest that are not part of the id: device, threads.
        """
        for temporary in self.folder.rglob(f"*{TEMPORARY}"):
            temporary.unlink()
        identity = {
            "kind": self.location.kind,
            "format": manifests.FORMAT,
            "config": self.config,
            "inputs": self.inputs | _ids(inputs),
            "files": {
                name: manifests.describe_file(self.folder / name)
                for name in manifests.file_names(self.folder)
            },
        }
        manifest = identity | {
            "id": manifests.digest(identity),
            "made": collect(self.started) | circumstances,
        }
        manifest |= {manifests.CHECKSUM: manifests.digest(manifest)}
        write_json(self.folder / MANIFEST, manifest)
        _publish(self.location)
        self.lock.release()
        return Artifact(self.location, manifest)


def begin(
    location: ArtifactPath,
    config: Mapping[str, Any],
    inputs: Iterable[Artifact] = (),
    replace: bool = False,
) -> Draft | None:
    """Begin an artifact, or continue one that was interrupted.

    Args:
        location: its folder.
        config: everything that decides its content, apart from the inputs, as JSON can hold it.
        inputs: the artifacts that it is made from.
        replace: remove an existing one, finished or not, and begin anew.

    Returns:
        The draft, locked until it is finished or the process ends; None if the artifact is
        complete, with the same config and inputs.

    Raises:
        InputError: if an existing one, finished or not, has another config or other inputs, or
            another process is making it.
    """
    draft = Draft(location, json.loads(json.dumps(config)), _ids(inputs))
    if not replace and _is_complete(draft):  # before the lock: WORK may be read-only
        return None
    draft.lock.acquire()
    with ExitStack() as stack:
        stack.callback(draft.lock.release)
        if replace:
            remove(location.folder)
            remove(location.partial)
        _publish_if_finished(location)
        if _is_complete(draft):  # finished by another process since the first look
            return None
        _open_partial(draft)
        stack.pop_all()  # the draft keeps the lock
    return draft


def _is_complete(draft: Draft) -> bool:
    """Return True if the artifact is complete, with the config and inputs of the draft."""
    folder = draft.location.folder
    if not folder.exists():
        if folder.is_symlink():
            raise InputError(
                f"{draft.location} is a link to nothing; bring back what it led to, or --replace"
            )
        return False
    artifact = read(draft.location)
    _check_same(draft, artifact.config, artifact.inputs)
    return True


def _open_partial(draft: Draft) -> None:
    """Continue in an unfinished folder, or begin one."""
    location = draft.location
    if _has_work(location.partial):
        try:
            begun = json.loads((location.partial / CONFIG).read_bytes())
            config, inputs = dict(begun["config"]), dict(begun["inputs"])
        except (ValueError, KeyError, TypeError):
            raise InputError(
                f"{location}{layout.UNFINISHED}/{CONFIG} is damaged; "
                f"remove and remake its folder: {location.command} --replace"
            ) from None
        _check_same(draft, config, inputs)
    else:
        remove(location.partial)
        write_json(location.partial / CONFIG, {"config": draft.config, "inputs": draft.inputs})


def _has_work(partial: Path) -> bool:
    """Return True if an unfinished folder has more than its config; if not, it may begin anew."""
    scratch = any((partial / name).exists() for name in (JOURNAL, STATE))
    return (partial / CONFIG).exists() and (scratch or bool(manifests.file_names(partial)))


def _publish_if_finished(location: ArtifactPath) -> None:
    """Publish a folder whose process was killed between the manifest and the renaming.

    A manifest that does not fit the folder is removed, and the work continues.
    """
    _, fault = manifests.check(location, location.partial)
    if fault:
        remove(location.partial / MANIFEST)
    else:
        _publish(location)


def _publish(location: ArtifactPath) -> None:
    """Give a folder with its manifest the final name."""
    for name in manifests.SCRATCH:
        (location.partial / name).unlink(missing_ok=True)
    os.replace(location.partial, location.folder)


def _check_same(draft: Draft, config: Mapping[str, Any], inputs: Mapping[str, str]) -> None:
    """Refuse an existing artifact, finished or not, with another config or other inputs."""
    others = [name for name, used_id in draft.inputs.items() if inputs.get(name) != used_id]
    difference = describe_differences(config, draft.config) or ", ".join(
        f"another {name}" for name in others
    )
    if difference:
        raise InputError(
            f"{draft.location} was made from {difference}; "
            "choose another name, or --replace to remove and remake it"
        )


def _ids(artifacts: Iterable[Artifact]) -> dict[str, str]:
    return {artifact.location.name: artifact.id for artifact in artifacts}
