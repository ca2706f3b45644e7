"""Check every artifact under WORK: its files, and that it was made from the inputs beside it.

python -m lib.artifacts verify WORK
"""

import argparse
from pathlib import Path

from lib import layout
from lib.artifacts import describe_leftovers, verify
from lib.cli import run_stage
from lib.errors import InputError


def main() -> None:
    parser = argparse.ArgumentParser(description="Check every artifact under a working folder.")
    parser.add_argument("action", choices=["verify"])
    parser.add_argument("work", type=Path)
    args = parser.parse_args()
    if not args.work.is_dir():
        raise InputError(f"{args.work} is not a folder; give the folder of --work")
    count = len(layout.artifact_paths(args.work))
    if not count:
        raise InputError(f"{args.work} has no artifact; give the folder of --work")
    for line in describe_leftovers(args.work):
        print(line)
    faults = verify(args.work)
    if faults:
        raise InputError("\nerror: ".join(faults))
    print(f"{args.work}: {count} artifacts, each complete and made from the inputs beside it")


if __name__ == "__main__":
    run_stage(main)
