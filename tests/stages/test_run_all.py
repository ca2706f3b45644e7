"""Input that run_all.sh refuses before any stage begins."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.stages.commands import ROOT


def error_line(work: Path, *arguments: str, **settings: str) -> str:
    """Run the script, check that it stops and makes nothing, and return its one line."""
    done = subprocess.run(
        ["bash", "run_all.sh", *arguments],
        cwd=ROOT,
        env=os.environ | {"WORK": str(work)} | settings,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert not work.exists()
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize(
    ("variable", "value", "fault"),
    [
        *(("NAME", name, name[:40]) for name in ("a b", "../x", "-x", "x" * 95)),
        ("RECIPES", "demo r34_512 demo", "RECIPES has demo twice"),
        ("FOLDS", "1 0 1", "FOLDS has 1 twice"),
    ],
)
def test_a_bad_name_and_a_repeated_recipe_or_fold_are_refused(
    tmp_path: Path, variable: str, value: str, fault: str
) -> None:
    line = error_line(tmp_path / "work", **{variable: value})
    assert line.startswith("error: ")
    assert fault in line


@pytest.mark.parametrize("arguments", [[""], ["a", "b"]], ids=["empty", "two"])
def test_an_empty_or_a_second_folder_is_refused_with_the_usage(
    tmp_path: Path, arguments: list[str]
) -> None:
    assert error_line(tmp_path / "work", *arguments) == "usage: bash run_all.sh [RAW_DIR]"
