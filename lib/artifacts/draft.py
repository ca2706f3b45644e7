"""An artifact that is being made: begun, gone on with, published."""

import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lib import layout
from lib.artifacts import manifest as manifests
from lib.artifacts.complete import Artifact, read
from lib.artifacts.manifest import CONFIG, JOURNAL, MANIFEST, STATE
from lib.errors import InputError
from lib.files import TEMPORARY, Journal, remove, write_json
from lib.layout import ArtifactPath
from lib.lock import Lock
from lib.provenance import collect


@dataclass
class Draft:
    """An artifact that is being made, in `<folder>.partial`."""

    location: ArtifactPath
    config: Mapping[str, Any]
    inputs: dict[str, str]
    started: float = field(default_factory=time.time)
    lock: Lock = field(init=False)

    def __post_init__(self) -> None:
        self.lock = Lock(self.location.lock, self.location.name)

    @property
    def folder(self) -> Path:
        return self.location.partial

    @property
    def journal(self) -> Journal:
        """Records of what is done so far; gone when the artifact is finished."""
        return Journal(self.folder / JOURNAL)

    def path(self, name: str) -> Path:
        """Where a file goes; write it with `lib.files`."""
        return self.folder / name

    def finish(self, inputs: Iterable[Artifact] = (), **made: Any) -> Artifact:
        """Write the manifest and give the folder its name.

        Args:
            inputs: those that were not yet known when the draft began.
            made: what stands outside the id: device, threads.
        """
        for left_over in self.folder.rglob(f"*{TEMPORARY}"):
            left_over.unlink()
        identity = {
            "kind": self.location.kind,
            "format": manifests.FORMAT,
            "config": self.config,
            "inputs": self.inputs | _ids(inputs),
            "files": {
                name: manifests.stamp(self.folder / name)
                for name in manifests.file_names(self.folder)
            },
        }
        manifest = identity | {
            "id": manifests.digest(identity),
            "made": collect(self.started) | made,
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
    """Begin an artifact, or go on with one that was interrupted.

    Args:
        location: where it goes.
        config: all that decides its content, the inputs apart; whatever JSON can hold.
        inputs: the artifacts that it is made from.
        replace: remove what is there, finished or not, and begin anew.

    Returns:
        The draft, locked until it is finished or its process ends; None if the artifact is
        complete, with these config and inputs.

    Raises:
        InputError: if what is there, finished or not, has another config or other inputs, or
            another process is making it.
    """
    draft = Draft(location, json.loads(json.dumps(config)), _ids(inputs))
    if not replace and _is_complete(draft):  # asks for no lock: WORK may be read-only
        return None
    draft.lock.acquire()
    try:
        if replace:
            remove(location.folder)
            remove(location.partial)
        _publish_if_finished(location)
        complete = _is_complete(draft)
        if not complete:
            _open_partial(draft)
    except BaseException:
        draft.lock.release()
        raise
    if complete:  # another process was faster
        draft.lock.release()
        return None
    return draft


def _is_complete(draft: Draft) -> bool:
    """Whether the artifact is there, with the draft's config and inputs."""
    folder = draft.location.folder
    if not folder.exists():
        if folder.is_symlink():
            raise InputError(
                f"{draft.location} is a link to nothing; bring back what it led to, or --replace"
            )
        return False
    artifact = read(draft.location)
    _refuse_other(draft, artifact.config, artifact.inputs)
    return True


def _holds_work(partial: Path) -> bool:
    """Whether an unfinished folder has more than its config: they bind nobody before that."""
    scratch = any((partial / name).exists() for name in (JOURNAL, STATE))
    return (partial / CONFIG).exists() and (scratch or bool(manifests.file_names(partial)))


def _open_partial(draft: Draft) -> None:
    """Go on in an unfinished folder, or begin one."""
    location = draft.location
    if _holds_work(location.partial):
        try:
            begun = json.loads((location.partial / CONFIG).read_bytes())
            config, inputs = dict(begun["config"]), dict(begun["inputs"])
        except (ValueError, KeyError, TypeError):
            raise InputError(
                f"{location}{layout.UNFINISHED}/{CONFIG} is damaged; "
                f"remove and remake its folder: {location.maker} --replace"
            ) from None
        _refuse_other(draft, config, inputs)
    else:
        remove(location.partial)
        write_json(location.partial / CONFIG, {"config": draft.config, "inputs": draft.inputs})


def _publish_if_finished(location: ArtifactPath) -> None:
    """Publish a folder that was killed just before that.

    A manifest that does not fit what lies there goes, and the work goes on.
    """
    _, fault = manifests.check(location, location.partial)
    if fault:
        remove(location.partial / MANIFEST)
    else:
        _publish(location)


def _publish(location: ArtifactPath) -> None:
    """Give a folder whose manifest is written its name."""
    for name in manifests.SCRATCH:
        (location.partial / name).unlink(missing_ok=True)
    os.replace(location.partial, location.folder)


def _refuse_other(draft: Draft, config: Mapping[str, Any], inputs: Mapping[str, str]) -> None:
    """Refuse an artifact, finished or not, that was made from another config or other inputs."""
    location = draft.location
    cure = "choose another name, or --replace to remove and remake it"
    old, new = _flat(config), _flat(draft.config)
    for key in sorted(old.keys() | new.keys()):
        was, wanted = (repr(flat[key]) if key in flat else "absent" for flat in (old, new))
        if was != wanted:
            raise InputError(f"{location} was made with {key} = {was}, not {wanted}; {cure}")
    for name, made_from in draft.inputs.items():
        if inputs.get(name) != made_from:
            raise InputError(f"{location} was made from another {name}; {cure}")


def _flat(value: Any, key: str = "") -> dict[str, Any]:
    """Nested config as dotted keys: phases.0.epochs."""
    if not isinstance(value, Mapping | list) or not value:  # an empty list is a fact too
        return {key: value}
    items = value.items() if isinstance(value, Mapping) else enumerate(value)
    flat: dict[str, Any] = {}
    for name, inner in items:
        flat |= _flat(inner, f"{key}.{name}" if key else str(name))
    return flat


def _ids(artifacts: Iterable[Artifact]) -> dict[str, str]:
    return {artifact.location.name: artifact.id for artifact in artifacts}
