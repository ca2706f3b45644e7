"""Tables of all runs and of all decisions."""

from lib import artifacts
from lib.decision.rules import ThresholdRule
from lib.decision.schema import DECISION_FILE, Decision
from lib.layout import Work
from lib.leaderboard import summary_tables
from lib.leaderboard.leaderboard import Leaderboard
from tests import fakes
from tests.leaderboard.builders import MAPS, MAPS_ALL_MISSED, RECIPE, add_run, cells


def test_every_run_is_a_row_the_largest_gain_first(work: Work) -> None:
    add_run(work, "worse", maps=MAPS_ALL_MISSED, classes=None)
    add_run(work, "mine", RECIPE)
    add_run(work, "mine", tta="none")
    fakes.make_run(work, "without_maps", 0, RECIPE)
    lines = list(summary_tables.runs(Leaderboard(work)))
    header, *body = cells(lines)
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
    assert lines[-1].startswith("- Left out of without_maps: ")


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
    lines = list(summary_tables.decisions(work))
    _, one_fold, tuned = cells(lines)
    assert tuned == [
        "final-tuned", "triplet", "0.698 / 800 / 0.298, components 100, filled, class 0.650",
        "4", "0.7500", "0.5000", "0.2500 to 1.0000",
    ]  # fmt: skip
    assert one_fold[-2:] == ["–", "0.2500 to 1.0000"]
    assert "decisions/final-begun is unfinished" in lines[-1]
