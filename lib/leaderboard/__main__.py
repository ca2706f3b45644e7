"""Tables of all runs in the shapes of the papers' tables, with the papers' figures beside them.

    python -m lib.leaderboard [--work WORK] [--truth CSV] [--table NAME ...] [--csv FILE]
    python -m lib.leaderboard [--work WORK] [--truth CSV] --figure OUT.png [--images ID ...]

Every run is evaluated at the published rule of its recipe: on out-of-fold images, or with --truth
on test images. Its costs are parameters, time and memory. Decisions get a column for test images
too. The truth is used for these tables only. Unfinished, damaged and outdated artifacts are skipped
and named. --csv writes the tables runs, with the costs, and decisions, if they are printed.
--figure draws the masks of all runs side by side instead: one image a row, with its truth.

Reads   WORK/dataset/, WORK/cache/, WORK/runs/, WORK/probs/, WORK/decisions/
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lib import csv_files
from lib.cli import png_file, run_stage
from lib.errors import InputError
from lib.files import write_bytes
from lib.layout import Work
from lib.leaderboard import figure, paper_tables, summary_tables
from lib.leaderboard.leaderboard import Leaderboard
from lib.leaderboard.markdown import Record, plain

RUNS, DECISIONS = "runs", "decisions"


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m lib.leaderboard",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--work", type=Path, default=Path("work"))
    parser.add_argument("--truth", type=Path, metavar="CSV", help="masks of the test images")
    tables = [RUNS, *paper_tables.TABLES, DECISIONS]
    parser.add_argument("--table", nargs="+", choices=tables, default=tables, metavar="NAME",
        help=f"of {', '.join(tables)}; default: all")  # fmt: skip
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write runs and decisions to it")
    parser.add_argument("--figure", type=png_file, metavar="PNG", help="draw this, print no tables")
    parser.add_argument("--images", nargs="+", default=[], metavar="ID",
        help="rows of the figure (default: four positives, from large to small)")  # fmt: skip
    return parser.parse_args()


def draw_figure(leaderboard: Leaderboard, path: Path, image_ids: Sequence[str]) -> None:
    """Write the figure, and print which runs it leaves out."""
    write_bytes(path, figure.draw(leaderboard, image_ids))
    for name, reasons in leaderboard.index.skipped.items():
        for reason in dict.fromkeys(reasons):
            print(f"Left out of {name}: {reason}.")
    print(f"{len(leaderboard.index.runs)} runs -> {path}")


def main() -> None:
    args = parse_args()
    work = Work(args.work)
    if args.csv and not args.csv.parent.is_dir():
        raise InputError(f"--csv {args.csv}: {args.csv.parent} is not a folder; give one that is")
    if args.images and not args.figure:
        raise InputError("--images names the rows of a figure; give --figure PNG too")
    if args.figure:
        draw_figure(Leaderboard(work, args.truth), args.figure, args.images)
        return
    leaderboard = None
    if set(args.table) != {DECISIONS} or args.truth:
        leaderboard = Leaderboard(work, args.truth)
        print(leaderboard.scope)
    rows = []
    for name in args.table:
        print(f"\n## {name}\n", flush=True)
        records: list[Record] = []
        if name == DECISIONS:
            records, notes = summary_tables.decision_records(work, leaderboard)
            lines = summary_tables.decisions(records, notes)
        elif name == RUNS and leaderboard:
            records = summary_tables.run_records(leaderboard)
            lines = summary_tables.runs(leaderboard, records)
        elif leaderboard:
            lines = paper_tables.paper(leaderboard, name)
        rows += [plain(name, record) for record in records]
        for line in lines:
            print(line, flush=True)
    if args.csv:
        csv_files.write(
            args.csv, pd.DataFrame(rows, dtype=object)
        )  # a count stays whole beside blanks


if __name__ == "__main__":
    run_stage(main)
