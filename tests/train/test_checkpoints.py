"""Checkpoints: ranking of epochs, the end of a phase, the state on disk."""

from dataclasses import replace

import pytest

from lib.artifacts import STATE
from lib.layout import Work
from lib.recipes import Keep
from lib.train.checkpoints import Row, epochs_to_keep, is_over, resume
from tests.tiny_runs import TINY, training_job


def rows(*scores: float) -> list[Row]:
    return [{"phase": 0, "epoch": i, "score": score} for i, score in enumerate(scores)]


def test_the_best_have_the_highest_scores_and_of_equal_ones_the_latest_counts() -> None:
    kept = epochs_to_keep(Keep("best", 3), rows(0.1, 0.5, 0.3, 0.5))
    assert [row["epoch"] for row in kept] == [3, 1, 2]


@pytest.mark.parametrize(("count", "kept"), [(3, [69, 68, 67]), (99, [*range(69, -1, -1)])])
@pytest.mark.parametrize("strategy", ["swa", "last"])
def test_the_last_epochs_are_kept_the_latest_first(
    strategy: str, count: int, kept: list[int]
) -> None:
    last = epochs_to_keep(Keep(strategy, count), rows(*[0.0] * 70))
    assert [row["epoch"] for row in last] == kept


@pytest.mark.parametrize(("epochs", "kept"), [(1, []), (4, [2, 1]), (9, [7, 2, 1])])
def test_named_epochs_are_kept_as_they_come_the_latest_first(epochs: int, kept: list[int]) -> None:
    keep = Keep("epochs", 3, epochs=(1, 2, 7))
    assert [row["epoch"] for row in epochs_to_keep(keep, rows(*[0.0] * epochs))] == kept


def test_a_phase_is_over_after_its_epochs_or_when_nothing_better_comes() -> None:
    stopping = replace(TINY.phases[0], epochs=5, early_stop=2)
    assert not is_over(stopping, [])
    assert not is_over(stopping, rows(0.1, 0.5, 0.5))
    assert is_over(stopping, rows(0.1, 0.5, 0.4, 0.5))
    assert is_over(replace(stopping, early_stop=None), rows(0, 1, 2, 3, 4))


def test_a_state_that_cannot_be_opened_is_not_called_damaged(work: Work) -> None:
    job = training_job(work)
    job.draft.path(STATE).mkdir()
    with pytest.raises(IsADirectoryError):
        resume(job.draft, job.recipe)
