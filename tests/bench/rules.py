"""What a rule is worth: where it was tuned, on folds it was not fitted on, on test images.

    python -m tests.bench.rules [--work WORK] [--members RUN ...] [--truth CSV] [--few]

Every row is a decision of stage 04 on one ensemble, its test masks those of stage 05. The truth of
the test images is used for this table alone. Without flags: of the demo, as run_all.sh leaves it.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lib.cli import run_stage
from lib.decision.rules import ThresholdRule
from lib.errors import InputError
from lib.recipes.published_rules import PUBLISHED
from tests.bench.measured import Measured, measure

OURS = {
    "single at .5, stated": "--params top=.5 bottom=.5",
    "duplet, plateau": "--rule duplet",
    "triplet, best": "--rule triplet --choose best",
    "triplet, plateau": "--rule triplet",
    "triplet, plateau, folds vote": "--rule triplet --test-rule vote",
    "components, plateau": "--rule components",
    "gated, plateau": "--rule gated",
    "expected": "--rule expected",
    "auto": "--rule auto",
}
PLATEAU = "triplet, plateau"
COMPARED = ("triplet, best", "expected", "auto")  # with the plateau, image by image
HEADER = """\
| rule | top / area / bottom, and more | tuned | cross-fitted | more than the first | test | \
more than the first |
|---|---|---|---|---|---|---|"""
HEADER_COMPARED = f"""\
| rule | cross-fitted | more than {PLATEAU} | test | more than {PLATEAU} |
|---|---|---|---|---|"""


def table(
    work: Path, members: Sequence[str], truth: Path, rules: Mapping[str, str]
) -> Iterator[str]:
    """The lines of the table; a rule that these members cannot have says why.

    Args:
        rules: names and flags of stage 04.
    """
    yield HEADER
    all_measured: dict[str, Measured] = {}
    for name, flags in rules.items():
        try:
            measured = measure(work, members, truth, name, flags)
        except InputError as error:
            yield f"| {name} | not possible: {error} | | | | | |"
            continue
        all_measured[name] = measured
        yield measured.row(next(iter(all_measured.values())))
    if all_measured:
        yield f"\n{next(iter(all_measured.values())).all_empty()}"
    if PLATEAU in all_measured:
        yield f"\n{HEADER_COMPARED}"
        for name in COMPARED:
            yield all_measured[name].row_against(all_measured[PLATEAU])


def published() -> dict[str, str]:
    """Names and flags of the published rules; those that are the same rule in one."""
    names: dict[ThresholdRule, list[str]] = {}
    for name, rule in PUBLISHED.items():
        names.setdefault(rule, []).append(name)
    return {", ".join(same): f"--rule {same[0]}" for same in names.values()}


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("work"))
    parser.add_argument("--members", nargs="+", default=["demo"], metavar="RUN")
    parser.add_argument("--truth", type=Path, metavar="CSV", help="default: the demo's")
    parser.add_argument("--few", action="store_true", help="only what the second table compares")
    args = parser.parse_args(words)
    rules = {name: OURS[name] for name in (PLATEAU, *COMPARED)} if args.few else OURS | published()
    work = args.work.resolve()  # the stages run in the project's folder
    truth = args.truth or work / "raw_demo/test-truth.csv"
    for line in table(work, args.members, truth, rules):
        print(line, flush=True)


if __name__ == "__main__":
    run_stage(main)
