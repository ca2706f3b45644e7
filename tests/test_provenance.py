"""Provenance: the commit is that of the code, not of a repository around it."""

import subprocess
import time
from pathlib import Path

import pytest

from lib import provenance


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(folder), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the module in a folder of its own, inside another repository."""
    code = tmp_path / "code"
    (code / "lib").mkdir(parents=True)
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "another project")
    monkeypatch.setattr(provenance, "__file__", str(code / "lib" / "provenance.py"))
    return code


def commit() -> str:
    return provenance.collect(time.time())["commit"]


def test_an_archive_inside_another_repository_has_no_commit(code: Path) -> None:
    assert commit() == "unknown"


def test_a_checkout_inside_another_repository_has_its_own(
    code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(code, "init", "-q")
    git(code, "commit", "-q", "--allow-empty", "-m", "this project")
    assert commit() == git(code, "rev-parse", "--short", "HEAD")
    monkeypatch.setenv("PATH", "")  # without git
    assert commit() == "unknown"
