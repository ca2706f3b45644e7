"""Make the probability maps of a run: of each fold's validation images, and of every test image.

    python 03_infer.py --run r34_512
    torchrun --nproc_per_node 4 -- 03_infer.py --run r34_512

Several folds are inferred side by side, one on each GPU; torchrun infers each on all of them.

Reads   WORK/runs/<run>/fold<k>/, WORK/cache/<size>/, WORK/dataset/
Writes  WORK/probs/<run>/fold<k>/  (probs/<run>.noflip/ with --tta none, probs/<run>.flip/ with
        --tta flip, if the recipe has the other one)
"""

from lib import cli

cli.stop_on_signals()  # now: the imports below take a second

import argparse
from collections.abc import Mapping
from dataclasses import asdict

from lib import artifacts, dataset, layout
from lib.artifacts import Artifact
from lib.recipes import Recipe, serialize


def parse_args() -> argparse.Namespace:
    parser = cli.stage_parser(__doc__)
    parser.add_argument("--run", required=True, help="a folder under WORK/runs")
    parser.add_argument("--folds", nargs="+", help="numbers, or all-data; default: those trained")
    cli.add_device_flags(parser)
    parser.add_argument(
        "--tta", choices=[layout.FLIP, layout.NO_FLIP], help="default: the recipe's"
    )
    parser.add_argument(
        "--batch", type=cli.int_in_range(1), help="images at a time; default: by their size"
    )
    parser.add_argument(
        "--workers", type=cli.int_in_range(1, 1024), help="threads that read and write images"
    )
    return parser.parse_args()


def request_of(
    args: argparse.Namespace, work: layout.Work, run: Artifact, recipe: Recipe,
    caches: Mapping[int, Artifact], data: dataset.Dataset,
) -> artifacts.Request:  # fmt: skip
    """Return the place, the config and the inputs of the maps of a fold."""
    tta, size = args.tta or recipe.tta, recipe.phases[-1].size
    config = {"tta": tta, "size": size, "ranked": recipe.ranks_checkpoints}
    config["rule"] = asdict(recipe.rule)  # for 04 --rule recipe
    location = work.probs(args.run, run.config["fold"], None if tta == recipe.tta else tta)
    return location, config, [run, caches[size], data.artifact]


def main() -> None:
    args = parse_args()
    work = layout.Work(args.work)
    data = dataset.read(work)
    folds = work.trained_folds(args.run, args.folds)
    runs = [artifacts.read(work.run(args.run, fold)) for fold in folds]

    # Imported here, because torch takes seconds: --help and mistakes in flags need not wait.
    from lib import distributed, fold_processes
    from lib.infer.predict import InferenceJob, default_batch, infer_and_publish, out_of_fold

    oof = [out_of_fold(run, data) for run in runs]
    run_recipes = [serialize.from_dict(run.config["recipe"]) for run in runs]
    sizes = {recipe.phases[-1].size for recipe in run_recipes}
    caches = {size: artifacts.read_chained(work.cache(size)) for size in sizes}
    requests = [request_of(args, work, run, recipe, caches, data)
                for run, recipe in zip(runs, run_recipes, strict=True)]  # fmt: skip
    with (
        distributed.process_group(args.device, args.parallel) as device,
        distributed.begin_artifacts(requests, args.replace) as drafts,
    ):
        jobs = (InferenceJob(
            draft=draft, recipe=recipe, run=run, cache=caches[draft.config["size"]], oof=oof_ids,
            test=data.test_ids, flip=draft.config["tta"] == layout.FLIP, device=device,
            batch=args.batch or default_batch(draft.config["size"], device), workers=args.workers,
        ) for draft, recipe, run, oof_ids
            in zip(drafts, run_recipes, runs, oof, strict=True) if draft)  # fmt: skip
        devices = fold_processes.choose_devices(device, args.device, args.parallel, len(folds))
        fold_processes.run_each(infer_and_publish, jobs, devices)


if __name__ == "__main__":
    cli.run_stage(main)
