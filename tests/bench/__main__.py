"""What is measured, as Markdown.

python -m tests.bench [all]
python -m tests.bench train [--images 16] [--gpu-images 640] [--rounds 3] [--device auto]
python -m tests.bench infer [--images 32] [--gpu-images 640] [--rounds 3] [--device auto]
python -m tests.bench profile [--images 64] [--top 8] [--device auto]
python -m tests.bench decide [--images 12047]
python -m tests.bench rules [--work WORK] [--members RUN ...] [--truth CSV]
python -m tests.bench recipes [--work WORK] [--recipes NAME ...] [--folds 0]   (hours; not in all)
"""

import argparse
from collections.abc import Callable, Sequence

from lib.errors import run_stage
from tests.bench import decide, infer, profile, recipes, rules, train

BENCHMARKS: dict[str, Callable[[Sequence[str]], None]] = {
    "train": train.main,
    "infer": infer.main,
    "profile": profile.main,
    "decide": decide.main,
    "rules": rules.main,
    "recipes": recipes.main,
}
ALL = ("train", "infer", "profile", "decide", "rules")  # what takes minutes


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
    for name in ALL:
        print(f"\n## {name}\n")
        BENCHMARKS[name]([])


if __name__ == "__main__":
    run_stage(main)
