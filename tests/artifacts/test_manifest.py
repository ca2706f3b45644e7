"""Folders that do not fit their manifest."""

import json
import os

import pytest

from lib import artifacts
from lib.artifacts import MANIFEST
from lib.errors import InputError
from lib.layout import Work
from tests.artifacts.builders import make


def change_manifest(work: Work, **values: object) -> None:
    path = work.dataset.folder / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_another_kind_is_refused(work: Work) -> None:
    folder = make(work.ensemble("e")).location.folder
    work.decision("e").folder.parent.mkdir()
    os.replace(folder, work.decision("e").folder)
    with pytest.raises(InputError, match="is of kind ensemble, not decision; .*--replace"):
        artifacts.read(work.decision("e"))


def test_another_format_is_refused(work: Work) -> None:
    make(work.dataset)
    change_manifest(work, format=1)
    with pytest.raises(InputError, match="has format 1; this version reads 3; .*--replace"):
        artifacts.read(work.dataset)


@pytest.mark.parametrize(
    "manifest", ["", "{", "[]", "null", "{}", '{"kind": "dataset"}', "\x00", "{'a': 1}"]
)
def test_a_damaged_manifest_is_refused(work: Work, manifest: str) -> None:
    (make(work.dataset).location.folder / MANIFEST).write_text(manifest)
    with pytest.raises(InputError, match=r"damaged or missing manifest.json; .*01_prepare.py"):
        artifacts.read(work.dataset)


@pytest.mark.parametrize(
    "values", [{"config": {"limit": 7}}, {"made": {}}, {"id": "0" * 64}], ids=lambda v: list(v)[0]
)
def test_a_manifest_changed_by_hand_is_refused(work: Work, values: dict) -> None:
    make(work.dataset)
    change_manifest(work, **values)
    with pytest.raises(InputError, match="changed by hand"):
        artifacts.read(work.dataset)


def test_missing_added_and_cut_files_are_named(work: Work) -> None:
    folder = make(work.run("a", 0)).location.folder
    (folder / "weights" / "a.pt").write_bytes(b"weigh")
    with pytest.raises(InputError, match=r"is damaged: weights/a.pt has 5 bytes"):
        artifacts.read(work.run("a", 0))
    (folder / "weights" / "a.pt").unlink()
    with pytest.raises(InputError, match=r"lacks weights/a.pt"):
        artifacts.read(work.run("a", 0))
    (folder / "weights" / "a.pt").write_bytes(b"weights")
    (folder / "b.pt").touch()
    with pytest.raises(InputError, match=r"holds b.pt, which its manifest does not list"):
        artifacts.read(work.run("a", 0))


@pytest.mark.parametrize("kind", ["dangling", "loop", "pipe"])
def test_a_link_or_pipe_in_the_place_of_a_file_is_a_missing_file(work: Work, kind: str) -> None:
    path = make(work.run("a", 0)).location.folder / "weights" / "a.pt"
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(work.root / "gone" if kind == "dangling" else path)
    with pytest.raises(InputError, match=r"lacks weights/a.pt; .*--replace"):
        artifacts.read(work.run("a", 0))


def test_a_folder_that_cannot_be_listed_is_not_empty(open_work: Work, user) -> None:
    """The cure of a missing file would remove days of work."""
    run = make(open_work.run("a", 0))
    (run.location.folder / "weights").chmod(0)
    with user(), pytest.raises(PermissionError):
        artifacts.read(open_work.run("a", 0))
