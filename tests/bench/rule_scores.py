"""Scores of one decision rule: fitted by stage 04, its test masks made as by stage 05."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from lib import metrics, score
from lib.decision.histograms import OofSample
from lib.decision.schema import Decision
from lib.ensemble.decide import read_sample
from lib.layout import Work
from lib.leaderboard.markdown import number
from lib.score import Score
from lib.submit import inputs, masks, submission
from lib.submit.inputs import SubmissionInputs
from tests.bench.harness import format_gain, run_stage


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

        A fixed rule has no such fits, and is applied to every fold. Those of a bench were chosen
        before it, so this is a score of theirs, although stage 04 cannot know that.
        """
        dices = np.empty(len(self.sample))
        for fold, rules in self.decision.folds.items():
            chosen = self.sample.folds == fold
            part = self.sample.with_maps_fitted_without(fold)[chosen]
            rule = rules.refitted or self.decision.rule
            p_positive = None if part.features is None else part.features[:, 0]
            dices[chosen] = metrics.dice(*rule.areas(part, p_positive))
        return dices

    @property
    def cross_fitted_dice(self) -> float | None:
        """Mean of `cross_fitted_dices`; None if there is no other fold to fit on."""
        if self.decision.cross_fitted_dice is None and not self.decision.is_fixed:
            return None
        return float(self.cross_fitted_dices.mean())

    @cached_property
    def sample(self) -> OofSample:
        """Labelled images of the ensemble."""
        p_positive = pd.DataFrame({"p": self.made_from.p_positive})
        features = None if p_positive.empty else p_positive
        sample = read_sample(self.made_from.ensemble, self.made_from.dataset, features)
        assert sample
        return sample

    def row(self, first: "RuleScores") -> tuple[str, ...]:
        """Return cells of the first table, with the differences from the first rule."""
        decision = self.decision
        assert decision.ci95
        return (
            self.name,
            str(decision.rule),
            number(decision.oof_dice),
            number(self.cross_fitted_dice) + " ({:.4f} to {:.4f})".format(*decision.ci95),
            format_difference(self.cross_fitted_dice, first.cross_fitted_dice),
            number(self.test_score.dice),
            format_gain(self.test_score.dices - first.test_score.dices),
        )

    def row_against(self, other: "RuleScores") -> tuple[str, ...]:
        """Return cells of the second table: differences from another rule, image by image."""
        auto = self.decision.auto
        cross_fitted_gains = self.cross_fitted_dices - other.cross_fitted_dices
        return (
            self.name + (f", which is {auto.rule}" if auto else ""),
            number(self.cross_fitted_dice),
            format_gain(cross_fitted_gains, self.sample.patients),
            number(self.test_score.dice),
            format_gain(self.test_score.dices - other.test_score.dices),
        )

    def row_against_empty(self) -> tuple[str, ...]:
        """Return cells: name, parameters, tuned, test, and the gain over the all-empty baseline."""
        return (
            self.name,
            str(self.decision.rule),
            number(self.decision.oof_dice),
            number(self.test_score.dice),
            format_gain(self.test_score.dices - ~self.test_score.positive),
        )

    def all_empty(self) -> str:
        """Return a line with the scores of the all-empty baseline."""
        decision = self.decision
        return (
            f"All-empty baseline: {decision.all_empty_dice:.4f} on the {decision.images} labelled "
            f"images, {self.test_score.all_empty_dice:.4f} on the {len(self.test_score.ids)} test "
            "images."
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
    names = ["--members", *members, "--name", ensemble, "--tag", tag]
    run_stage(work, "04_ensemble.py", *names, *flags.split())
    made_from = inputs.read(Work(work), f"{ensemble}-{tag}")
    with TemporaryDirectory() as folder:
        path = Path(folder) / submission.SUBMISSION
        submission.write(path, list(masks.predict(made_from)))
        test_score = score.compare(path, truth, made_from.dataset.rle_size)
    return RuleScores(name, made_from.decision, test_score, made_from)


def format_difference(value: float | None, baseline: float | None) -> str:
    return "–" if value is None or baseline is None else f"{value - baseline:+.4f}"
