"""Leaderboard of all recipes on phantoms, each shrunk, trained and inferred.

    python -m tests.bench recipes [--work WORK] [--recipes NAME ...] [--folds 0]

After a kill, the same command goes on where it stopped. A recipe that fails does not stop the
others; failed recipes are named at the end, with exit code 2.
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
from lib.errors import InputError
from lib.layout import Fold, Work, parse_fold
from lib.leaderboard import markdown
from lib.prepare.phantom import write_phantoms
from lib.recipes import serialize
from lib.recipes.demo_variant import DEMO_SUFFIX
from lib.recipes.systems import SYSTEMS
from lib.recipes.systems import get as get_system
from tests.bench.harness import ROOT, print_lines, run_stage
from tests.bench.rule_scores import score_rule

# Areas in published rules are pixels of a 1024 px frame, so phantoms are drawn at that size.
PHANTOMS = {"n_train": 160, "n_test": 200, "seed": 0, "size": 1024}
WITHOUT_FLIPS = "abedalla_"  # their published tables compare maps with and without flips
TABLES = ("runs", "niu", "zhang", "jakhar", "abedalla", "viel")
TUNED = "--rule triplet"
COLUMNS = ("system", "top / area / bottom, and more", "out of fold", "test",
           "more than all-empty (95 %)")  # fmt: skip


def run_names(names: Iterable[str]) -> list[str]:
    """Return the run names of shrunk recipes."""
    return [name + DEMO_SUFFIX for name in names]


def draw_phantoms(work: Path, **settings: int) -> Path:
    """Draw the phantoms unless they exist; an unfinished folder is drawn again."""
    folder = work / "raw_phantoms"
    if not folder.exists():
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        write_phantoms(partial, **settings)
        partial.rename(folder)
    return folder


def train(work: Path, run: str, folds: Sequence[str]) -> str:
    """Train and infer one recipe; return a line with its time and number of images."""
    run_stage(work, "02_train.py", "--recipe", run, "--folds", *folds)
    run_stage(work, "03_infer.py", "--run", run, "--folds", *folds)
    if run.startswith(WITHOUT_FLIPS):
        run_stage(work, "03_infer.py", "--run", run, "--folds", *folds, "--tta", "none")
    costs = [training_cost(Work(work), run, parse_fold(fold)) for fold in folds]
    seconds, images = (sum(column) for column in zip(*costs, strict=True))
    return f"{run}: {seconds:.0f} s of training, {images:,} images presented"


def training_cost(work: Work, run: str, fold: Fold) -> tuple[float, int]:
    """Return the seconds of all epochs, validation included, and the number of training images.

    An image counts once in every epoch that presents it.
    """
    from lib.train.sampling import images_in_epoch  # late: it imports torch

    trained, data = artifacts.read(work.run(run, fold)), dataset.read(work)
    positive = np.array([data.positive(name) for name in data.training_ids(fold)])
    phases = serialize.from_dict(trained.config["recipe"]).phases
    images = 0
    for row in csv_files.read(trained.path("history.csv"), ("phase", "epoch")).itertuples():
        images += images_in_epoch(phases[int(row.phase)], int(row.epoch), positive)
    times = pd.read_csv(trained.location.folder / "log/times.csv", header=None)
    return float(times.iloc[:, 2:].to_numpy().sum()), images


def bench(work: Path, names: Sequence[str], folds: Sequence[str], raw: Path) -> list[str]:
    """Train every recipe; return one line for each that failed."""
    run_stage(work, "01_prepare.py", "--raw", raw, "--recipes", *run_names(names))
    failures = []
    for run in run_names(names):
        try:
            print(train(work, run, folds), file=sys.stderr, flush=True)
        except InputError as error:
            failures.append(f"{run}: {error}")
            print(f"failed: {failures[-1]}", file=sys.stderr, flush=True)
    return failures


def score_systems(work: Path, names: Sequence[str], truth: Path) -> Iterator[str]:
    """Yield the table of each run with a fitted triplet, and of the systems of several runs."""
    systems = {name: ([name], TUNED) for name in run_names(names)}
    for name in SYSTEMS:
        system = get_system(name + DEMO_SUFFIX)
        if len(system.recipes) > 1 and set(system.recipes) <= systems.keys():
            systems[name] = (list(system.members), f"--rule {system.rule} {system.combination}")
    rows = []
    for name, (members, flags) in systems.items():
        try:
            scores = score_rule(work, members, truth, name, flags, ensemble=f"bench_{name}")
            rows.append(scores.row_against_empty())
        except InputError as error:
            rows.append((name, f"not possible: {error}", "", "", ""))
    yield from markdown.table(COLUMNS, rows)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench recipes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    all_names = [name for name in recipes.RECIPES if name != "demo"]
    parser.add_argument("--work", type=Path, default=Path("work_recipes"))
    parser.add_argument("--recipes", nargs="+", default=all_names, choices=recipes.RECIPES,
        metavar="NAME", help="default: all but demo, each as NAME_demo")  # fmt: skip
    parser.add_argument("--folds", nargs="+", default=["0"], metavar="K")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> None:
    args = parse_args(argv)
    work = args.work.resolve()  # the stages run in the project's root
    raw = draw_phantoms(work, **PHANTOMS)
    failures, truth = bench(work, args.recipes, args.folds, raw), raw / "test-truth.csv"
    board = ["-m", "lib.leaderboard", "--truth", truth, "--table", *TABLES]
    subprocess.run([sys.executable, *board, "--work", work], cwd=ROOT, check=True)
    print("\n## Decisions of stage 04\n", flush=True)
    print_lines(score_systems(work, args.recipes, truth))
    if failures:
        raise InputError("; ".join(failures))
