"""List recipes or systems, print one in full, or count what a training costs.

python -m lib.recipes [NAME]
python -m lib.recipes [NAME] --cost [--images N]
python -m lib.recipes systems [NAME]
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from lib import recipes
from lib.cli import int_in_range, run_stage
from lib.recipes import Recipe, systems
from lib.recipes.demo_variant import DEMO_SUFFIX
from lib.recipes.systems import System

SYSTEMS = "systems"
N_IMAGES, N_POSITIVE = 12_047, 2_669  # labelled images of the competition, and its positives


def list_names(entries: Sequence[Recipe] | Sequence[System]) -> Iterator[str]:
    """Yield a line for each recipe or system: name, source, summary."""
    name, source = (max(len(getattr(e, key)) for e in entries) for key in ("name", "source"))
    for entry in entries:
        yield f"{entry.name:{name}}  {entry.source:{source}}  {entry.summary}"


def describe(names: Sequence[str]) -> Iterator[str]:
    """Yield the lines about what the command line names."""
    if not names:
        yield from list_names(list(recipes.RECIPES.values()))
        yield f"NAME{DEMO_SUFFIX} is recipe NAME, shrunk for phantoms and a few CPU cores."
    elif names == [SYSTEMS]:
        yield from list_names(list(systems.SYSTEMS.values()))
        yield f"SYSTEM=NAME bash run_all.sh RAW_DIR trains one; NAME{DEMO_SUFFIX}: on phantoms."
    elif names[0] == SYSTEMS:
        yield from systems.get(names[1]).lines()
    else:
        yield json.dumps(asdict(recipes.get(names[0])), indent=1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--cost", action="store_true", help="count steps, FLOPs and memory")
    parser.add_argument(
        "--images", type=int_in_range(10), default=N_IMAGES, metavar="N",
        help="labelled images, all five folds together (default: the competition's 12,047)",
    )  # fmt: skip
    parser.add_argument(
        "--positives", type=int_in_range(1), metavar="N",
        help="those with a pneumothorax (default: 22 %%)",
    )  # fmt: skip
    parser.add_argument(
        "--images-per-s", type=float, metavar="X",
        help="speed of the last phase, for the hours (default: a GPU is measured for 20 s)",
    )  # fmt: skip
    args = parser.parse_args()
    if len(args.names) > (1 + (args.names[:1] == [SYSTEMS])):
        parser.error(f"{' '.join(args.names)}: give one name")
    if not args.cost:
        print(*describe(args.names), sep="\n")
        return
    chosen = [recipes.get(name) for name in args.names]

    # Imported here, because torch takes seconds.
    from lib.device import select_device
    from lib.train.cost import cost_table, describe_cost

    n_positive = args.positives or round(N_POSITIVE / N_IMAGES * args.images)
    if not chosen:
        for line in cost_table(list(recipes.RECIPES.values()), args.images, n_positive):
            print(line, flush=True)
        return
    device = select_device("auto")
    gpu = device if device.type == "cuda" else None
    print(*describe_cost(chosen[0], args.images, n_positive, gpu, args.images_per_s), sep="\n")


if __name__ == "__main__":
    run_stage(main)
