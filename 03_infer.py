"""Make the probability maps of a run: each fold's own validation images, and every test image.

    python 03_infer.py --run r34_512
    torchrun --nproc_per_node 4 -- 03_infer.py --run r34_512

Reads   WORK/runs/<run>/fold<k>/, WORK/cache/<size>/, WORK/dataset/
Writes  WORK/probs/<run>/fold<k>/  (probs/<run>.noflip/ with --tta none)
"""

from lib import cli

cli.stop_on_signals()  # now: the imports below take a second

import argparse
from functools import partial

from lib import artifacts, dataset, layout
from lib.recipes import serialize


def parse_args() -> argparse.Namespace:
    parser = cli.stage_parser(__doc__)
    parser.add_argument("--run", required=True, help="a folder under WORK/runs")
    parser.add_argument("--folds", nargs="+", help="numbers, or all-data; default: those trained")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...")
    parser.add_argument("--tta", choices=[layout.FLIP, layout.NO_FLIP], default=layout.FLIP)
    parser.add_argument(
        "--batch", type=cli.int_in_range(1), help="images at a time; default: by their size"
    )
    parser.add_argument(
        "--workers", type=cli.int_in_range(1, 1024), help="threads that read and write images"
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    work = layout.Work(args.work)
    data = dataset.read(work)
    folds = work.trained_folds(args.run, args.folds)
    runs = [artifacts.read(work.run(args.run, fold)) for fold in folds]

    # torch takes seconds to import: neither --help nor a mistake in the flags waits for it.
    from lib import device, distributed
    from lib.infer.predict import THREADS, Job, default_batch, infer_fold, out_of_fold

    threads = args.workers or THREADS
    with distributed.process_group(args.device) as where:
        for fold, run in zip(folds, runs, strict=True):
            recipe = serialize.from_dict(run.config["recipe"])
            size = recipe.phases[-1].size
            cache = artifacts.read_chained(work.cache(size))
            location = work.probs(args.run, fold, args.tta)
            inputs = [run, cache, data.artifact]
            decided = {"tta": args.tta, "size": size, "ranked": recipe.ranks_checkpoints}
            begin = partial(artifacts.begin, location, decided, inputs, args.replace)
            draft = distributed.run_on_main(begin)
            if draft is None:
                print(f"up to date: {location}")
                continue
            oof, test = out_of_fold(run, data), data.test_ids
            batch, flip = args.batch or default_batch(size, where), args.tta == layout.FLIP
            job = Job(draft, recipe, run, cache, oof, test, flip, batch, where, threads)
            infer_fold(job)
            if distributed.is_main():
                draft.finish(
                    batch=batch, distributed=distributed.world_size(), **device.describe(where)
                )
            print(f"{len(oof)} out-of-fold and {len(test)} test maps -> {location.folder}")


if __name__ == "__main__":
    cli.run_stage(main)
