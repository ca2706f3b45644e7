"""Train a recipe on folds of the dataset; each fold can train on another machine.

    python 02_train.py --recipe r34_512 --folds 0 1
    python 02_train.py --recipe r34_512 --set phases.0.lr=1e-3 --name r34_512_lr1e-3
    torchrun --nproc_per_node 4 -- 02_train.py --recipe r34_512

Several folds train side by side, one on each GPU; torchrun trains each fold on all of them.

Reads   WORK/dataset/, WORK/cache/<size>/
Writes  WORK/runs/<recipe, or name>/fold<k>/
"""

from lib import cli

cli.stop_on_signals()  # now: the imports below take a second

import argparse
from dataclasses import asdict

from lib import artifacts, dataset, layout, recipes
from lib.errors import InputError
from lib.recipes import serialize


def parse_args() -> argparse.Namespace:
    parser = cli.stage_parser(__doc__)
    parser.add_argument("--recipe", required=True, help="python -m lib.recipes lists them")
    parser.add_argument("--folds", nargs="+", help="numbers, or all-data; default: all folds")
    parser.add_argument("--name", help="of the run; default: the recipe's name")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE",
        help="change values of the recipe, such as phases.0.lr=1e-3; needs --name")  # fmt: skip
    parser.add_argument("--encoder-weights", metavar="imagenet|none|FILE|sum:FILE",
        help="or a folder with <encoder>.pt; sum: add up RGB, for a gray recipe")  # fmt: skip
    cli.add_device_flags(parser)
    parser.add_argument(
        "--workers", type=cli.int_in_range(0, 1024), help="processes that load images"
    )
    parser.add_argument(
        "--compile", action="store_true", help="compile the network first; pays off in long runs"
    )
    args = parser.parse_args()
    if args.set and not args.name:
        raise InputError("--set changes the recipe, so the run needs a --name of its own")
    return args


def main() -> None:
    args = parse_args()
    work = layout.Work(args.work)
    recipe = serialize.override(recipes.get(args.recipe), args.set)
    data = dataset.read(work)
    folds = data.checked_folds(args.folds)
    sizes = {phase.size for phase in recipe.phases}
    caches = {size: artifacts.read_chained(work.cache(size)) for size in sorted(sizes)}

    # Imported here, because torch takes seconds: --help and mistakes in flags need not wait.
    from lib import distributed, fold_processes
    from lib.models.weights import encoder_file, encoder_fingerprint
    from lib.train.trainer import TrainingJob, train_and_publish

    encoder_weights = encoder_file(
        args.encoder_weights or recipe.network.encoder_weights, recipe.network.encoder
    )
    config = {"recipe": asdict(recipe), "encoder_weights": encoder_fingerprint(encoder_weights)}
    inputs, name = [data.artifact, *caches.values()], args.name or recipe.name
    requests = [(work.run(name, fold), config | {"fold": fold}, inputs) for fold in folds]
    with (
        distributed.process_group(args.device, args.parallel) as device,
        distributed.begin_artifacts(requests, args.replace) as drafts,
    ):
        jobs = (TrainingJob(
            draft=draft, recipe=recipe, fold=fold, dataset=data, caches=caches, device=device,
            encoder_weights=encoder_weights, workers=args.workers, compile=args.compile,
        ) for fold, draft in zip(folds, drafts, strict=True) if draft)  # fmt: skip
        devices = fold_processes.choose_devices(device, args.device, args.parallel, len(folds))
        fold_processes.run_each(train_and_publish, jobs, devices)


if __name__ == "__main__":
    cli.run_stage(main)
