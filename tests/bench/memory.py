"""The most memory that stages hold, on 500 images against 100: it must not grow with them.

    python -m tests.bench memory

Maps are 512 x 512, so that 400 more of them, kept, would weigh 100 MB; the network of 03 is small.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from lib import artifacts, recipes
from lib.layout import Work
from lib.models import build_model, weights
from lib.recipes import Network, Recipe
from lib.recipes.serialize import to_dict
from tests import fakes
from tests.bench.table import Row, show

ROOT = Path(__file__).resolve().parents[2]
SIZE, FEW, MANY = 512, 100, 500
# Not getrusage: what it gives a process is at least what its parent held when it was started.
PEAK = """
import runpy, sys
from lib import parallel
parallel.MAX_PROCESSES = 1  # all in this process
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
print(*(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def peak(work: Work, script: str, *flags: str) -> int:
    """The most memory that a stage held at a time, in KB; on Linux alone."""
    command = [sys.executable, "-c", PEAK, script, "--work", str(work.root), *flags]
    stage = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert stage.returncode == 0, stage.stderr
    return int(stage.stdout.split()[-2])


def make_work(root: Path, images: int, members: int, size: int) -> Work:
    """Maps of each member, as many of the test as out of fold."""
    work, truth = Work(root), fakes.masks(images, size)
    test = [f"test{number}" for number in range(images)]
    fakes.make_dataset(work, truth, test, size=size)
    own = fakes.noisy_map(truth["image00"], np.random.default_rng(0))
    same = dict.fromkeys([*truth, *test], own)
    for member in range(members):
        for fold in (0, 1):
            fakes.make_probs(
                work, str(member), fold, truth, test, size=size, maps=same, seed=member
            )
    return work


def add_run(work: Work, images: int, size: int) -> str:
    """A cache and an untrained run of a fold, for stage 03; the run's name."""
    truth, test = fakes.masks(images, size), [f"test{number}" for number in range(images)]
    fakes.make_cache(work, truth, size, test)
    recipe = small(size)
    config = {"recipe": to_dict(recipe), "fold": 0}
    draft = artifacts.begin(work.run(recipe.name, 0), config, [artifacts.read(work.dataset)])
    assert draft
    weights.save(draft.path("weights/only.pt"), build_model(recipe).state_dict())
    draft.finish()
    return recipe.name


def small(size: int) -> Recipe:
    """The least network that gives maps."""
    demo = recipes.get("demo")
    network = Network("unet", "mobilenet_v2", "none", decoder_channels=(8, 8, 4))
    return replace(demo, network=network, phases=(replace(demo.phases[0], size=size),))


def peaks(root: Path, images: int, size: int) -> dict[str, int]:
    """The peak of each stage that goes through all images, in KB."""
    work = make_work(root, images, 1, size)
    run = add_run(work, images, size)
    return {
        "03": peak(work, "03_infer.py", "--run", run, "--batch", "2", "--device", "cpu"),
        "04": peak(work, "04_ensemble.py", "--members", "0", "--name", "x"),
        "05": peak(work, "05_submit.py", "--decision", "x-triplet"),
    }


def rows(few: int = FEW, many: int = MANY, size: int = SIZE) -> Iterator[Row]:
    """A line a stage."""
    with TemporaryDirectory() as scratch:
        less = peaks(Path(scratch) / "few", few, size)
        more = peaks(Path(scratch) / "many", many, size)
    for stage in less:
        value = f"{more[stage] / less[stage]:.3f} ({more[stage] / 1024:.0f} MiB)"
        yield Row(f"peak memory of {stage}: {many} over {few} images", value, "at most 1.1")


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Measure whether memory grows with the images.")
    parser.add_argument("--images", type=int, nargs=2, default=(FEW, MANY), metavar="N")
    parser.add_argument("--size", type=int, default=SIZE)
    args = parser.parse_args(words)
    show(rows(*args.images, args.size))


if __name__ == "__main__":
    main()
