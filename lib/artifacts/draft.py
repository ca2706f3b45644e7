"""Drafts: artifacts that are being made. Begin one, continue it after a kill, publish it."""

import json
import os
import shlex
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any

from lib import layout
from lib.artifacts import manifest as manifests
from lib.artifacts.complete import Artifact, describe_dependants, read
from lib.artifacts.differences import describe_differences
from lib.artifacts.lock import Lock
from lib.artifacts.manifest import JOURNAL, STATE
from lib.errors import InputError
from lib.files import TEMPORARY, Journal, remove, write_json
from lib.layout import CONFIG, MANIFEST, ArtifactPath
from lib.provenance import collect

# What an artifact is begun with: location, config and inputs, as in `begin`.
Request = tuple[ArtifactPath, Mapping[str, Any], Iterable[Artifact]]
ALL_BEGUN = "all_begun"  # key of config.json: see begin_all


@dataclass
class Draft:
    """An artifact that is being made, in `<folder>.partial`.

    Attributes:
        replaces: remove an existing artifact at the end, just before this one gets its name.
    """

    location: ArtifactPath
    config: Mapping[str, Any]
    inputs: dict[str, str]
    replaces: bool = False
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

    @property
    def has_work(self) -> bool:
        """True if the folder has more than its config; if not, it may begin anew."""
        scratch = any(self.path(name).exists() for name in (JOURNAL, STATE))
        return self.path(CONFIG).exists() and (scratch or bool(manifests.file_names(self.folder)))

    def path(self, name: str) -> Path:
        """Return the path of a file to write, with the functions of `lib.files`."""
        return self.folder / name

    def close(self, others_finished: bool = False) -> None:
        """Give up the draft: free the lock, and remove the folder if it has no work yet.

        Args:
            others_finished: the command has finished others. Under `replaces` the folder stays: it
                tells the same command later that it need not make those again.
        """
        if self.lock.is_held:  # else it is finished, and the folder may be another process's
            if not self.has_work and not (self.replaces and others_finished):
                remove(self.folder)
            self.lock.release()
            for name in PurePath(self.location.name).parents[:-1]:
                with suppress(OSError):  # not empty
                    (self.location.root / name).rmdir()

    def finish(self, inputs: Iterable[Artifact] = (), **circumstances: Any) -> Artifact:
        """Write the manifest and give the folder its final name.

        Args:
            inputs: more inputs, which became known after the draft began.
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
        _publish(self)
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
        replace: make it anew. A finished one stays until the new one is complete; an unfinished
            one is removed, unless it was begun by this command: same config, inputs and `replace`.

    Returns:
        The draft, locked until it is finished or the process ends; None if the artifact is
        complete, with the same config and inputs.

    Raises:
        InputError: if an existing one, finished or not, has another config or other inputs, or
            another process is making it.
    """
    draft = _new_draft((location, config, inputs), replace)
    if not replace and _is_complete(draft):  # before the lock: WORK may be read-only
        return None
    draft.lock.acquire()
    with ExitStack() as stack:
        stack.callback(draft.lock.release)
        if replace and not _goes_on(draft):
            remove(location.partial)
        # Without replace, another process may have finished it since the first look.
        if (_publish_if_finished(draft) or not replace) and _is_complete(draft):
            return None
        _open_partial(draft)
        stack.pop_all()  # the draft keeps the lock
    return draft


def begin_all(requests: Sequence[Request], replace: bool = False) -> list[Draft | None]:
    """Begin the artifacts of one command; see `begin`.

    If the command was interrupted under `replace`, it keeps those that it has finished: those
    without an unfinished folder, where another one says that all were begun.

    Raises:
        InputError: as `begin`; the drafts that were begun before are given up.
    """
    planned = [_new_draft(request, replace) for request in requests]
    continued = [plan for plan in planned if replace and _goes_on(plan)]
    interrupted = any(_all_begun(plan.folder) or plan.has_work for plan in continued)
    drafts = []
    with ExitStack() as stack:
        for request, plan in zip(requests, planned, strict=True):
            finished = interrupted and not os.path.lexists(plan.folder) and _is_same(plan)
            draft = begin(*request, replace=replace and not finished)
            if draft:
                stack.callback(draft.close)
            drafts.append(draft)
        for draft in filter(None, drafts):
            if replace and not draft.has_work:
                _write_config(draft, all_begun=True)
        stack.pop_all()
    return drafts


def _new_draft(request: Request, replace: bool) -> Draft:
    location, config, inputs = request
    return Draft(location, json.loads(json.dumps(config)), _ids(inputs), replace)


