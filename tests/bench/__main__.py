"""Benchmarks of the stages, printed as Markdown tables.

python -m tests.bench [all]
python -m tests.bench prepare [--images 600] [--workers N]
python -m tests.bench feed [--images 96] [--workers N]
python -m tests.bench rle [--images 64]
python -m tests.bench memory
python -m tests.bench train [--images 16] [--gpu-images 2560] [--rounds 3] [--device auto]
python -m tests.bench infer [--images 32] [--gpu-images 640] [--rounds 3] [--device auto]
python -m tests.bench predict [--images 32] [--gpu-images 320] [--rounds 3] [--device auto]
python -m tests.bench profile [--images 64] [--top 8] [--device auto]
python -m tests.bench decide [--images 12047]
python -m tests.bench tuning_page [--images 12047]
python -m tests.bench rules [--work WORK] [--members RUN ...] [--truth CSV]
python -m tests.bench expected [--images 2000]
python -m tests.bench recipes [--work WORK] [--recipes NAME ...] [--folds 0]   (hours; not in all)
python -m tests.bench silver --raw DIR --weights DIR [--only NAME ...]         (hours; not in all)
"""

import argparse
from importlib import import_module

from lib.cli import run_stage

# Each of these takes minutes.
ALL = (
    "prepare", "feed", "train", "infer", "predict", "profile", "rle", "memory", "decide",
    "tuning_page", "expected", "rules",
)  # fmt: skip
BENCHMARKS = (*ALL, "recipes", "silver")


def run_benchmark(name: str, flags: list[str]) -> None:
    # Imported late: every process that a benchmark starts imports this file, and torch is slow.
    import_module(f"tests.bench.{name}").main(flags)


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
        run_benchmark(args.name, args.flags)
        return
    if args.flags:
        parser.error(f"all takes no flags such as {args.flags[0]}; name one benchmark")
    for name in ALL:
        print(f"\n## {name}\n")
        run_benchmark(name, [])


if __name__ == "__main__":
    run_stage(main)
