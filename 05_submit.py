"""Turn test maps into a checked submission and a report, by a decision that was taken.

    python 05_submit.py --decision final-triplet
    python 05_submit.py --decision final-triplet --truth test-truth.csv

Reads   WORK/decisions/final-triplet/, WORK/ensembles/final/, WORK/dataset/;
        for the report, caches and runs where they are there
Writes  WORK/submissions/final-triplet/
"""

from lib import cli

cli.stop_on_signals()  # now: the imports below take a second

import argparse
from pathlib import Path

from lib import artifacts, score
from lib.layout import Work
from lib.submit import inputs, submission, upload


def parse_args() -> argparse.Namespace:
    parser = cli.stage_parser(__doc__)
    add = parser.add_argument
    add("--decision", required=True, metavar="NAME-TAG", help="a folder of WORK/decisions")
    add("--truth", type=Path, metavar="CSV", help="masks of the test images, to score against")
    add("--upload", metavar="COMPETITION", help="hand it in with the kaggle command")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    work = Work(args.work)
    made_from = inputs.read(work, args.decision)
    dataset, size = made_from.dataset, made_from.dataset.rle_size
    if args.truth:
        score.check_test(args.truth, size, dataset.sample, dataset.artifact.location)
    location = work.submission(args.decision)
    config = submission.config(location, args.truth, args.replace)
    draft = artifacts.begin(location, config, made_from.inputs, args.replace)
    if draft:
        submission.fill(draft, made_from, args.truth)
    made = artifacts.read(location)
    path = made.path(submission.SUBMISSION)
    print(*submission.describe(made), sep="\n")
    if args.truth:
        print(submission.describe_score(score.compare(path, args.truth, size)))
    if args.upload:
        print(upload.to_kaggle(path, args.upload, f"{args.decision} {made.id[:12]}"))
    print(f"{'checked' if draft else 'up to date'} -> {path}, {made.path('report.html')}")


if __name__ == "__main__":
    cli.run_stage(main)