def _is_same(draft: Draft) -> bool:
    """Return True if a complete artifact has the config and inputs of the draft."""
    with suppress(InputError):
        return _is_complete(draft)
    return False


def _is_complete(draft: Draft) -> bool:
    """Return True if the artifact is complete, with the config and inputs of the draft."""
    folder = draft.location.folder
    if not folder.exists():
        if folder.is_symlink():
            raise InputError(
                f"{draft.location} is a link to nothing; restore its target, or give --replace"
            )
        return False
    artifact = read(draft.location)
    _check_same(draft, artifact.config, artifact.inputs)
    return True


def _open_partial(draft: Draft) -> None:
    """Continue in an unfinished folder, or begin one."""
    location = draft.location
    if draft.has_work:
        try:
            content = json.loads((location.partial / CONFIG).read_bytes())
            config, inputs = dict(content["config"]), dict(content["inputs"])
        except (ValueError, KeyError, TypeError):
            raise InputError(
                f"{location}{layout.UNFINISHED}/{CONFIG} is damaged; "
                f"remove and remake its folder: {_command_line(location)} --replace"
            ) from None
        _check_same(draft, config, inputs)
    else:
        remove(location.partial)
        _write_config(draft)


def _write_config(draft: Draft, all_begun: bool = False) -> None:
    """Write config.json, which says what the folder will be, and the command that began it."""
    content = _identity(draft) | {"made": {"command": shlex.join(sys.argv)}}
    write_json(draft.folder / CONFIG, content | ({ALL_BEGUN: True} if all_begun else {}))


def _identity(draft: Draft) -> dict[str, Any]:
    """Return what config.json must have for the same command to continue the folder."""
    identity = {"config": draft.config, "inputs": draft.inputs}
    return identity | ({"replaces": True} if draft.replaces else {})


def _all_begun(partial: Path) -> bool:
    """Return True if the command began all its artifacts after it began this one."""
    with suppress(OSError, ValueError, TypeError):
        return ALL_BEGUN in json.loads((partial / CONFIG).read_bytes())
    return False


def _goes_on(draft: Draft) -> bool:
    """Return True if an unfinished folder was begun by the same command under --replace.

    A folder with its manifest counts if config and inputs are the same: it is complete.
    """
    partial = draft.folder
    if partial.is_symlink():
        return False
    manifest, fault = manifests.check(draft.location, partial)
    if not fault:
        same_inputs = draft.inputs.items() <= manifest["inputs"].items()
        return bool(manifest["config"] == draft.config) and same_inputs
    with suppress(OSError, ValueError, TypeError):
        content = json.loads((partial / CONFIG).read_bytes())
        others = ("made", ALL_BEGUN)
        return {key: content[key] for key in content if key not in others} == _identity(draft)
    return False


def _publish_if_finished(draft: Draft) -> bool:
    """Publish a folder whose process was killed between the manifest and the renaming.

    A manifest that does not fit the folder is removed, and the work continues.

    Returns:
        True if it was published.
    """
    _, fault = manifests.check(draft.location, draft.folder)
    if fault:
        remove(draft.folder / MANIFEST)
    else:
        _publish(draft)
    return fault is None


def _publish(draft: Draft) -> None:
    """Give a folder with its manifest the final name, in place of one that it replaces."""
    location = draft.location
    for name in manifests.SCRATCH:
        (location.partial / name).unlink(missing_ok=True)
    if draft.replaces:
        remove(location.folder)
    os.replace(location.partial, location.folder)


def _check_same(draft: Draft, config: Mapping[str, Any], inputs: Mapping[str, str]) -> None:
    """Refuse an existing artifact, finished or not, with another config or other inputs."""
    remade = [name for name, used_id in draft.inputs.items() if inputs.get(name) != used_id]
    differences = [f"another {name}" for name in remade]
    differences += filter(None, [describe_differences(config, draft.config)])
    if differences:
        location = draft.location
        flag = layout.NAME_FLAGS.get(location.kind)
        raise InputError(
            f"{location} was made with {', '.join(differences)}; "
            + (f"give another {flag}, or " if flag else "")
            + f"remake it alone{describe_dependants(location)}: {_command_line(location)} --replace"
        )


def _command_line(location: ArtifactPath) -> str:
    """Return the command line of this process, for one artifact."""
    return location.adapt_command(sys.argv) or location.command


def _ids(artifacts: Iterable[Artifact]) -> dict[str, str]:
    return {artifact.location.name: artifact.id for artifact in artifacts}
