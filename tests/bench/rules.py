"""Scores of decision rules: in sample, cross-fitted, and on test images.

    python -m tests.bench rules [--work WORK] [--members RUN ...] [--truth CSV] [--few]

Every row is a decision of stage 04 on the same ensemble, with the test masks of stage 05. The truth
of the test images is used for this table alone. The defaults are those of the demo of run_all.sh.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lib.decision.rules import ThresholdRule
from lib.errors import InputError
from lib.leaderboard import markdown
from lib.recipes.published_rules import PUBLISHED
from tests.bench.harness import print_lines
from tests.bench.rule_scores import RuleScores, score_rule

RULES = {
    "single at .5, fixed": "--params top=.5 bottom=.5",
    "duplet, plateau": "--rule duplet",
    "triplet, best": "--rule triplet --choose best",
    "triplet, plateau": "--rule triplet",
    "components, plateau": "--rule components",
    "gated, plateau": "--rule gated",
    "expected": "--rule expected",
    "auto": "--rule auto",
}
PLATEAU = "triplet, plateau"
COMPARED = ("triplet, best", "expected", "auto")  # compared with the plateau image by image
COLUMNS = ("rule", "top / area / bottom, and more", "tuned", "cross-fitted", "more than the first",
           "test", "more than the first")  # fmt: skip
COLUMNS_COMPARED = ("rule", "cross-fitted", f"more than {PLATEAU}", "test", f"more than {PLATEAU}")


def score_rules(
    work: Path, members: Sequence[str], truth: Path, rules: Mapping[str, str]
) -> Iterator[str]:
    """Yield the lines of the tables; a rule that stage 04 refuses for these members says why.

    Args:
        work: working folder.
        members: runs to average.
        truth: CSV with the masks of the test images.
        rules: flags of stage 04 by the rule's label.
    """
    yield from markdown.table(COLUMNS, [])
    scores: dict[str, RuleScores] = {}
    for name, flags in rules.items():
        try:
            scores[name] = score_rule(work, members, truth, name, flags)
        except InputError as error:
            yield f"| {name} | not possible: {error} | | | | | |"
            continue
        yield markdown.line(scores[name].row(next(iter(scores.values()))))
    if scores:
        yield f"\n{next(iter(scores.values())).all_empty()}"
    if PLATEAU in scores:
        yield ""
        rows = (scores[name].row_against(scores[PLATEAU]) for name in COMPARED)
        yield from markdown.table(COLUMNS_COMPARED, rows)


def published_rules() -> dict[str, str]:
    """Return flags of stage 04 by the names of the published rules, equal rules together."""
    names: dict[ThresholdRule, list[str]] = {}
    for name, rule in PUBLISHED.items():
        names.setdefault(rule, []).append(name)
    return {", ".join(same): f"--rule {same[0]}" for same in names.values()}


def main(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("work"))
    parser.add_argument("--members", nargs="+", default=["demo"], metavar="RUN")
    parser.add_argument("--truth", type=Path, metavar="CSV", help="default: the demo's")
    parser.add_argument("--few", action="store_true", help="only the rules of the second table")
    args = parser.parse_args(argv)
    rules = (
        {name: RULES[name] for name in (PLATEAU, *COMPARED)}
        if args.few
        else RULES | published_rules()
    )
    work = args.work.resolve()  # the stages run in the project's root
    truth = args.truth or work / "raw_demo/test-truth.csv"
    print_lines(score_rules(work, args.members, truth, rules))
