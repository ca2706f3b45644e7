"""Train a recipe on folds of the dataset; alone in its folder, each fold can run anywhere.

    python 02_train.py --recipe r34_512 --folds 0 1
    python 02_train.py --recipe r34_512 --set phases.0.lr=1e-3 --name r34_512_lr1e-3
    torchrun --nproc_per_node 4 -- 02_train.py --recipe r34_512

Reads   WORK/dataset/, WORK/cache/<size>/
Writes  WORK/runs/<recipe, or name>/fold<k>/
"""

from lib import cli

cli.stop_on_signals()  # now: the imports below take a second

import argparse
from functools import partial

from lib import artifacts, dataset, layout, recipes
from lib.errors import InputError
from lib.recipes import serialize


def parse_args() -> argparse.Namespace:
    parser = cli.stage_parser(__doc__)
    parser.add_argument("--recipe", required=True, help="python -m lib.recipes lists them")
    parser.add_argument("--folds", nargs="+", help="numbers, or all-data; default: all folds")
    parser.add_argument("--name", help="of the run; default: the recipe's name")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE")
    parser.add_argument("--encoder-weights", metavar="imagenet|none|FILE")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...")
    parser.add_argument(
        "--workers", type=cli.int_in_range(0, 1024), help="processes that load images"
    )
    parser.add_argument("--compile", action="store_true", help="the network first, for long runs")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    if args.set and not args.name:
        raise InputError("--set changes the recipe, so the run needs a --name of its own")
    work = layout.Work(args.work)
    recipe = serialize.override(recipes.get(args.recipe), args.set)
    start = args.encoder_weights or recipe.network.encoder_weights
    data = dataset.read(work)
    folds = data.checked_folds(args.folds)
    sizes = sorted({phase.size for phase in recipe.phases})
    caches = {size: artifacts.read_chained(work.cache(size)) for size in sizes}

    # torch takes seconds to import: neither --help nor a mistake in the flags waits for it.
    from lib import device, distributed
    from lib.models.weights import encoder_fingerprint
    from lib.train.dataloaders import default_workers
    from lib.train.loop import Job, summary, train_fold

    inputs = [data.artifact, *caches.values()]
    with distributed.process_group(args.device) as where:
        workers = default_workers(where) if args.workers is None else args.workers
        for fold in folds:
            location = work.run(args.name or recipe.name, fold)
            decided = {
                "recipe": serialize.to_dict(recipe),
                "fold": fold,
                "encoder_weights": encoder_fingerprint(start),
            }
            begin = partial(artifacts.begin, location, decided, inputs, args.replace)
            draft = distributed.run_on_main(begin)
            if draft is None:
                print(f"up to date: {location}")
                continue
            job = Job(draft, recipe, fold, data, caches, start, where, workers, args.compile)
            record = train_fold(job)
            if distributed.is_main():
                draft.finish(
                    distributed=distributed.world_size(),
                    compiled=args.compile,
                    **device.describe(where),
                )
            print(f"{summary(job, record)} -> {location.folder}")


if __name__ == "__main__":
    cli.run_stage(main)
