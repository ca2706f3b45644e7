"""Draw phantom radiographs and write them in the competition's stage-1 layout.

    python -m lib.prepare.phantom OUT [--n-train 120] [--n-test 80] [--seed 0] [--size 1024]

Writes  OUT/dicom-images-train/, OUT/dicom-images-test/, OUT/train-rle.csv,
        OUT/sample_submission.csv, OUT/test-truth.csv
"""

import argparse
from pathlib import Path

from lib.cli import run_stage
from lib.errors import InputError
from lib.prepare.phantom import write_phantoms


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m lib.prepare.phantom",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("out", type=Path, help="an empty or new folder")
    parser.add_argument("--n-train", type=int, default=120, help="training images (default 120)")
    parser.add_argument("--n-test", type=int, default=80, help="test images (default 80)")
    parser.add_argument("--seed", type=int, default=0, help="other seeds give other patients")
    parser.add_argument("--size", type=int, default=1024, help="side in pixels (default 1024)")
    parser.add_argument(
        "--workers", type=int, help="processes (default: one for each core, at most 8)"
    )
    args = parser.parse_args()
    if args.out.exists() and any(args.out.iterdir()):
        raise InputError(f"{args.out} is not empty; choose another folder")
    write_phantoms(**vars(args))
    print(f"{args.n_train} training and {args.n_test} test phantoms -> {args.out}")


if __name__ == "__main__":
    run_stage(main)
