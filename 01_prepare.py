"""Turn raw radiographs and labels into tables, folds and cached images.

    python 01_prepare.py --raw DIR --sizes 256 512
    python 01_prepare.py --demo --recipes demo

Reads   RAW: images (DICOM, PNG, JPEG), label CSV, sample submission, wherever they lie in it
Writes  WORK/dataset/, WORK/cache/<size>/, and WORK/raw_demo/ with --demo
"""

from lib import cli

cli.stop_on_signals()  # now: the imports below take a second

import argparse
import os
from pathlib import Path

from lib import artifacts, layout, recipes
from lib import dataset as datasets
from lib.prepare import cache, dataset, discover, folds, plan

DEFAULT_SIZE = 512
MOST_SIDE = 10_000  # pixels: more than any radiograph has


def parse_args() -> argparse.Namespace:
    parser = cli.stage_parser(__doc__)
    count, side = cli.int_in_range(1), cli.int_in_range(1, MOST_SIDE)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--raw", type=Path, metavar="DIR", help="the folder with everything")
    source.add_argument("--demo", action="store_true", help="draw phantoms and use them")
    parser.add_argument("--sizes", type=side, nargs="+", default=[], help="of the cached images")
    parser.add_argument("--recipes", nargs="+", default=[], help="cache the sizes that they need")
    parser.add_argument("--labels", type=Path, metavar="CSV", help="where there are several")
    parser.add_argument("--groups", type=Path, metavar="CSV", help="ImageId, patient_id, ...")
    split = parser.add_mutually_exclusive_group()
    split.add_argument("--folds-csv", type=Path, metavar="CSV", help="a split: ImageId, fold")
    split.add_argument("--n-folds", type=count, default=folds.N_FOLDS)
    parser.add_argument("--rle-size", type=side, default=1024, help="side of the RLE frame")
    parser.add_argument("--limit", type=count, help="so many training and test images: a trial")
    parser.add_argument("--allow-missing", action="store_true", help="leave out ids without a file")
    parser.add_argument("--allow-unreadable", action="store_true", help="also in test")
    parser.add_argument("--workers", type=count, default=os.cpu_count(), help="processes")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    work = layout.Work(args.work)
    needed = (phase.size for name in args.recipes for phase in recipes.get(name).phases)
    sizes = sorted({*args.sizes, *needed}) or [DEFAULT_SIZE]
    inputs = [discover.demo(work, args.workers, args.replace)] if args.demo else []
    source = discover.discover(args.raw or work.raw_demo.folder, args.labels, work.root)
    planned = plan.make_plan(source, args.rle_size, args.n_folds, args.limit, args.allow_missing,
                        args.folds_csv, args.groups)  # fmt: skip
    draft = artifacts.begin(work.dataset, planned.config, inputs, args.replace)
    caches = cache.begin(work, sizes, planned.config, args.replace)
    if draft:
        dataset.build_dataset(draft, caches, planned, args.allow_unreadable, args.workers)
    made = datasets.read(work)
    completed = cache.complete(work, sizes, source, made, args.workers)
    where = f"{work.dataset.folder}, cache {', '.join(map(str, sizes))}"
    if not (draft or completed):
        print(f"up to date: {where}")
        return
    excluded = int((made.images["split"] == "excluded").sum())
    print(
        f"{len(made.truth)} training images ({sum(map(made.positive, made.truth))} positive), "
        f"{len(made.test_ids)} test, {excluded} excluded (see census.md) -> {where}"
    )


if __name__ == "__main__":
    cli.run_stage(main)
