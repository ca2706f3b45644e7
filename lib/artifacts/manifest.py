"""manifest.json: what a complete artifact is, and whether what lies there is that."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from lib.files import sha256
from lib.layout import ArtifactPath

FORMAT = 2
CONFIG, MANIFEST, JOURNAL, STATE = "config.json", "manifest.json", "journal.jsonl", "state.pt"
SCRATCH = (CONFIG, JOURNAL, STATE)  # what only an unfinished artifact has, up to its manifest
CHECKSUM = "checksum"  # the digest of all else in the manifest, what stands outside the id too
LOG = "log"  # times and the like: neither listed nor hashed


def load(folder: Path) -> Any:
    """The manifest of a folder, unchecked; None if it has none."""
    path = folder / MANIFEST
    return json.loads(path.read_bytes()) if path.is_file() else None


def check(location: ArtifactPath, folder: Path) -> tuple[Mapping[str, Any], str | None]:
    """The manifest of a folder, its own or the unfinished one, and what is wrong, or None."""
    try:
        manifest = load(folder)
        return manifest, _fault(location, folder, manifest)
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}, f"has a damaged or missing {MANIFEST}"


def _fault(location: ArtifactPath, folder: Path, manifest: Mapping[str, Any]) -> str | None:
    """What is wrong with a folder that should be complete, or None."""
    if manifest["kind"] != location.kind:
        return f"is of kind {manifest['kind']}, not {location.kind}"
    if manifest["format"] != FORMAT:
        return f"has format {manifest['format']}; this version reads {FORMAT}"
    if digest({key: manifest[key] for key in manifest if key != CHECKSUM}) != manifest[CHECKSUM]:
        return f"has a {MANIFEST} that is damaged or was changed by hand"
    there = {
        name: (folder / name).stat().st_size
        for name in file_names(folder)
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


def file_names(folder: Path) -> list[str]:
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


def stamp(path: Path) -> dict[str, Any]:
    return {"size": path.stat().st_size, "sha256": sha256(path)}


def digest(identity: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
