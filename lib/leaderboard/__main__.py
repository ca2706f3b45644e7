"""Tables of all runs in the shapes of the papers' tables, with the papers' figures beside them.

    python -m lib.leaderboard [--work WORK] [--truth CSV] [--table NAME ...]

Every run is evaluated at the published rule of its recipe: on out-of-fold images, or with --truth
on test images. The truth is used for these tables only. Unfinished and damaged artifacts are
skipped and named.

Reads   WORK/dataset/, WORK/runs/, WORK/probs/, WORK/decisions/
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

from lib.cli import run_stage
from lib.layout import Work
from lib.leaderboard import paper_tables, summary_tables
from lib.leaderboard.leaderboard import Leaderboard

RUN_TABLES: dict[str, Callable[[Leaderboard], Iterator[str]]] = {
    "runs": summary_tables.runs,
    "niu": paper_tables.niu,
    "zhang": paper_tables.zhang,
    "abedalla": paper_tables.abedalla,
    "viel": paper_tables.viel,
}
DECISIONS = "decisions"


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m lib.leaderboard",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--work", type=Path, default=Path("work"))
    parser.add_argument("--truth", type=Path, metavar="CSV", help="masks of the test images")
    tables = [*RUN_TABLES, DECISIONS]
    parser.add_argument("--table", nargs="+", choices=tables, default=tables, metavar="NAME",
        help=f"of {', '.join(tables)}; default: all")  # fmt: skip
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    work = Work(args.work)
    if set(args.table) != {DECISIONS}:
        leaderboard = Leaderboard(work, args.truth)
        print(leaderboard.scope)
    for name in args.table:
        print(f"\n## {name}\n", flush=True)
        lines = (
            summary_tables.decisions(work) if name == DECISIONS else RUN_TABLES[name](leaderboard)
        )
        for line in lines:
            print(line, flush=True)


if __name__ == "__main__":
    run_stage(main)
