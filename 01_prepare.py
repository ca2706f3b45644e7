"""Turn raw radiographs and labels into tables, folds and cached images.

    python 01_prepare.py --raw DIR --sizes 256 512
    python 01_prepare.py --demo --recipes demo

Reads   RAW: images (DICOM, PNG, JPEG), label CSV, sample submission, in any folder layout
Writes  WORK/dataset/, WORK/cache/<size>/, and WORK/raw_demo/ with --demo
"""

from lib import cli

cli.stop_on_signals()  # now: the imports below take a second

import argparse
from pathlib import Path

from lib import artifacts, layout, recipes
from lib import dataset as datasets
from lib.parallel import count_cores
from lib.prepare import cache, discover, folds
from lib.prepare.dataset import build_dataset
from lib.prepare.plan import make_plan

DEFAULT_SIZE = 512
MAX_SIZE = 10_000  # pixels: more than any radiograph has


def parse_args() -> argparse.Namespace:
    parser = cli.stage_parser(__doc__)
    count, size = cli.int_in_range(1), cli.int_in_range(1, MAX_SIZE)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--raw", type=Path, metavar="DIR", help="folder with images and tables")
    source.add_argument("--demo", action="store_true", help="draw phantoms and use them")
    parser.add_argument("--sizes", type=size, nargs="+", default=[],
        help="sides of cached images, in pixels (default: 512, or those of --recipes)")  # fmt: skip
    parser.add_argument("--recipes", nargs="+", default=[], help="cache the sizes that they need")
    labels = parser.add_mutually_exclusive_group()
    labels.add_argument("--labels", type=Path, metavar="CSV",
        help="the label file, if it is not in RAW, or RAW has several")  # fmt: skip
    labels.add_argument("--masks", type=Path, metavar="DIR",
        help="instead of a label file: pictures of masks, named as the images")  # fmt: skip
    parser.add_argument("--groups", type=Path, metavar="CSV",
        help="patients: ImageId, patient_id, and sex, age, view if known")  # fmt: skip
    split = parser.add_mutually_exclusive_group()
    split.add_argument("--folds-csv", type=Path, metavar="CSV", help="a split: ImageId, fold")
    split.add_argument("--n-folds", type=count, default=folds.N_FOLDS,
        help="of a computed split, by patient (default: %(default)s)")  # fmt: skip
    parser.add_argument(
        "--rle-size",
        type=size,
        help="side of the RLE frame (1024, or the masks'; other masks are resized)",
    )
    parser.add_argument("--limit", type=count, help="maximum of training and of test images")
    parser.add_argument("--balanced", action="store_true",
        help="draw as many training images without a pneumothorax as with one")  # fmt: skip
    parser.add_argument("--allow-missing", action="store_true", help="leave out ids without a file")
    parser.add_argument("--allow-unreadable", action="store_true",
        help="leave out test images that cannot be read, as training images are")  # fmt: skip
    parser.add_argument("--workers", type=count, default=count_cores(),
        help="processes (default: one for each core)")  # fmt: skip
    return parser.parse_args()


def describe(data: datasets.Dataset) -> str:
    """Return a line that counts the images."""
    n_positive = sum(map(data.positive, data.truth))
    n_excluded = int((data.images["split"] == "excluded").sum())
    return (
        f"{len(data.truth)} training images ({n_positive} positive), {len(data.test_ids)} test, "
        f"{n_excluded} excluded (see census.md)"
    )


def main() -> None:
    args = parse_args()
    work = layout.Work(args.work)
    recipe_sizes = (phase.size for name in args.recipes for phase in recipes.get(name).phases)
    sizes = sorted({*args.sizes, *recipe_sizes}) or [DEFAULT_SIZE]
    inputs = [discover.draw_demo(work, args.workers, args.replace)] if args.demo else []
    raw = args.raw or work.raw_demo.folder
    source = discover.scan_raw_folder(raw, args.labels, work.root, args.masks)
    plan = make_plan(
        source, rle_size=args.rle_size, n_folds=args.n_folds, limit=args.limit,
        balanced=args.balanced, allow_missing=args.allow_missing, folds_csv=args.folds_csv,
        groups_csv=args.groups, workers=args.workers,
    )  # fmt: skip
    print(plan.describe(), flush=True)
    draft, caches = cache.begin(work, sizes, plan.config, inputs, args.replace)
    if draft:
        build_dataset(draft, plan, caches, allow_unreadable=args.allow_unreadable,
                      workers=args.workers)  # fmt: skip
    data = datasets.read(work)
    cache.finish(work, caches, source=source, data=data, workers=args.workers)
    outputs = f"{work.dataset.folder}, cache {', '.join(map(str, sizes))}"
    if draft is None and not any(caches.values()):
        print(f"up to date: {outputs}")
        return
    if outdated := artifacts.describe_outdated(data.artifact):
        print(f"{outdated}; 01_prepare.py --replace with the earlier flags brings it back")
    if not data.test_ids:
        print("no test images: 05_submit.py will have nothing to submit")
    print(f"{describe(data)} -> {outputs}")


if __name__ == "__main__":
    cli.run_stage(main)
