"""Memory of stages 04 and 05 grows neither with images, 2 KB each apart, nor with members."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lib.layout import Work
from tests import fakes

ROOT = Path(__file__).resolve().parents[1]
SIZE = 256
PEAK = """
import resource, runpy, sys
from lib import pool
pool.MOST = 1  # all in this process
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak(work: Work, script: str, *flags: str) -> int:
    """The most memory that a stage held at a time; in KB on Linux."""
    command = [sys.executable, "-c", PEAK, script, "--work", str(work.root), *flags]
    stage = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert stage.returncode == 0, stage.stderr
    return int(stage.stdout.split()[-1])


def make_work(root: Path, images: int, members: int) -> Work:
    """Maps of 64 KB each, as many of the test as out of fold."""
    work, truth = Work(root), fakes.masks(images, SIZE)
    test = [f"test{number}" for number in range(images)]
    fakes.make_dataset(work, truth, test, size=SIZE)
    own = fakes.noisy_map(truth["image00"], np.random.default_rng(0))
    same = dict.fromkeys([*truth, *test], own)
    for member in range(members):
        for fold in (0, 1):
            fakes.make_probs(
                work, str(member), fold, truth, test, size=SIZE, maps=same, seed=member
            )
    return work


@pytest.mark.parametrize(("search", "members"), [("equal", 1), ("search", 2)])
def test_five_times_the_images_and_more_members_take_no_more_memory(
    tmp_path: Path, search: str, members: int
) -> None:
    peaks = []
    for name, images, runs in (("few", 100, 1), ("many", 500, members)):
        work = make_work(tmp_path / name, images, runs)
        listed = [str(member) for member in range(runs)]
        flags = ["--members", *listed, "--name", "x", "--weights", search]
        peaks.append([peak(work, "04_ensemble.py", *flags)])
        if search == "equal":
            peaks[-1].append(peak(work, "05_submit.py", "--decision", "x-triplet"))
    for few, many in zip(*peaks, strict=True):
        assert many < 1.1 * few, peaks
