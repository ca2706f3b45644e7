"""Input that run_all.sh refuses before any stage begins."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.processes import is_alive, wait_until
from tests.stages.commands import ROOT, settings_of_run_all


def error_line(work: Path, *arguments: str, **settings: str) -> str:
    """Run the script, check that it stops and makes nothing, and return its one line."""
    done = subprocess.run(
        ["bash", "run_all.sh", *arguments],
        cwd=ROOT,
        env=settings_of_run_all(WORK=str(work), **settings),
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
        ("FOLDS", "1 0 01", "fold 1 is given twice"),
        ("FOLDS", "one", "one"),
        ("RECIPES", "dem", "no recipe 'dem'"),
        ("PARALLEL", "0", "PARALLEL 0"),
        ("PARALLEL", "5000", "PARALLEL 5000"),
        ("LIMIT", "all", "LIMIT all"),
        ("ENCODER_WEIGHTS", "nowhere.pt", "nowhere.pt"),
        ("SYSTEM", "sneddy_v3_demo", "sneddy_v"),
        ("SYSTEM", "x5", "SYSTEM=x5_demo"),
    ],
)
def test_a_bad_name_and_a_repeated_recipe_or_fold_are_refused(
    tmp_path: Path, variable: str, value: str, fault: str
) -> None:
    line = error_line(tmp_path / "work", **{variable: value})
    assert line.startswith("error: ")
    assert fault in line


def test_what_stage_04_would_refuse_is_refused_with_the_settings(tmp_path: Path) -> None:
    line = error_line(tmp_path / "work", SYSTEM="x5_demo", RULE="triplet")
    assert line.startswith("error: SYSTEM='x5_demo' RULE='triplet': ")
    assert "gated" in line


@pytest.mark.parametrize(
    "arguments", [[""], ["a", "b"], ["--limit", "9"]], ids=["empty", "two", "no folder"]
)
def test_anything_but_one_folder_with_flags_is_refused_with_the_usage(
    tmp_path: Path, arguments: list[str]
) -> None:
    assert error_line(tmp_path / "work", *arguments).startswith("usage: bash run_all.sh ")


STAGE = """import os, pathlib, runpy, sys, time
words = sys.argv
if words[1:3] == ["-m", "lib.plan"]:
    sys.argv = words[2:]
    runpy.run_module("lib.plan", run_name="__main__")
    sys.exit()
folder = pathlib.Path(__file__).parent
with (folder / "calls").open("a") as calls:
    print(pathlib.Path(words[1]).name, *words[2:], file=calls)
if (folder / "waits").exists():
    (folder / "pid").write_text(str(os.getpid()))
    time.sleep(60)
sys.exit(2 if (folder / "refused").exists() and "04_" in words[1] else 0)
"""


@pytest.fixture
def venv(tmp_path: Path) -> str:
    """An environment whose Python writes down the commands of the stages."""
    (tmp_path / "stage.py").write_text(STAGE)
    fake = tmp_path / "venv/bin/python"
    fake.parent.mkdir(parents=True)
    fake.write_text(f'#!/bin/sh\nexec {sys.executable} {tmp_path}/stage.py "$@"\n')
    fake.chmod(0o755)
    shutil.copy(ROOT / "requirements.txt", tmp_path / "venv/complete")
    (tmp_path / "work").mkdir()
    return str(tmp_path / "venv")


@pytest.fixture
def calls(tmp_path: Path, venv: str) -> Callable[..., list[str]]:
    """Runs the script, and returns the commands of the stages."""
    work = tmp_path / "work"

    def run_all(*arguments: str, expect: int = 0, **settings: str) -> list[str]:
        (tmp_path / "calls").write_text("")
        env = settings_of_run_all(WORK=str(work), VENV=venv, **settings)
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


def test_a_system_brings_its_recipes_weights_gates_and_rule(
    calls: Callable[..., list[str]],
) -> None:
    *_, fourth, fifth = calls(SYSTEM="sneddy_v2_demo")
    members = [f"sneddy_{name}_demo" for name in ("albunet_public", "albunet_valid", "seunet")]
    assert f"--members {' '.join(members)} sneddy_resnet50_demo --weights 0.2 0.15 0.4" in fourth
    assert "--name sneddy_v2_demo --folds 0 1 --rule sneddy_v2 --tag sneddy_v2 " in fourth
    assert "--decision sneddy_v2_demo-sneddy_v2 " in fifth
    all_calls = calls("a folder", SYSTEM="x5", PARALLEL="2")
    trained = [call.split()[2] for call in all_calls if call.startswith("02_")]
    assert len(trained) == 8
    assert "--gate x5_cls_se50_768 x5_cls_se50_1024 x5_cls_effb3 --gate-fit stack" in all_calls[-2]
    assert all(("--parallel 2" in call) == (call[:2] in ("02", "03")) for call in all_calls)
    assert "--rule auto --tag auto" in calls("a folder", SYSTEM="ours")[-2]
    assert (
        "--name n --rule triplet --tag t"
        in calls("a folder", SYSTEM="baseline", NAME="n", RULE="triplet", TAG="t")[-2]
    )


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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_script_alone_ends_its_stage(
    tmp_path: Path, venv: str, number: signal.Signals
) -> None:
    (tmp_path / "waits").touch()
    script = subprocess.Popen(
        ["bash", "run_all.sh"],
        cwd=ROOT,
        env=settings_of_run_all(WORK=str(tmp_path / "work"), VENV=venv),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # A shell lets background processes ignore SIGINT, and children inherit that.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    pid = tmp_path / "pid"
    wait_until(lambda: pid.exists() and pid.read_text())
    script.send_signal(number)
    _, message = script.communicate(timeout=60)
    assert script.returncode == 128 + number
    assert "same command" in message
    assert not is_alive(pid.read_text())
