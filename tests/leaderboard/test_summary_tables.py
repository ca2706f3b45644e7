"""Tables of all runs and of all decisions."""

import shutil
from pathlib import Path

import pytest

from lib import artifacts
from lib.decision.rules import ThresholdRule
from lib.decision.schema import DECISION_FILE, Decision
from lib.layout import Work
from lib.leaderboard import summary_tables
from lib.leaderboard.leaderboard import Leaderboard
from lib.leaderboard.markdown import MeanInterval
from tests import fakes
from tests.leaderboard.builders import MAPS, MAPS_ALL_MISSED, RECIPE, TRUTH, add_run, cells


def test_every_run_is_a_row_the_largest_gain_first(work: Work) -> None:
    add_run(work, "worse", maps=MAPS_ALL_MISSED, classes=None)
    add_run(work, "mine", RECIPE)
    add_run(work, "mine", tta="none")
    fakes.make_run(work, "without_maps", 0, RECIPE)
    leaderboard = Leaderboard(work)
    lines = list(summary_tables.runs(leaderboard, summary_tables.run_records(leaderboard)))
    rows = cells(lines)
    header, *body = rows[:4]
    assert [row[0] for row in rows[4:]] == ["run", "mine", "mine, no flips", "worse"]  # costs
    assert [row[0] for row in body] == ["mine", "mine, no flips", "worse"]
    first = dict(zip(header, body[0], strict=True))
    assert first["recipe"] == "mine"
    assert (first["folds"], first["images"], first["all-empty"]) == ("0", "4", "0.5000")
    assert first["Dice (95 %)"].startswith("0.6667 (0.")
    assert first["gain over all-empty (95 %)"].startswith("+0.1667 (+0.0000 to +0.")
    assert (first["recall"], first["AUC"], first["loss"]) == ("0.7500", "0.7500", "1.0000")
    last = dict(zip(header, body[2], strict=True))
    assert last["AUC"] == "–"
    assert last["gain over all-empty (95 %)"] == "+0.0000 (+0.0000 to +0.0000)"
    assert last["minus first (95 %)"].startswith("-0.1667 (-0.")
    assert (first["minus first (95 %)"], last["shared images"]) == ("–", "4")
    assert lines[-1].startswith("- Left out of without_maps: ")


def test_runs_are_compared_on_the_folds_they_share(tmp_path: Path) -> None:
    """One run has both folds, the other the first: on it they differ in one image of two."""
    work = Work(tmp_path / "work")
    fakes.make_dataset(work, TRUTH, folds=2)  # clean and missed, found and speck
    for name, folds, maps in (("both", (0, 1), MAPS), ("one", (1,), MAPS_ALL_MISSED)):
        for fold in folds:
            fakes.make_run(work, name, fold, RECIPE)
            fakes.make_probs(work, name, fold, TRUTH, folds=2, maps=maps)
    both, one = summary_tables.run_records(Leaderboard(work))
    assert (both["run"], both["shared images"], one["shared images"]) == ("both", 4, 2)
    difference = one["minus first (95 %)"]
    assert isinstance(difference, MeanInterval)
    assert difference[:3] == pytest.approx((-1 / 3, -2 / 3, 0))


def test_runs_without_a_shared_fold_are_not_compared(tmp_path: Path) -> None:
    work = Work(tmp_path / "work")
    fakes.make_dataset(work, TRUTH, folds=2)
    for name, fold in (("first", 1), ("other", 0)):
        fakes.make_run(work, name, fold, RECIPE)
        fakes.make_probs(work, name, fold, TRUTH, folds=2, maps=MAPS)
    _, other = summary_tables.run_records(Leaderboard(work))
    assert (other["shared images"], other["minus first (95 %)"]) == (0, None)


def test_decisions_have_their_parameters_and_scores(work: Work) -> None:
    fakes.make_ensemble(work, "final", {"oof": MAPS})
    parents = [artifacts.read(work.ensemble("final")), artifacts.read(work.dataset)]
    rule = ThresholdRule(0.7, 800, 0.3, component_min_area=100, fill_holes=True, class_min=0.65)
    for name, cross_fitted in (("final-tuned", 0.5), ("final-one_fold", None)):
        draft = artifacts.begin(work.decision(name), {}, parents)
        assert draft
        scores = {"images": 4, "oof_dice": 0.75, "cross_fitted_dice": cross_fitted}
        decision = Decision("triplet", rule, ci95=(0.25, 1.0), **scores)
        decision.save(draft.path(DECISION_FILE))
        draft.finish()
    work.decision("final-begun").partial.mkdir()
    lines = list(summary_tables.decisions(*summary_tables.decision_records(work)))
    _, tuned, one_fold = cells(lines)
    assert tuned == [
        "final-tuned", "triplet", "0.698 / 800 / 0.298, components 100, filled, class 0.650",
        "4", "0.7500", "0.5000", "0.2500 to 1.0000", "–",
    ]  # fmt: skip
    assert one_fold[-3:] == ["–", "0.2500 to 1.0000", "–"]
    assert "decisions/final-begun is unfinished" in lines[-1]


def test_decisions_are_scored_on_test_images_with_a_truth(work: Work, truth: Path) -> None:
    """The truth has no mask in test0, and the second half of what is found in test1."""
    maps = {"test0": MAPS["clean"], "test1": MAPS["clean"].copy()}
    maps["test1"][:2, 0] = 255  # 0 and 1 of the code, down the first column
    truth.write_text("ImageId,EncodedPixels\ntest0,-1\ntest1,1 1\n")
    fakes.make_ensemble(work, "final", {"oof": MAPS, "test": maps})
    fakes.make_decision(work, "final", ThresholdRule(0.5, 0, 0.5))
    (record,), notes = summary_tables.decision_records(work, Leaderboard(work, truth))
    test = record["test (95 %)"]
    assert isinstance(test, MeanInterval)
    assert (notes, test.mean) == ([], pytest.approx((1 + 2 / 3) / 2))


def test_the_test_score_needs_the_ensemble(work: Work, truth: Path) -> None:
    fakes.make_ensemble(work, "final", {"oof": MAPS})
    fakes.make_decision(work, "final", ThresholdRule())
    shutil.rmtree(work.ensemble("final").folder)
    records, (note,) = summary_tables.decision_records(work, Leaderboard(work, truth))
    assert records == []
    assert note == (
        "Left out: ensembles/final does not exist; run 04_ensemble.py --members RUN --name final "
        f"--work {work.root}."
    )
