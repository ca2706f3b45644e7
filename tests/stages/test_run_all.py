"""What run_all.sh refuses before any stage begins."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def refused(work: Path, *words: str, **settings: str) -> str:
    """Run the script; the one line that it says, and that nothing was made."""
    done = subprocess.run(
        ["bash", "run_all.sh", *words],
        cwd=ROOT,
        env=os.environ | {"WORK": str(work)} | settings,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert not work.exists()
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize("name", ["a b", "../x", "-x", "x" * 95])
def test_a_name_that_an_ensemble_cannot_have(tmp_path: Path, name: str) -> None:
    assert "cannot be a name" in refused(tmp_path / "work", NAME=name)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        pytest.param(
            {"RECIPES": "demo r34_512 demo"}, "error: RECIPES has demo twice", id="recipe"
        ),
        pytest.param({"FOLDS": "1 0 1"}, "error: FOLDS has 1 twice", id="fold"),
    ],
)
def test_what_is_named_twice(tmp_path: Path, settings: dict[str, str], line: str) -> None:
    assert refused(tmp_path / "work", **settings) == line


@pytest.mark.parametrize("words", [[""], ["a", "b"]], ids=["empty", "two"])
def test_a_folder_that_is_none(tmp_path: Path, words: list[str]) -> None:
    assert refused(tmp_path / "work", *words) == "usage: bash run_all.sh [RAW_DIR]"
