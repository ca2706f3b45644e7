"""After a kill at any moment, the same command ends with the same bytes."""

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
from tests.stages.commands import settings_of_run_all

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("01_prepare", "02_train", "03_infer", "04_ensemble", "05_submit")
CATCHABLE = (signal.SIGINT, signal.SIGTERM)


class Pipeline:
    """A run of `run_all.sh` on a few phantoms, in a process group of its own."""

    def __init__(self, raw: Path, work: Path, parallel: int = 1) -> None:
        settings = {
            "WORK": str(work), "RECIPES": "demo_demo", "FOLDS": "0 1", "OMP_NUM_THREADS": "1",
            "PARALLEL": str(parallel),
        }  # fmt: skip
        self.process = subprocess.Popen(
            ["bash", "run_all.sh", str(raw)],
            cwd=ROOT,
            env=settings_of_run_all(**settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # A shell lets background processes ignore SIGINT, and children inherit that.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )
        self.output = ""

    def lines(self) -> Iterator[str]:
        assert self.process.stdout
        for line in self.process.stdout:
            self.output += line
            yield line

    def reach(self, stage: str) -> None:
        """Wait until a stage starts."""
        assert any(line.startswith(f"== {stage}") for line in self.lines()), self.output

    def stop(self, number: signal.Signals) -> None:
        """Send a signal to all processes, and wait for the end."""
        os.killpg(self.process.pid, number)
        signalled = time.monotonic()
        for _ in self.lines():
            pass
        self.process.wait()
        assert time.monotonic() - signalled < 60  # it does not hang

    def finish(self) -> dict[str, float]:
        """Wait for exit code 0; return the start of each stage and the end, in seconds."""
        starts = {}
        for line in self.lines():
            if line.startswith("== "):
                starts[line.split()[1].removesuffix(".py")] = time.monotonic()
        assert self.process.wait() == 0, self.output
        return starts | {"end": time.monotonic()}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    write_phantoms(folder, n_train=30, n_test=8, seed=3, workers=1)
    return folder


@pytest.fixture(scope="module")
def uninterrupted(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Mapping]:
    """Working folder of a run without interruption, and the seconds of each stage."""
    work = tmp_path_factory.mktemp("uninterrupted")
    starts = Pipeline(raw, work).finish()
    return work, {stage: starts[after] - starts[stage] for stage, after in pairwise(starts)}


def hash_files(work: Path) -> dict[str, str]:
    """Return the hash of every file of every artifact; for a manifest its id."""
    hashes = {}
    for location in artifact_paths(work):
        for path in sorted(location.folder.rglob("*")):
            name = path.relative_to(work).as_posix()
            if path.name == "manifest.json":
                hashes[name] = json.loads(path.read_bytes())["id"]
            elif path.is_file() and "/log/" not in name:
                hashes[name] = sha256(path)
    return hashes


def interrupt(
    raw: Path, work: Path, seconds: Mapping[str, float], stage: str, number: signal.Signals,
    rng: random.Random, parallel: int = 1,
) -> None:  # fmt: skip
    """Start the pipeline, and send a signal at a random moment of a stage."""
    pipeline = Pipeline(raw, work, parallel)
    pipeline.reach(stage)
    time.sleep(rng.uniform(0, seconds[stage]))
    pipeline.stop(number)
    if number in CATCHABLE and pipeline.process.returncode != 0:
        assert "the same command" in pipeline.output


def assert_same_end(raw: Path, work: Path, uninterrupted: Path, parallel: int = 1) -> None:
    """Run the pipeline to its end, and compare every file with the uninterrupted run."""
    Pipeline(raw, work, parallel).finish()
    assert hash_files(work) == hash_files(uninterrupted)
    leftovers = [path for path in work.rglob("*") if path.suffix in (".partial", ".lock", ".tmp")]
    assert leftovers == []


def test_one_kill_in_every_stage_changes_no_byte_with_both_folds_side_by_side(
    raw: Path, tmp_path: Path, uninterrupted: tuple[Path, Mapping]
) -> None:
    """Folds run side by side in stages 02 and 03, which also get the signals that can be caught."""
    rng = random.Random(1)
    signals = [(stage, signal.SIGKILL) for stage in STAGES]
    signals[2:2] = [("02_train", signal.SIGINT), ("03_infer", signal.SIGTERM)]
    for stage, number in signals:
        interrupt(raw, tmp_path, uninterrupted[1], stage, number, rng, parallel=2)
    assert_same_end(raw, tmp_path, uninterrupted[0], parallel=2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_three_signals_in_every_stage_change_no_byte(
    raw: Path, tmp_path: Path, uninterrupted: tuple[Path, Mapping], seed: int
) -> None:
    """Over the five seeds: 25 of each signal, at different moments."""
    rng = random.Random(seed)
    for stage in STAGES:
        for number in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM):
            interrupt(raw, tmp_path, uninterrupted[1], stage, number, rng)
    assert_same_end(raw, tmp_path, uninterrupted[0])
