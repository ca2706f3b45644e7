"""The table of decision rules: scores of each rule, differences, and rules that are refused."""

from pathlib import Path

import pytest

from lib.layout import Work
from lib.recipes.published_rules import PUBLISHED
from tests import fakes
from tests.bench import rules
from tests.bench.rule_scores import score_rule


@pytest.fixture
def work(tmp_path: Path) -> Path:
    work = Work(tmp_path / "my work")
    fakes.make_dataset(work)
    for fold in (0, 1):
        fakes.make_probs(work, "demo", fold, seed=fold)
    return work.root


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    path = tmp_path / "truth.csv"
    path.write_text("ImageId,EncodedPixels\ntest0,-1\ntest1,0 9\n")
    return path


def test_a_rule_is_scored_out_of_fold_and_on_the_test_images(work: Path, truth: Path) -> None:
    scores = score_rule(work, ["demo"], truth, "fixed", "--params top=.9 min_area=999")
    cells = scores.row(scores)
    assert cells[:3] == ("fixed", "0.898 / 999 / 0.498", "0.6667")  # 8 of 12 images are empty
    assert cells[4:] == ("+0.0000", "0.5000", "+0.0000 (+0.0000 to +0.0000)")
    assert scores.all_empty() == (
        "All-empty baseline: 0.6667 on the 12 labelled images, 0.5000 on the 2 test images."
    )


def test_a_rule_fitted_on_one_fold_has_no_cross_fitted_score(work: Path, truth: Path) -> None:
    scores = score_rule(work, ["demo"], truth, "one", "--rule triplet --folds 0", ensemble="one")
    assert scores.row(scores)[3].startswith("–")


def test_a_rule_that_these_maps_cannot_have_says_why(work: Path, truth: Path) -> None:
    lines = list(rules.score_rules(work, ["demo"], truth, {"gated": "--rule gated"}))
    assert "| gated | not possible: 04_ensemble.py: --rule gated needs" in lines[-1]


def test_rules_are_compared_image_by_image(work: Path, truth: Path) -> None:
    auto, triplet = (
        score_rule(work, ["demo"], truth, f"by {rule}", f"--rule {rule}")
        for rule in ("auto", "triplet")
    )
    assert auto.cross_fitted_dices.mean() == pytest.approx(auto.decision.cross_fitted_dice)
    name, _, gain_text, *_ = auto.row_against(triplet)
    assert name == f"by auto, which is {auto.decision.auto.rule}"
    gain = auto.cross_fitted_dices.mean() - triplet.cross_fitted_dices.mean()
    assert gain_text.startswith(f"{gain:+.4f} (")


def test_every_published_rule_has_one_row() -> None:
    names = [name for joined in rules.published_rules() for name in joined.split(", ")]
    assert sorted(names) == sorted(PUBLISHED)
    assert len(set(rules.published_rules().values())) == len(set(PUBLISHED.values()))
