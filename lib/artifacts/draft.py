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
from lib.artifacts.manifest import FACTS, JOURNAL, MANIFEST, STATE
from lib.errors import InputError
from lib.files import TEMPORARY, Journal, remove, write_json
from lib.layout import Place
from lib.lock import Lock
from lib.provenance import circumstances


@dataclass
class Draft:
    """An artifact that is being made, in `<folder>.partial`."""

    place: Place
    facts: Mapping[str, Any]
    inputs: dict[str, str]
    started: float = field(default_factory=time.time)
    lock: Lock = field(init=False)

    def __post_init__(self) -> None:
        self.lock = Lock(self.place.lock, self.place.name)

    @property
    def folder(self) -> Path:
        return self.place.partial

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
            "kind": self.place.kind,
            "format": manifests.FORMAT,
            "facts": self.facts,
            "inputs": self.inputs | _ids(inputs),
            "files": {
                name: manifests.stamp(self.folder / name)
                for name in manifests.file_names(self.folder)
            },
        }
        manifest = identity | {
            "id": manifests.digest(identity),
            "made": circumstances(self.started) | made,
        }
        manifest |= {manifests.SEAL: manifests.digest(manifest)}
        write_json(self.folder / MANIFEST, manifest)
        _publish(self.place)
        self.lock.release()
        return Artifact(self.place, manifest)


def begin(
    place: Place,
    facts: Mapping[str, Any],
    inputs: Iterable[Artifact] = (),
    replace: bool = False,
) -> Draft | None:
    """Begin an artifact, or go on with one that was interrupted.

    Args:
        place: where it goes.
        facts: all that decides its content, the inputs apart; whatever JSON can hold.
        inputs: the artifacts that it is made from.
        replace: remove what is there, finished or not, and begin anew.

    Returns:
        The draft, locked until it is finished or its process ends; None if the artifact is
        complete, with these facts and inputs.

    Raises:
        InputError: if what is there, finished or not, has other facts or inputs, or another process
            is making it.
    """
    draft = Draft(place, json.loads(json.dumps(facts)), _ids(inputs))
    if not replace and _is_complete(draft):  # asks for no lock: WORK may be read-only
        return None
    draft.lock.acquire()
    try:
        if replace:
            remove(place.folder)
            remove(place.partial)
        _publish_if_finished(place)
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
    """Whether the artifact is there, with the draft's facts and inputs."""
    folder = draft.place.folder
    if not folder.exists():
        if folder.is_symlink():
            raise InputError(
                f"{draft.place} is a link to nothing; bring back what it led to, or --replace"
            )
        return False
    artifact = read(draft.place)
    _refuse_other(draft, artifact.facts, artifact.inputs)
    return True


def _holds_work(partial: Path) -> bool:
    """Whether an unfinished folder has more than its facts: they bind nobody before that."""
    scratch = any((partial / name).exists() for name in (JOURNAL, STATE))
    return (partial / FACTS).exists() and (scratch or bool(manifests.file_names(partial)))


def _open_partial(draft: Draft) -> None:
    """Go on in an unfinished folder, or begin one."""
    place = draft.place
    if _holds_work(place.partial):
        try:
            begun = json.loads((place.partial / FACTS).read_bytes())
            facts, inputs = dict(begun["facts"]), dict(begun["inputs"])
        except (ValueError, KeyError, TypeError):
            raise InputError(
                f"{place}{layout.UNFINISHED}/{FACTS} is damaged; "
                f"remove and remake its folder: {place.maker} --replace"
            ) from None
        _refuse_other(draft, facts, inputs)
    else:
        remove(place.partial)
        write_json(place.partial / FACTS, {"facts": draft.facts, "inputs": draft.inputs})


def _publish_if_finished(place: Place) -> None:
    """Publish a folder that was killed just before that.

    A manifest that does not fit what lies there goes, and the work goes on.
    """
    _, fault = manifests.check(place, place.partial)
    if fault:
        remove(place.partial / MANIFEST)
    else:
        _publish(place)


def _publish(place: Place) -> None:
    """Give a folder whose manifest is written its name."""
    for name in manifests.SCRATCH:
        (place.partial / name).unlink(missing_ok=True)
    os.replace(place.partial, place.folder)


def _refuse_other(draft: Draft, facts: Mapping[str, Any], inputs: Mapping[str, str]) -> None:
    """Refuse to go on with, or to take for up to date, what was made from other facts or inputs."""
    place = draft.place
    cure = "choose another name, or --replace to remove and remake it"
    old, new = _flat(facts), _flat(draft.facts)
    for key in sorted(old.keys() | new.keys()):
        was, wanted = (repr(flat[key]) if key in flat else "absent" for flat in (old, new))
        if was != wanted:
            raise InputError(f"{place} was made with {key} = {was}, not {wanted}; {cure}")
    for name, made_from in draft.inputs.items():
        if inputs.get(name) != made_from:
            raise InputError(f"{place} was made from another {name}; {cure}")


def _flat(value: Any, key: str = "") -> dict[str, Any]:
    """Nested facts as dotted keys: phases.0.epochs."""
    if not isinstance(value, Mapping | list) or not value:  # an empty list is a fact too
        return {key: value}
    items = value.items() if isinstance(value, Mapping) else enumerate(value)
    flat: dict[str, Any] = {}
    for name, inner in items:
        flat |= _flat(inner, f"{key}.{name}" if key else str(name))
    return flat


def _ids(artifacts: Iterable[Artifact]) -> dict[str, str]:
    return {artifact.place.name: artifact.id for artifact in artifacts}
