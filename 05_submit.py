"""Turn test maps into a checked submission and a report, by the rule of a decision.

    python 05_submit.py --decision final-triplet
    python 05_submit.py --decision final-triplet --truth test-truth.csv

Reads   WORK/decisions/final-triplet/, WORK/ensembles/final/, WORK/dataset/;
        and for the report, if they exist, WORK/cache/ and WORK/runs/
Writes  WORK/submissions/final-triplet/
"""

from lib import cli

cli.stop_on_signals()  # now: the imports below take a second

import argparse
from pathlib import Path

from lib import artifacts, score
from lib.layout import Work
from lib.submit import inputs, submission


def parse_args() -> argparse.Namespace:
    parser = cli.stage_parser(__doc__)
    add = parser.add_argument
    add("--decision", required=True, metavar="NAME-TAG", help="name of a folder in WORK/decisions")
    add("--truth", type=Path, metavar="CSV", help="masks of the test images, to score against")
    add("--upload", metavar="COMPETITION", help="submit with the kaggle command")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    work = Work(args.work)
    source = inputs.read(work, args.decision)
    dataset, size = source.dataset, source.dataset.rle_size
    if args.upload:
        submission.check_upload(size)
    if args.truth:
        score.check_test(args.truth, size, dataset.sample, dataset.artifact.location)
    location = work.submission(args.decision)
    config = submission.config(location, args.truth, args.replace)
    draft = artifacts.begin(location, config, source.inputs, args.replace)
    if draft:
        submission.fill(draft, source, args.truth)
    artifact = artifacts.read(location)
    path = artifact.path(submission.SUBMISSION)
    print(*submission.describe(artifact), sep="\n")
    if line := submission.describe_frame(size):
        print(line)
    if args.truth:
        test_score = score.compare(path, args.truth, size, dataset.test_patients)
        score.warn_no_overlap(test_score)
        print(submission.describe_score(test_score))
    if args.upload:
        print(submission.upload(path, args.upload, f"{args.decision} {artifact.id[:12]}"))
    print(f"{'checked' if draft else 'up to date'} -> {path}, {artifact.path('report.html')}")


if __name__ == "__main__":
    cli.run_stage(main)
