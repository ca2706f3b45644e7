"""What stages leave for each other: folders that are complete or do not count.

An artifact is filled as `<folder>.partial`, which begins with facts.json; every file in it is
written aside and renamed; manifest.json comes last, then the folder is renamed. So a folder without
the suffix is complete, and a stage that was killed goes on in the partial one. While it is made,
`<folder>.lock` says by whom.

    python -m lib.artifacts verify WORK
"""

import argparse
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from lib import layout
from lib.errors import InputError, run_stage
from lib.files import TEMPORARY, Journal, sha256, write_json
from lib.layout import Place
from lib.lock import Lock
from lib.provenance import circumstances

FORMAT = 1
FACTS, MANIFEST, JOURNAL, STATE = "facts.json", "manifest.json", "journal.jsonl", "state.pt"
SCRATCH = (FACTS, JOURNAL, STATE)  # what only an unfinished artifact has, up to its manifest
SEAL = "seal"  # the digest of all else in the manifest, what stands outside the id too
LOG = "log"  # times and the like: neither listed nor hashed


@dataclass(frozen=True)
class Artifact:
    """A complete artifact, as its manifest tells."""

    place: Place
    manifest: Mapping[str, Any]

    @property
    def id(self) -> str:
        return self.manifest["id"]

    @property
    def facts(self) -> Mapping[str, Any]:
        return self.manifest["facts"]

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
            raise InputError(f"{self.place} has no {name}; remake it with {self.place.maker}")
        if not name.endswith(".png") and not self.is_whole(name):
            raise InputError(self.damaged(name))
        return self.place.folder / name

    def is_whole(self, name: str) -> bool:
        """Whether a file has the SHA-256 that the manifest says."""
        return sha256(self.place.folder / name) == self.files[name]["sha256"]

    def damaged(self, name: str) -> str:
        """What is said of a file that is not whole."""
        place = self.place
        return (
            f"{place}/{name} is damaged: another sha256 than in the manifest; "
            f"remake it with {place.maker} --replace"
        )


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
            "format": FORMAT,
            "facts": self.facts,
            "inputs": self.inputs | _ids(inputs),
            "files": {name: _stamp(self.folder / name) for name in _file_names(self.folder)},
        }
        manifest = identity | {"id": _digest(identity), "made": circumstances(self.started) | made}
        manifest |= {SEAL: _digest(manifest)}
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
            _remove(place.folder)
            _remove(place.partial)
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
        _remove(place.partial)
        write_json(place.partial / FACTS, {"facts": draft.facts, "inputs": draft.inputs})


def read(place: Place) -> Artifact:
    """Open a complete artifact; kind, format, id, and every file's name and size are checked.

    Raises:
        InputError: if it is missing, unfinished, of another kind or format, or damaged; the message
            names the stage to run.
    """
    if not place.folder.exists():
        state = "is unfinished" if place.partial.exists() else "is not there"
        raise InputError(f"{place} {state}; run {place.maker}")
    manifest, fault = _check(place, place.folder)
    if fault:
        raise InputError(f"{place} {fault}; remake it with {place.maker} --replace")
    return Artifact(place, manifest)


def read_chained(place: Place) -> Artifact:
    """Open a complete artifact of which the inputs that lie here are those it was made from.

    Raises:
        InputError: as `read`, and for the first input that was remade since.
    """
    artifact = read(place)
    inputs = [other for other in layout.places(place.root) if other.name in artifact.inputs]
    for fault in _broken_links(artifact, {other.name: _id_of(other) for other in inputs}):
        raise InputError(fault)
    return artifact


def verify(root: Path) -> list[str]:
    """Check every artifact under WORK: the hashes of all files, and the chain of inputs.

    Returns:
        A line for each fault; none if all is well.
    """
    faults, found = [], {}
    for place in layout.places(root):
        try:
            found[place.name] = read(place)
            faults += _damaged_files(found[place.name])
        except InputError as error:
            faults.append(str(error))
        except OSError as error:
            said = f"{error.strerror}: {error.filename}"
            faults.append(f"{place} cannot be checked: {said}; mend that")
    ids = {name: artifact.id for name, artifact in found.items()}
    for artifact in found.values():
        faults += _broken_links(artifact, ids)
    return faults


def _holds_work(partial: Path) -> bool:
    """Whether an unfinished folder has more than its facts: they bind nobody before that."""
    scratch = any((partial / name).exists() for name in (JOURNAL, STATE))
    return (partial / FACTS).exists() and (scratch or bool(_file_names(partial)))


def _damaged_files(artifact: Artifact) -> list[str]:
    return [artifact.damaged(name) for name in artifact.files if not artifact.is_whole(name)]


