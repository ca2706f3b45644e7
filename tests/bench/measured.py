"""What one rule scores: decided by stage 04, its test masks as stage 05 makes them."""

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from lib.decision.deciders import from_json
from lib.decision.oof_sample import OofSample

from lib import score
from lib.bootstrap import interval
from lib.ensemble import oof
from lib.errors import InputError
from lib.layout import Work
from lib.leaderboard.markdown import between, in_short
from lib.score import Score
from lib.submit import inputs, masks, submission
from lib.submit.inputs import SubmissionInputs

ROOT = Path(__file__).resolve().parents[2]
REFUSED = 2  # the exit code of a stage that cannot do what is asked


@dataclass(frozen=True)
class Measured:
    """A rule and what it scores.

    Attributes:
        decided: what decision.json holds.
        tested: the score on the test images.
        made_from: what a submission by the rule is made from.
    """

    name: str
    decided: dict[str, Any]
    tested: Score
    made_from: SubmissionInputs

    @cached_property
    def honest(self) -> np.ndarray:
        """(N,) Dice of each labelled image, by what decision.json says was fitted without its fold.

        By its one rule, where none was fitted.
        """
        dices = np.empty(len(self.sample))
        for fold, held in self.decided["folds"].items():
            chosen = self.sample.folds == int(fold)
            part = self.sample.excluding_fold(int(fold))[chosen]
            rule = from_json(held["refitted"] or self.decided)
            dices[chosen] = part.dice(rule, None if part.features is None else part.features[:, 0])
        return dices

    @cached_property
    def sample(self) -> OofSample:
        """The labelled images."""
        classes = pd.DataFrame({"p": self.made_from.class_probabilities})
        features = None if classes.empty else classes
        return oof.read(self.made_from.ensemble, self.made_from.dataset, features)

    def row(self, first: "Measured") -> str:
        """A line of the table, with what it has more than the first rule."""
        decided, gain = self.decided, self.tested.dices - first.tested.dices
        cells = [
            self.name,
            in_short(from_json(decided)),
            dice(decided["oof_dice"]),
            dice(decided["cross_fitted_dice"]) + " ({:.4f} to {:.4f})".format(*decided["ci95"]),
            more(decided["cross_fitted_dice"], first.decided["cross_fitted_dice"]),
            dice(self.tested.dice),
            between(gain.mean(), interval(gain, np.arange(len(gain))), "+"),
        ]
        return f"| {' | '.join(cells)} |"

    def row_against(self, other: "Measured") -> str:
        """A line of what it has more than another rule, image by image."""
        auto = self.decided.get("auto")
        honest, tested = self.honest - other.honest, self.tested.dices - other.tested.dices
        cells = [
            self.name + (f", which is {auto['rule']}" if auto else ""),
            dice(self.decided["cross_fitted_dice"]),
            between(honest.mean(), interval(honest, self.sample.patients), "+"),
            dice(self.tested.dice),
            between(tested.mean(), interval(tested, np.arange(len(tested))), "+"),
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
    made_from = inputs.read(Work(work), f"{ensemble}-{tag}")
    with TemporaryDirectory() as folder:
        path = Path(folder) / submission.SUBMISSION
        submission.write(path, list(masks.predict(made_from)))
        tested = score.compare(path, truth, made_from.dataset.rle_size)
    return Measured(name, made_from.decided, tested, made_from)


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
