"""What a rule is worth: where it was tuned, on folds it was not fitted on, on test images.

    python -m tests.bench.rules [--work WORK] [--members RUN ...] [--truth CSV]

Every row is a decision of stage 04 on one ensemble, its test masks those of stage 05. The truth of
the test images is used for this table alone. Without flags: of the demo, as run_all.sh leaves it.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from lib import score
from lib.decision.deciders import from_json
from lib.decision.uncertainty import interval
from lib.errors import InputError, run_stage
from lib.layout import Work
from lib.leaderboard.markdown import between, in_short
from lib.recipes.rules import PUBLISHED
from lib.recipes.schema import Rule
from lib.score import Score
from lib.submit import masks, source, submission

ROOT = Path(__file__).resolve().parents[2]
REFUSED = 2  # the exit code of a stage that cannot do what is asked
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
HEADER = """\
| rule | top / area / bottom, and more | tuned | fold-honest | more than the first | test | \
more than the first |
|---|---|---|---|---|---|---|"""


@dataclass(frozen=True)
class Measured:
    """A rule and what it scores.

    Attributes:
        decided: what decision.json holds.
        tested: the score on the test images.
    """

    name: str
    decided: dict[str, Any]
    tested: Score

    def row(self, first: "Measured") -> str:
        """A line of the table, with what it has more than the first rule."""
        decided, gain = self.decided, self.tested.dices - first.tested.dices
        cells = [
            self.name,
            in_short(from_json(decided)),
            dice(decided["oof_dice"]),
            dice(decided["fold_honest_dice"]) + " ({:.4f} to {:.4f})".format(*decided["ci95"]),
            more(decided["fold_honest_dice"], first.decided["fold_honest_dice"]),
            dice(self.tested.dice),
            between(gain.mean(), interval(gain, np.arange(len(gain))), "+"),
        ]
        return f"| {' | '.join(cells)} |"

    def row_against_empty(self) -> tuple[str, ...]:
        """Cells: name, parameters, tuned, test, and what the test has more than no mask at all."""
        gain = self.tested.dices - ~self.tested.positive
        gained = between(gain.mean(), interval(gain, np.arange(len(gain))), "+")
        rule = in_short(from_json(self.decided))
        return self.name, rule, dice(self.decided["oof_dice"]), dice(self.tested.dice), gained

    def all_empty(self) -> str:
        """What masks for no image would score."""
        count = self.decided["confusion"]
        empty = (count["false"] + count["neither"]) / self.decided["images"]
        return (
            f"All empty: {empty:.4f} on the {self.decided['images']} labelled images, "
            f"{self.tested.all_empty_dice:.4f} on the {len(self.tested.ids)} of the test."
        )


def measure(
    work: Path, members: Sequence[str], truth: Path, name: str, flags: str, ensemble: str = ""
) -> Measured:
    """Decide by stage 04, predict the test images as stage 05 does, and score them.

    Args:
        work: the working folder.
        members: runs.
        truth: masks of the test images.
        name: what the table calls it.
        flags: of stage 04.
        ensemble: its name; default: of the members.

    Raises:
        InputError: if a stage refuses.
    """
    ensemble = ensemble or f"bench_{'+'.join(members)}"
    tag = re.sub(r"\W+", "_", flags).strip("_")[:60]
    command = ["04_ensemble.py", "--work", work, "--members", *members, "--name", ensemble]
    _run([*command, "--tag", tag, *flags.split()])
    made_from = source.read(Work(work), f"{ensemble}-{tag}")
    with TemporaryDirectory() as folder:
        path = Path(folder) / submission.SUBMISSION
        submission.write(path, list(masks.predict(made_from)))
        tested = score.compare(path, truth, made_from.dataset.rle_size)
    return Measured(name, made_from.decided, tested)


def _run(words: Sequence[str | Path]) -> None:
    done = subprocess.run(
        [sys.executable, *map(str, words)], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode == REFUSED:
        raise InputError(done.stderr.strip().splitlines()[-1].removeprefix("error: "))
    assert not done.returncode, done.stderr


def dice(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def more(value: float | None, first: float | None) -> str:
    return "–" if value is None or first is None else f"{value - first:+.4f}"


def table(work: Path, members: Sequence[str], truth: Path) -> Iterator[str]:
    """The lines of the table; a rule that these members cannot have says why."""
    yield HEADER
    first: Measured | None = None
    for name, flags in (OURS | published()).items():
        try:
            measured = measure(work, members, truth, name, flags)
        except InputError as error:
            yield f"| {name} | not possible: {error} | | | | | |"
            continue
        first = first or measured
        yield measured.row(first)
    if first:
        yield f"\n{first.all_empty()}"


def published() -> dict[str, str]:
    """Names and flags of the published rules; those that are the same rule in one."""
    names: dict[Rule, list[str]] = {}
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
    args = parser.parse_args(words)
    work = args.work.resolve()  # the stages run in the project's folder
    for line in table(work, args.members, args.truth or work / "raw_demo/test-truth.csv"):
        print(line, flush=True)


if __name__ == "__main__":
    run_stage(main)
