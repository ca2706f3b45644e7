"""Input that run_all.sh refuses before any stage begins."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
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
        ("TAG", "a b", "a b"),
        ("TAG", "-x", "-x"),
        ("RULE", "tripel", "RULE tripel"),
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


@pytest.mark.parametrize(
    "arguments", [[""], ["a", "b"], ["--limit", "9"]], ids=["empty", "two", "no folder"]
)
def test_anything_but_one_folder_with_flags_is_refused_with_the_usage(
    tmp_path: Path, arguments: list[str]
) -> None:
    assert error_line(tmp_path / "work", *arguments).startswith("usage: bash run_all.sh ")


STAGE = """import pathlib, sys
words = sys.argv
if words[1:2] == ["-"]:
    sys.exit()
folder = pathlib.Path(__file__).parent
with (folder / "calls").open("a") as calls:
    print(pathlib.Path(words[1]).name, *words[2:], file=calls)
sys.exit(2 if (folder / "refused").exists() and "04_" in words[1] else 0)
"""


@pytest.fixture
def calls(tmp_path: Path) -> Callable[..., list[str]]:
    """Runs the script with a Python that writes down the commands of the stages."""
    (tmp_path / "stage.py").write_text(STAGE)
    fake = tmp_path / "venv/bin/python"
    fake.parent.mkdir(parents=True)
    fake.write_text(f'#!/bin/sh\nexec {sys.executable} {tmp_path}/stage.py "$@"\n')
    fake.chmod(0o755)
    shutil.copy(ROOT / "requirements.txt", tmp_path / "venv/complete")
    work = tmp_path / "work"
    work.mkdir()

    def run_all(*arguments: str, expect: int = 0, **settings: str) -> list[str]:
        (tmp_path / "calls").write_text("")
        env = os.environ | {"WORK": str(work), "VENV": str(tmp_path / "venv")} | settings
        done = subprocess.run(
            ["bash", "run_all.sh", *arguments], cwd=ROOT, env=env, capture_output=True, text=True
        )
        assert done.returncode == expect, done.stderr
        if expect:
            (line,) = done.stderr.splitlines()
            assert "04_ensemble.py --members demo" in line
            assert "NAME" in line
        return (tmp_path / "calls").read_text().splitlines()

    return run_all


def test_settings_reach_their_stages(calls: Callable[..., list[str]]) -> None:
    first, *_, fourth, fifth = calls(RULE="expected", TAG="t", LIMIT="9", NAME="n")
    assert "--limit 9" in first
    assert "--name n" in fourth
    assert "--rule expected --tag t" in fourth
    assert "--decision n-t" in fifth
    assert not any("--replace" in call for call in calls())


def test_flags_after_the_folder_go_to_the_first_stage(calls: Callable[..., list[str]]) -> None:
    first, second, *_ = calls("a folder", "--labels", "my labels.csv", "--rle-size", "384")
    assert "--raw a folder --labels my labels.csv --rle-size 384" in first
    assert "--rle-size" not in second


def test_replace_makes_all_stages_again_but_each_once(
    calls: Callable[..., list[str]], tmp_path: Path
) -> None:
    (tmp_path / "refused").touch()
    assert all("--replace" in call for call in calls(expect=2, REPLACE="1"))
    calls(expect=2, REPLACE="1")
    finished = next(tmp_path.rglob("replaced.txt")).read_text().splitlines()
    assert len(finished) == len(set(finished)) == 3
    (tmp_path / "refused").unlink()
    replaced = ["--replace" in call for call in calls(REPLACE="1")]
    assert replaced == [False, False, False, True, True]
    assert all("--replace" in call for call in calls(REPLACE="1"))
