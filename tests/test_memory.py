"""Memory of stage 04 grows neither with images, 2 KB each apart, nor with members."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from lib.layout import Work
from tests import fakes

ROOT = Path(__file__).resolve().parents[1]
SIZE = 256
PEAK = """
import resource, runpy, sys
from lib import pool
pool.MOST = 1  # all in this process
sys.argv = ["04_ensemble.py", *sys.argv[1:]]
runpy.run_path("04_ensemble.py", run_name="__main__")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak(work: Work, members: int) -> int:
    """The most memory that the stage held at a time, weights searched; in KB on Linux."""
    runs = [str(member) for member in range(members)]
    flags = ["--work", str(work.root), "--members", *runs, "--name", "x", "--weights", "search"]
    stage = subprocess.run(
        [sys.executable, "-c", PEAK, *flags], capture_output=True, text=True, cwd=ROOT
    )
    assert stage.returncode == 0, stage.stderr
    return int(stage.stdout.split()[-1])


def make_work(root: Path, images: int, members: int) -> Work:
    """Maps of 64 KB each."""
    work, truth = Work(root), fakes.masks(images, SIZE)
    fakes.make_dataset(work, truth, size=SIZE)
    same = dict.fromkeys(truth, fakes.noisy_map(truth["image00"], np.random.default_rng(0)))
    for member in range(members):
        for fold in (0, 1):
            fakes.make_probs(work, str(member), fold, truth, size=SIZE, maps=same, seed=member)
    return work


def test_five_times_the_images_and_more_members_take_no_more_memory(tmp_path: Path) -> None:
    few = peak(make_work(tmp_path / "few", images=100, members=1), members=1)
    many = peak(make_work(tmp_path / "many", images=500, members=2), members=2)
    assert many < 1.1 * few, (few, many)
