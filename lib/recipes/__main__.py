"""List recipes or systems, print one in full, or count what a training costs.

python -m lib.recipes [NAME]
python -m lib.recipes [NAME] --cost [--images N]
python -m lib.recipes systems [NAME] [--cost ...]
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from lib import recipes
from lib.cli import int_in_range, positive_number, run_stage
from lib.errors import InputError
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
        system = systems.get(names[1])
        yield f"{system.name}: {system.source}; {system.summary}"
        yield f"recipes: {' '.join(system.recipes)}"
        yield f"stage 04: --members {' '.join(system.members)} {system.combination}".rstrip()
        yield f"rule: {system.rule}"
    else:
        # Imported here, because albumentations takes seconds.
        from lib.train.augment import list_transforms

        recipe = recipes.get(names[0])
        described = asdict(recipe) | {"transforms": list_transforms(recipe)}
        yield json.dumps(described, indent=1)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m lib.recipes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument(
        "--cost", action="store_true",
        help="count images, steps, FLOPs and memory of one fold; without NAME of all recipes, "
        "which takes minutes",
    )  # fmt: skip
    parser.add_argument(
        "--images", type=int_in_range(10), metavar="N",
        help=f"labelled images, all five folds together (default: the competition's {N_IMAGES:,})",
    )  # fmt: skip
    parser.add_argument(
        "--positives", type=int_in_range(1), metavar="N",
        help="those with a pneumothorax (default: 22 %%)",
    )  # fmt: skip
    parser.add_argument(
        "--images-per-s", type=positive_number, metavar="X",
        help="speed of the last phase, for the hours (default: a GPU is measured for 20 s)",
    )  # fmt: skip
    parser.add_argument(
        "--tflop-per-s", type=positive_number, metavar="X",
        help="speed of the machine in training, for the hours",
    )  # fmt: skip
    args = parser.parse_args()
    if len(args.names) > (1 + (args.names[:1] == [SYSTEMS])):
        parser.error(f"{' '.join(args.names)}: give one name")
    speed = args.images_per_s or args.tflop_per_s
    if not args.cost and (args.images or args.positives or speed):
        parser.error("--images, --positives, --images-per-s and --tflop-per-s are for --cost")
    if speed and (not args.names or args.names[0] == SYSTEMS):
        parser.error("--images-per-s and --tflop-per-s are for the hours of one recipe: name it")
    if args.images_per_s and args.tflop_per_s:
        parser.error("--images-per-s and --tflop-per-s: give one of them")
    return args


def print_cost(args: argparse.Namespace) -> None:
    """Print the cost of a recipe, of those of a system, or of all."""
    n_images = args.images or N_IMAGES
    n_positive = args.positives or round(N_POSITIVE / N_IMAGES * n_images)
    if n_positive > n_images:
        raise InputError(
            f"--positives {n_positive}: there are {n_images} images; give more --images"
        )
    if len(args.names) == 1 and args.names != [SYSTEMS]:
        chosen = [recipes.get(args.names[0])]
    elif len(args.names) == 2:
        chosen = [recipes.get(name) for name in systems.get(args.names[1]).recipes]
    else:
        chosen = list(recipes.RECIPES.values())

    # Imported here, because torch takes seconds.
    from lib import device as machine
    from lib.train.cost import cost_table, describe_cost

    if len(chosen) > 1:
        lines = cost_table(chosen, n_images, n_positive)
    else:
        gpu, flops_per_s = None, args.tflop_per_s and args.tflop_per_s * 1e12
        if not flops_per_s and not args.images_per_s:
            device = machine.select_device("auto")
            machine.use_device(device)
            gpu = device if device.type == "cuda" else None
        lines = describe_cost(chosen[0], n_images, n_positive, gpu, args.images_per_s, flops_per_s)
    for line in lines:
        print(line, flush=True)


def main() -> None:
    args = parse_args()
    if args.cost:
        print_cost(args)
    else:
        print(*describe(args.names), sep="\n")


if __name__ == "__main__":
    run_stage(main)
