"""Killed anywhere, the same command ends with the same bytes."""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from lib.files import sha256
from lib.layout import artifact_paths
from lib.prepare.phantom import write_phantoms

ROOT = Path(__file__).resolve().parents[1]
STAGES = ("01_prepare", "02_train", "03_infer", "04_ensemble", "05_submit")
GENTLE = (signal.SIGINT, signal.SIGTERM)


class Run:
    """`run_all.sh` on a few phantoms, in a process group of its own."""

    def __init__(self, raw: Path, work: Path) -> None:
        settings = {
            "WORK": str(work), "RECIPES": "demo_demo", "FOLDS": "0 1", "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        self.process = subprocess.Popen(
            ["bash", "run_all.sh", str(raw)],
            cwd=ROOT,
            env=os.environ | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # Of what a shell starts in the background SIGINT is ignored, and that is inherited.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )
        self.said = ""

    def lines(self) -> Iterator[str]:
        assert self.process.stdout
        for line in self.process.stdout:
            self.said += line
            yield line

    def reach(self, stage: str) -> None:
        """Wait until a stage begins."""
        assert any(line.startswith(f"== {stage}") for line in self.lines()), self.said

    def stop(self, number: signal.Signals) -> None:
        """Send a signal to all of it, and wait for the end."""
        os.killpg(self.process.pid, number)
        sent = time.monotonic()
        for _ in self.lines():
            pass
        self.process.wait()
        assert time.monotonic() - sent < 10

    def finish(self) -> dict[str, float]:
        """Wait for a good end; when each stage began, and the end, in seconds."""
        began = {}
        for line in self.lines():
            if line.startswith("== "):
                began[line.split()[1].removesuffix(".py")] = time.monotonic()
        assert self.process.wait() == 0, self.said
        return began | {"end": time.monotonic()}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    write_phantoms(folder, n_train=30, n_test=8, seed=3, workers=1)
    return folder


@pytest.fixture(scope="module")
def undisturbed(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Mapping]:
    """A working folder that nothing interrupted, and the seconds that each stage took."""
    work = tmp_path_factory.mktemp("undisturbed")
    began = Run(raw, work).finish()
    return work, {now: began[then] - began[now] for now, then in pairwise(began)}


def content(work: Path) -> dict[str, str]:
    """The hash of every file of every artifact; of a manifest what the id covers, the id."""
    hashes = {}
    for location in artifact_paths(work):
        for path in sorted(location.folder.rglob("*")):
            name = path.relative_to(work).as_posix()
            if path.name == "manifest.json":
                hashes[name] = json.loads(path.read_bytes())["id"]
            elif path.is_file() and "/log/" not in name:
                hashes[name] = sha256(path)
    return hashes


def disturb(
    raw: Path, work: Path, seconds: Mapping[str, float], stage: str, number: signal.Signals,
    draw: random.Random,
) -> None:  # fmt: skip
    """Start, stop at a random moment of a stage."""
    run = Run(raw, work)
    run.reach(stage)
    time.sleep(draw.uniform(0, seconds[stage]))
    run.stop(number)
    if number in GENTLE and run.process.returncode != 0:
        assert "the same command goes on from here" in run.said


def the_same_bytes(raw: Path, work: Path, undisturbed: Path) -> None:
    Run(raw, work).finish()
    assert content(work) == content(undisturbed)
    left = [path for path in work.rglob("*") if path.suffix in (".partial", ".lock", ".tmp")]
    assert left == []


def test_killed_once_in_every_stage(
    raw: Path, tmp_path: Path, undisturbed: tuple[Path, Mapping]
) -> None:
    draw = random.Random(1)
    for stage in STAGES:
        disturb(raw, tmp_path, undisturbed[1], stage, signal.SIGKILL, draw)
    the_same_bytes(raw, tmp_path, undisturbed[0])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_killed_five_times_in_every_stage(
    raw: Path, tmp_path: Path, undisturbed: tuple[Path, Mapping], seed: int
) -> None:
    """25 kills in all, and another end of each working folder."""
    draw = random.Random(seed)
    for stage in STAGES:
        for number in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM):
            disturb(raw, tmp_path, undisturbed[1], stage, number, draw)
    the_same_bytes(raw, tmp_path, undisturbed[0])
