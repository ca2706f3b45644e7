"""Masks of any radiographs by a decision, with overlays, a table, and a gallery.

    python -m lib.predict IMAGES... --out DIR --decision NAME-TAG [--work WORK]
    python -m lib.predict IMAGES... --out DIR --model FOLDER
    python -m lib.predict export --decision NAME-TAG --out FOLDER [--work WORK] [--onnx]

IMAGES are DICOM, PNG and JPG files of any size, and folders of them. All that the decision was made
of is applied as stages 03 to 05 do: networks, folds, checkpoints, flips, weights, gate and rule.
FOLDER is what `export` writes: a system without WORK, for another machine.

Writes  DIR/masks/, DIR/overlays/, DIR/predictions.csv, DIR/index.html; with --dicom-seg
        DIR/segmentations/. The same command goes on where it was stopped. Files that cannot be
        read are named, and the exit code is then 1.

For research, not a medical device.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lib import cli
from lib.layout import Work

EXPORT = "export"


def parse_args(argv: Sequence[str]) -> argparse.Namespace:
    is_export = argv[:1] == [EXPORT]
    parser = argparse.ArgumentParser(
        prog=f"python -m lib.predict {EXPORT}" if is_export else "python -m lib.predict",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--work", type=Path, default=Path("work"), help="working folder")
    if is_export:
        add("--decision", required=True, metavar="NAME-TAG", help="a folder in WORK/decisions")
        add("--out", type=Path, required=True, metavar="FOLDER", help="a new folder")
        add("--onnx", action="store_true", help="a network of each checkpoint as ONNX too")
        return parser.parse_args(argv[1:])
    add("images", nargs="+", type=Path, metavar="IMAGES", help="files and folders")
    add("--out", type=Path, required=True, metavar="DIR", help="folder of the outputs")
    system = parser.add_mutually_exclusive_group(required=True)
    system.add_argument("--decision", metavar="NAME-TAG", help="a folder in WORK/decisions")
    system.add_argument("--model", type=Path, metavar="FOLDER", help="an exported system")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...")
    add("--batch", type=cli.int_in_range(1), help="images at a time; default: as stage 03")
    add("--workers", type=cli.int_in_range(1, 1024), help="threads that read and write images")
    add("--dicom-seg", action="store_true", help="DICOM Segmentation objects too (highdicom)")
    return parser.parse_args(argv)


def predict(args: argparse.Namespace) -> int:
    """Predict the images, and return the exit code."""
    from lib.predict import files

    found = files.find(args.images, args.out)
    # Imported here, because torch takes seconds: --help and mistakes in paths need not wait.
    from lib import device
    from lib.infer.predict import default_threads
    from lib.predict import dicom_seg, from_work, gallery, outputs, run, system

    if args.dicom_seg:
        dicom_seg.require_package()
    loaded = (
        system.load(args.model) if args.model else from_work.load(Work(args.work), args.decision)
    )
    selected = device.select_device(args.device)
    device.use_device(selected)
    with outputs.begin(args.out, loaded):
        job = run.PredictionJob(
            found.images, loaded, args.out, selected, args.batch,
            args.workers or default_threads(), args.dicom_seg,
        )  # fmt: skip
        outcome = run.predict_images(job)
        records = list(outputs.finished_records(args.out).values())
        outputs.write_table(args.out, records)
        gallery.write(args.out, loaded, records, outcome.failed)
    if found.others:
        names = ", ".join(found.others[:3]) + (", ..." if len(found.others) > 3 else "")
        print(f"left alone, as no DICOM, PNG or JPG, or outputs: {len(found.others)} ({names})")
    with_mask = sum(record["area_px"] > 0 for record in records)
    print(
        f"predicted now: {outcome.predicted}, in all: {len(records)}, with a mask: {with_mask} "
        f"-> {args.out / gallery.GALLERY}"
    )
    if args.dicom_seg:
        print(*outputs.describe_segmentations(records), sep="\n")
    print(system.DISCLAIMER)
    if outcome.failed:
        print(f"skipped: {len(outcome.failed)}")
        for failure in outcome.failed:
            print(f"  {failure.file.path}: {failure.reason}")
    return int(bool(outcome.failed))


def export(args: argparse.Namespace) -> int:
    """Write the folder of a system, and return the exit code."""
    from lib.predict import from_work
    from lib.predict.export import export

    system = from_work.load(Work(args.work), args.decision)
    export(system, args.out, args.onnx)
    print(f"{system.describe_score()} -> {args.out}")
    return 0


def main() -> None:
    argv = sys.argv[1:]
    args = parse_args(argv)
    code = export(args) if argv[:1] == [EXPORT] else predict(args)
    if code:
        sys.stdout.flush()
        raise SystemExit(code)


if __name__ == "__main__":
    cli.run_stage(main)
