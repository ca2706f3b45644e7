"""Scores of one decision rule: fitted by stage 04, its test masks made as by stage 05."""

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from lib import metrics, score
from lib.bootstrap import interval
from lib.decision.histograms import OofSample
from lib.decision.schema import Decision
from lib.ensemble.decide import read_sample
from lib.errors import InputError
from lib.layout import Work
from lib.leaderboard.markdown import between
from lib.score import Score
from lib.submit import inputs, masks, submission
from lib.submit.inputs import SubmissionInputs

ROOT = Path(__file__).resolve().parents[2]
REFUSED = 2  # exit code of a stage that refuses its input


@dataclass(frozen=True)
class RuleScores:
    """A decision rule and its scores.

    Attributes:
        name: label of the rule in the tables.
        decision: content of decision.json.
        test_score: score on the test images.
        made_from: inputs of a submission by the rule.
    """

    name: str
    decision: Decision
    test_score: Score
    made_from: SubmissionInputs

    @cached_property
    def cross_fitted_dices(self) -> np.ndarray:
        """(N,) Dice of each labelled image by the rule of decision.json fitted without its fold.

        A fixed rule has no such fits, and is applied to every fold.
        """
        dices = np.empty(len(self.sample))
        for fold, rules in self.decision.folds.items():
            chosen = self.sample.folds == fold
            part = self.sample.excluding_fold(fold)[chosen]
            rule = rules.refitted or self.decision.rule
            p_positive = None if part.features is None else part.features[:, 0]
            dices[chosen] = metrics.dice(*rule.areas(part, p_positive))
        return dices

    @cached_property
    def sample(self) -> OofSample:
        """Labelled images of the ensemble."""
        p_positive = pd.DataFrame({"p": self.made_from.p_positive})
        features = None if p_positive.empty else p_positive
        sample = read_sample(self.made_from.ensemble, self.made_from.dataset, features)
        assert sample
        return sample

    def row(self, first: "RuleScores") -> str:
        """Return a line of the table, with the differences from the first rule."""
        decision, gain = self.decision, self.test_score.dices - first.test_score.dices
        assert decision.ci95
        cells = [
            self.name,
            str(decision.rule),
            format_dice(decision.oof_dice),
            format_dice(decision.cross_fitted_dice) + " ({:.4f} to {:.4f})".format(*decision.ci95),
            format_gain(decision.cross_fitted_dice, first.decision.cross_fitted_dice),
            format_dice(self.test_score.dice),
            between(gain.mean(), interval(gain, np.arange(len(gain))), "+"),
        ]
        return f"| {' | '.join(cells)} |"

    def row_against(self, other: "RuleScores") -> str:
        """Return a line with the differences from another rule, image by image."""
        auto = self.decision.auto
        cross_fitted = self.cross_fitted_dices - other.cross_fitted_dices
        test = self.test_score.dices - other.test_score.dices
        cells = [
            self.name + (f", which is {auto['rule']}" if auto else ""),
            format_dice(self.decision.cross_fitted_dice),
            between(cross_fitted.mean(), interval(cross_fitted, self.sample.patients), "+"),
            format_dice(self.test_score.dice),
            between(test.mean(), interval(test, np.arange(len(test))), "+"),
        ]
        return f"| {' | '.join(cells)} |"

    def row_against_empty(self) -> tuple[str, ...]:
        """Return cells: name, parameters, tuned, test, and the gain over the all-empty baseline."""
        gain = self.test_score.dices - ~self.test_score.positive
        gain_text = between(gain.mean(), interval(gain, np.arange(len(gain))), "+")
        rule = str(self.decision.rule)
        tuned = format_dice(self.decision.oof_dice)
        return self.name, rule, tuned, format_dice(self.test_score.dice), gain_text

    def all_empty(self) -> str:
        """Return a line with the scores of the all-empty baseline."""
        count = self.decision.confusion
        assert count
        empty = (count["false"] + count["neither"]) / self.decision.images
        return (
            f"All-empty baseline: {empty:.4f} on the {self.decision.images} labelled images, "
            f"{self.test_score.all_empty_dice:.4f} on the {len(self.test_score.ids)} test images."
        )


def score_rule(
    work: Path, members: Sequence[str], truth: Path, name: str, flags: str, ensemble: str = ""
) -> RuleScores:
    """Decide by stage 04, make the test masks as stage 05 does, and score them.

    Args:
        work: working folder.
        members: runs to average.
        truth: CSV with the masks of the test images.
        name: label of the rule in the tables.
        flags: flags of stage 04.
        ensemble: name of the ensemble; default: the members' names.

    Raises:
        InputError: if a stage refuses its input.
    """
    ensemble = ensemble or f"bench_{'+'.join(members)}"
    tag = re.sub(r"\W+", "_", flags).strip("_")[:60]
    command = ["04_ensemble.py", "--work", work, "--members", *members, "--name", ensemble]
    _run_stage([*command, "--tag", tag, *flags.split()])
    made_from = inputs.read(Work(work), f"{ensemble}-{tag}")
    with TemporaryDirectory() as folder:
        path = Path(folder) / submission.SUBMISSION
        submission.write(path, list(masks.predict(made_from)))
        test_score = score.compare(path, truth, made_from.dataset.rle_size)
    return RuleScores(name, made_from.decision, test_score, made_from)


def _run_stage(command: Sequence[str | Path]) -> None:
    done = subprocess.run(
        [sys.executable, *map(str, command)], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode == REFUSED:
        raise InputError(done.stderr.strip().splitlines()[-1].removeprefix("error: "))
    assert not done.returncode, done.stderr


def format_dice(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def format_gain(value: float | None, baseline: float | None) -> str:
    return "–" if value is None or baseline is None else f"{value - baseline:+.4f}"