def _id_of(place: Place) -> str:
    """The id of a complete artifact, without a look at its files: a cache has thousands."""
    try:
        return _manifest(place.folder)["id"]
    except (OSError, ValueError, KeyError, TypeError):
        return read(place).id  # which says what is wrong


def _broken_links(artifact: Artifact, ids: Mapping[str, str]) -> list[str]:
    """Inputs that lie here and are not the ones it was made from; those made elsewhere may lack."""
    return [
        f"{artifact.place} was made from another {name} than the one here; "
        f"remake it with {artifact.place.maker} --replace"
        for name, made_from in artifact.inputs.items()
        if ids.get(name, made_from) != made_from
    ]


def _publish_if_finished(place: Place) -> None:
    """Publish a folder that was killed just before that.

    A manifest that does not fit what lies there goes, and the work goes on.
    """
    _, fault = _check(place, place.partial)
    if fault:
        _remove(place.partial / MANIFEST)
    else:
        _publish(place)


def _publish(place: Place) -> None:
    """Give a folder whose manifest is written its name."""
    for name in SCRATCH:
        (place.partial / name).unlink(missing_ok=True)
    os.replace(place.partial, place.folder)


def _manifest(folder: Path) -> Any:
    """The manifest of a folder, unchecked; None if it has none."""
    path = folder / MANIFEST
    return json.loads(path.read_bytes()) if path.is_file() else None


def _check(place: Place, folder: Path) -> tuple[Mapping[str, Any], str | None]:
    """The manifest of a folder, its own or the unfinished one, and what is wrong, or None."""
    try:
        manifest = _manifest(folder)
        return manifest, _fault(place, folder, manifest)
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}, f"has a damaged or missing {MANIFEST}"


def _fault(place: Place, folder: Path, manifest: Mapping[str, Any]) -> str | None:
    """What is wrong with a folder that should be complete, or None."""
    if manifest["kind"] != place.kind:
        return f"is of kind {manifest['kind']}, not {place.kind}"
    if manifest["format"] != FORMAT:
        return f"has format {manifest['format']}; this version reads {FORMAT}"
    if _digest({key: manifest[key] for key in manifest if key != SEAL}) != manifest[SEAL]:
        return f"has a {MANIFEST} that is damaged or was changed by hand"
    there = {
        name: (folder / name).stat().st_size
        for name in _file_names(folder)
        if (folder / name).is_file()  # and no pipe, nor a link to nothing
    }
    for name in sorted(there.keys() | manifest["files"].keys()):
        if name not in there:
            return f"lacks {name}"
        if name not in manifest["files"]:
            return f"holds {name}, which its manifest does not list"
        if there[name] != manifest["files"][name]["size"]:
            return f"is damaged: {name} has {there[name]} bytes"
    return None


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


def _remove(path: Path) -> None:
    """Remove what is there, renamed first: a half-removed folder must not look complete."""
    doomed = path.with_name(f"{path.name}{layout.DOOMED}")
    _delete(doomed)
    if os.path.lexists(path):
        os.replace(path, doomed)
        _delete(doomed)


def _delete(path: Path) -> None:
    """Remove a folder with all that is in it, or a file; of a link, the link."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _file_names(folder: Path) -> list[str]:
    """The files that count, as paths relative to the folder, sorted."""
    names = []
    for parent, folders, files in os.walk(folder, onerror=_raise):
        if Path(parent) == folder:
            folders[:] = [name for name in folders if name != LOG]
        names += [(Path(parent) / file).relative_to(folder).as_posix() for file in files]
    return sorted(set(names) - {*SCRATCH, MANIFEST})


def _raise(error: OSError) -> NoReturn:
    """For os.walk: a folder that may not be read is not empty."""
    raise error


def _ids(artifacts: Iterable[Artifact]) -> dict[str, str]:
    return {artifact.place.name: artifact.id for artifact in artifacts}


def _stamp(path: Path) -> dict[str, Any]:
    return {"size": path.stat().st_size, "sha256": sha256(path)}


def _digest(identity: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description="Check every artifact under a working folder.")
    parser.add_argument("action", choices=["verify"])
    parser.add_argument("work", type=Path)
    args = parser.parse_args()
    if not args.work.is_dir():
        raise InputError(f"{args.work} is not a folder")
    count = len(layout.places(args.work))
    if not count:
        raise InputError(f"{args.work} has no artifact; give the folder of --work")
    faults = verify(args.work)
    if faults:
        raise InputError("\nerror: ".join(faults))
    print(f"{args.work}: {count} artifacts, each whole and fitting its inputs")


if __name__ == "__main__":
    run_stage(main)
