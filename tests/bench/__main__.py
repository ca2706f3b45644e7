"""Everything that is measured, as Markdown.

python -m tests.bench [all]
python -m tests.bench decide [--images 12047]
python -m tests.bench rules [--work WORK] [--members RUN ...] [--truth CSV]
"""

import argparse
from collections.abc import Callable, Sequence

from lib.errors import run_stage
from tests.bench import decide, rules

BENCHMARKS: dict[str, Callable[[Sequence[str]], None]] = {
    "decide": decide.main,
    "rules": rules.main,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=[*BENCHMARKS, "all"], nargs="?", default="all")
    parser.add_argument("flags", nargs=argparse.REMAINDER, help="of the benchmark; all takes none")
    args = parser.parse_args()
    if args.name != "all":
        BENCHMARKS[args.name](args.flags)
        return
    if args.flags:
        parser.error(f"all takes no flags such as {args.flags[0]}; name one benchmark")
    for name, benchmark in BENCHMARKS.items():
        print(f"\n## {name}\n")
        benchmark([])


if __name__ == "__main__":
    run_stage(main)
