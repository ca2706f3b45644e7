"""Every recipe, shrunk, on phantoms: trained, inferred, and on the leaderboard.

    python -m tests.bench recipes [--work WORK] [--recipes NAME ...] [--folds 0]

Killed at any point, the same command goes on where it stopped. A recipe that fails does not stop
the others; they are told at the end, with exit code 2.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lib import artifacts, csv_files, dataset, recipes
from lib.cli import run_stage
from lib.errors import InputError
from lib.layout import Fold, Work, parse_fold
from lib.leaderboard import markdown
from lib.prepare.phantom import write_phantoms
from lib.recipes.demo_variant import DEMO_SUFFIX
from tests.bench.measured import measure

ROOT = Path(__file__).resolve().parents[2]
# Rules' areas are pixels of a 1024 px frame, so phantoms are drawn at that size.
PHANTOMS = {"n_train": 160, "n_test": 200, "seed": 0, "size": 1024}
WITHOUT_FLIPS = "abedalla_"  # whose tables compare both
TABLES = ("runs", "niu", "zhang", "abedalla", "viel")
TUNED = "--rule triplet"
COLUMNS = ("system", "top / area / bottom, and more", "out of fold", "test",
           "more than all empty (95 %)")  # fmt: skip


def runs(names: Iterable[str], prefix: str = "") -> list[str]:
    """The runs of shrunk recipes."""
    return [f"{prefix}{name}{DEMO_SUFFIX}" for name in names]


SNEDDY = runs(("albunet_public", "albunet_valid", "seunet", "resnet50"), "sneddy_")
X5_CLASSIFIERS = runs(("se50", "se101", "effb3"), "x5_cls_")
X5_SEGMENTERS = runs(("se50", "se101", "effb3", "effb5", "deeplab"), "x5_seg_")
# Systems of several runs as they were handed in: members, and flags of stage 04.
SYSTEMS = {
    "x5": (X5_SEGMENTERS, f"--rule x5 --gate-fit stack --gate {' '.join(X5_CLASSIFIERS)}"),
    "sneddy_v1": (SNEDDY, "--rule sneddy_v1 --weights .4 .2 .2 .2"),
    "sneddy_v2": (SNEDDY, "--rule sneddy_v2 --weights .2 .15 .4 .25"),
}


def phantoms(work: Path, **drawn: int) -> Path:
    """Draw them, unless they are there; half a folder does not count."""
    folder = work / "raw_phantoms"
    if not folder.exists():
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        write_phantoms(partial, **drawn)
        partial.rename(folder)
    return folder


def stage(work: Path, *words: str | Path) -> None:
    """Run a stage on `work`.

    Raises:
        InputError: if it fails, with the last line that it says.
    """
    command = [sys.executable, *map(str, words), "--work", str(work)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise InputError(f"{words[0]}: {last.removeprefix('error: ')}")


def train(work: Path, run: str, folds: Sequence[str]) -> str:
    """Train and infer one recipe; what it cost, in a line."""
    stage(work, "02_train.py", "--recipe", run, "--folds", *folds)
    stage(work, "03_infer.py", "--run", run, "--folds", *folds)
    if run.startswith(WITHOUT_FLIPS):
        stage(work, "03_infer.py", "--run", run, "--folds", *folds, "--tta", "none")
    costs = [cost(Work(work), run, parse_fold(fold)) for fold in folds]
    seconds, images = (sum(column) for column in zip(*costs, strict=True))
    return f"{run}: {seconds:.0f} s of training, {images:,} images presented"


def cost(work: Work, run: str, fold: Fold) -> tuple[float, int]:
    """Seconds of all epochs, validation included, and how many images they showed the network."""
    from lib.train.sampling import epoch_order, rate_in_epoch  # late: it imports torch

    trained, data = artifacts.read(work.run(run, fold)), dataset.read(work)
    positive = np.array([data.positive(name) for name in data.training_ids(fold)])
    phases, rng = recipes.get(run).phases, np.random.default_rng()
    images = 0
    for row in csv_files.read(trained.path("history.csv"), ("phase", "epoch")).itertuples():
        rate = rate_in_epoch(phases[int(row.phase)], int(row.epoch))
        images += epoch_order(positive, rate, rng).size
    times = pd.read_csv(trained.location.folder / "log/times.csv", header=None)
    return float(times.iloc[:, 2:].to_numpy().sum()), images


def bench(work: Path, names: Sequence[str], folds: Sequence[str], raw: Path) -> list[str]:
    """Train every recipe; what went wrong, a line a recipe."""
    stage(work, "01_prepare.py", "--raw", raw, "--recipes", *runs(names))
    failures = []
    for run in runs(names):
        try:
            print(train(work, run, folds), file=sys.stderr, flush=True)
        except InputError as error:
            failures.append(f"{run}: {error}")
            print(f"failed: {failures[-1]}", file=sys.stderr, flush=True)
    return failures


def decided(work: Path, names: Sequence[str], truth: Path) -> Iterator[str]:
    """Rules fitted by stage 04 on the out-of-fold images, and the systems of several runs."""
    asked = {name: ([name], TUNED) for name in runs(names)}
    asked |= {name: system for name, system in SYSTEMS.items() if set(system[0]) <= asked.keys()}
    rows = []
    for name, (members, flags) in asked.items():
        try:
            measured = measure(work, members, truth, name, flags, ensemble=f"bench_{name}")
            rows.append(measured.row_against_empty())
        except InputError as error:
            rows.append((name, f"not possible: {error}", "", "", ""))
    yield from markdown.table(COLUMNS, rows)


def parse_args(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench recipes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    every = [name for name in recipes.RECIPES if name != "demo"]
    parser.add_argument("--work", type=Path, default=Path("work_recipes"))
    parser.add_argument("--recipes", nargs="+", default=every, choices=recipes.RECIPES,
        metavar="NAME", help="default: all but demo, each as NAME_demo")  # fmt: skip
    parser.add_argument("--folds", nargs="+", default=["0"], metavar="K")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> None:
    args = parse_args(words)
    work = args.work.resolve()  # the stages run in the project's folder
    raw = phantoms(work, **PHANTOMS)
    failures, truth = bench(work, args.recipes, args.folds, raw), raw / "test-truth.csv"
    board = ["-m", "lib.leaderboard", "--truth", truth, "--table", *TABLES]
    subprocess.run([sys.executable, *board, "--work", work], cwd=ROOT, check=True)
    print("\n## decided by stage 04\n", flush=True)
    for line in decided(work, args.recipes, truth):
        print(line, flush=True)
    if failures:
        raise InputError("; ".join(failures))


if __name__ == "__main__":
    run_stage(main)
