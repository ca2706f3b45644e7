"""Peak memory of stages 03, 04 and 05 with 500 images over that with 100: about 1 is the aim.

    python -m tests.bench memory

Maps are 512 x 512 px: 400 more of them, kept in memory, would take 100 MB. The network is small.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from lib import artifacts, recipes
from lib.layout import Work
from lib.models import build_model, weights
from lib.recipes import Network, Recipe
from tests import fakes
from tests.bench.harness import Row, parse_args, print_table

ROOT = Path(__file__).resolve().parents[2]
SIZE, FEW, MANY = 512, 100, 500
# VmHWM and not getrusage: getrusage is at least what the parent held when it started the process.
PEAK = """
import runpy, sys
from lib import parallel
parallel.MAX_PROCESSES = 1  # all work in this process
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
print(*(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def measure_peak(work: Work, script: str, *flags: str) -> int:
    """Run a stage and return its peak memory in KB; on Linux only."""
    command = [sys.executable, "-c", PEAK, script, "--work", str(work.root), *flags]
    stage = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert stage.returncode == 0, stage.stderr
    return int(stage.stdout.split()[-2])


def make_work(root: Path, images: int, members: int, size: int) -> Work:
    """Write a dataset and the maps of each member, `images` of them out of fold and in test."""
    work, truth = Work(root), fakes.masks(images, size)
    test = [f"test{number}" for number in range(images)]
    fakes.make_dataset(work, truth, test, size=size)
    one_map = fakes.noisy_map(truth["image00"], np.random.default_rng(0))
    maps = dict.fromkeys([*truth, *test], one_map)
    for member in range(members):
        for fold in (0, 1):
            fakes.make_probs(
                work, str(member), fold, truth, test, size=size, maps=maps, seed=member
            )
    return work


def add_run(work: Work, images: int, size: int) -> str:
    """Write a cache and an untrained run of fold 0 for stage 03; return the run's name."""
    truth, test = fakes.masks(images, size), [f"test{number}" for number in range(images)]
    fakes.make_cache(work, truth, size, test)
    recipe = small_recipe(size)
    config = {"recipe": asdict(recipe), "fold": 0}
    draft = artifacts.begin(work.run(recipe.name, 0), config, [artifacts.read(work.dataset)])
    assert draft
    weights.save(draft.path("weights/only.pt"), build_model(recipe).state_dict())
    draft.finish()
    return recipe.name


def small_recipe(size: int) -> Recipe:
    """Return the demo recipe with a smaller decoder."""
    demo = recipes.get("demo")
    network = Network("unet", "mobilenet_v2", "none", decoder_channels=(8, 8, 4))
    return replace(demo, network=network, phases=(replace(demo.phases[0], size=size),))


def measure_stages(root: Path, images: int, size: int) -> dict[str, int]:
    """Return the peak memory in KB of each stage that goes through all images."""
    work = make_work(root, images, 1, size)
    run = add_run(work, images, size)
    return {
        "03": measure_peak(work, "03_infer.py", "--run", run, "--batch", "2", "--device", "cpu"),
        "04": measure_peak(work, "04_ensemble.py", "--members", "0", "--name", "x"),
        "05": measure_peak(work, "05_submit.py", "--decision", "x-triplet"),
    }


def measure(few: int = FEW, many: int = MANY, size: int = SIZE) -> Iterator[Row]:
    """Measure the ratio of each stage."""
    with TemporaryDirectory() as scratch:
        peaks_few = measure_stages(Path(scratch) / "few", few, size)
        peaks_many = measure_stages(Path(scratch) / "many", many, size)
    for stage, peak in peaks_many.items():
        value = f"{peak / peaks_few[stage]:.3f} ({peak / 1024:.0f} MiB)"
        yield Row(f"peak memory of {stage}: {many} over {few} images", value, "at most 1.1")


def main(argv: Sequence[str]) -> None:
    parse_args(argv, __doc__)
    print_table(measure())
