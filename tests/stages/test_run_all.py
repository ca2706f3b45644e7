"""Input that run_all.sh refuses before any stage begins."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


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


@pytest.mark.parametrize("name", ["a b", "../x", "-x", "x" * 95])
def test_a_name_that_is_no_folder_name_is_refused(tmp_path: Path, name: str) -> None:
    line = error_line(tmp_path / "work", NAME=name)
    assert line.startswith("error: ")
    assert name[:40] in line


@pytest.mark.parametrize(
    ("variable", "value", "repeated"),
    [("RECIPES", "demo r34_512 demo", "demo"), ("FOLDS", "1 0 1", "1")],
)
def test_a_recipe_or_fold_named_twice_is_refused(
    tmp_path: Path, variable: str, value: str, repeated: str
) -> None:
    line = error_line(tmp_path / "work", **{variable: value})
    assert line == f"error: {variable} has {repeated} twice"


@pytest.mark.parametrize("arguments", [[""], ["a", "b"]], ids=["empty", "two"])
def test_an_empty_or_a_second_folder_is_refused_with_the_usage(
    tmp_path: Path, arguments: list[str]
) -> None:
    assert error_line(tmp_path / "work", *arguments) == "usage: bash run_all.sh [RAW_DIR]"
