"""Decisions that belong to the artifacts under WORK, and those that do not any more."""

import shutil

import pytest

from lib.decision.rules import ThresholdRule
from lib.errors import InputError
from lib.layout import Work
from lib.leaderboard import decisions, summary_tables
from tests import fakes
from tests.leaderboard.builders import MAPS, MAPS_ALL_MISSED, TRUTH, cells

RULE = ThresholdRule()


def test_a_decision_of_a_replaced_ensemble_is_left_out(work: Work) -> None:
    fakes.make_ensemble(work, "final", {"oof": MAPS})
    fakes.make_decision(work, "final", RULE, "stale")
    shutil.rmtree(work.ensemble("final").folder)
    fakes.make_ensemble(work, "final", {"oof": MAPS_ALL_MISSED})
    fakes.make_decision(work, "final", RULE, "good")
    lines = list(summary_tables.decisions(*summary_tables.decision_records(work)))
    assert [row[0] for row in cells(lines)[1:]] == ["final-good"]
    assert lines[-1].startswith(
        "- Left out: decisions/final-stale was made from another ensembles/final than the one here"
    )


def test_every_decision_below_a_replaced_split_is_left_out(work: Work) -> None:
    fakes.make_ensemble(work, "final", {"oof": MAPS})
    for tag in ("one", "two"):
        fakes.make_decision(work, "final", RULE, tag)
    shutil.rmtree(work.dataset.folder)
    fakes.make_dataset(work, TRUTH, folds=2)
    lines = list(summary_tables.decisions(*summary_tables.decision_records(work)))
    assert len(cells(lines)) == 1
    assert [line for line in lines if "than the one here" in line] == [
        f"- Left out: decisions/final-{tag} was made from another dataset than the one here; "
        f"remake it with 04_ensemble.py --name NAME --work {work.root} "
        "--members fake --folds 0 1 --weights 1.0 --replace."
        for tag in ("one", "two")
    ]


def test_a_fault_further_up_is_named_with_the_decision(work: Work) -> None:
    """The ensemble is that of the decision, but not of the dataset here."""
    fakes.make_ensemble(work, "final", {"oof": MAPS})
    shutil.rmtree(work.dataset.folder)
    fakes.make_dataset(work, TRUTH, folds=2)
    fakes.make_decision(work, "final", RULE, "stale")
    with pytest.raises(
        InputError, match="^decisions/final-stale: ensembles/final was made from another dataset"
    ):
        decisions.read(work, "final-stale")


def test_an_input_that_stayed_on_another_machine_is_no_fault(work: Work) -> None:
    fakes.make_ensemble(work, "final", {"oof": MAPS})
    fakes.make_decision(work, "final", RULE, "moved")
    shutil.rmtree(work.ensemble("final").folder)
    assert decisions.read(work, "final-moved").decision.rule_name == "moved"
