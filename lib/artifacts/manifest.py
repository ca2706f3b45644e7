"""manifest.json: the description of a complete artifact, and the check of a folder against it."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from lib.files import sha256
from lib.layout import CONFIG, MANIFEST, ArtifactPath

FORMAT = 3
JOURNAL, STATE = "journal.jsonl", "state.pt"
SCRATCH = (CONFIG, JOURNAL, STATE)  # only in an unfinished artifact
CHECKSUM = "checksum"  # digest of all other keys, those outside the id too
LOG = "log"  # times and the like: neither listed nor hashed


def load(folder: Path) -> Any:
    """Return the manifest of a folder, unchecked; None if it has none."""
    path = folder / MANIFEST
    return json.loads(path.read_bytes()) if path.is_file() else None


def check(location: ArtifactPath, folder: Path) -> tuple[Mapping[str, Any], str | None]:
    """Check a folder, finished or not, against its manifest.

    Returns:
        The manifest, and the first fault as the end of a sentence, or None.
    """
    try:
        manifest = load(folder)
        return manifest, _find_fault(location, folder, manifest)
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}, f"has a damaged or missing {MANIFEST}"


def _find_fault(location: ArtifactPath, folder: Path, manifest: Mapping[str, Any]) -> str | None:
    if manifest["kind"] != location.kind:
        return f"is of kind {manifest['kind']}, not {location.kind}"
    if manifest["format"] != FORMAT:
        return f"has format {manifest['format']}; this version reads {FORMAT}"
    if digest({key: manifest[key] for key in manifest if key != CHECKSUM}) != manifest[CHECKSUM]:
        return f"has a {MANIFEST} that is damaged or was changed by hand"
    sizes = {
        name: (folder / name).stat().st_size
        for name in file_names(folder)
        if (folder / name).is_file()  # not a pipe, nor a dangling link
    }
    for name in sorted(sizes.keys() | manifest["files"].keys()):
        if name not in sizes:
            return f"lacks {name}"
        if name not in manifest["files"]:
            return f"holds {name}, which its manifest does not list"
        if sizes[name] != manifest["files"][name]["size"]:
            return f"is damaged: {name} has {sizes[name]} bytes"
    return None


def file_names(folder: Path) -> list[str]:
    """Return the files of an artifact, sorted, as paths relative to its folder.

    Raises:
        OSError: if a folder cannot be listed; it must not count as empty.
    """
    names = []
    for parent, folders, files in os.walk(folder, onerror=_raise):
        if Path(parent) == folder:
            folders[:] = [name for name in folders if name != LOG]
        names += [(Path(parent) / file).relative_to(folder).as_posix() for file in files]
    return sorted(set(names) - {*SCRATCH, MANIFEST})


def _raise(error: OSError) -> NoReturn:
    raise error


def describe_file(path: Path) -> dict[str, Any]:
    """Return the size and SHA-256 of a file."""
    return {"size": path.stat().st_size, "sha256": sha256(path)}


def digest(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a mapping, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
