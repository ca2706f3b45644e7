"""The leaderboard: the images it evaluates on, the runs that stand for recipes, and notes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lib.errors import InputError
from lib.layout import ALL_DATA, Work, map_file
from lib.leaderboard.leaderboard import Leaderboard
from tests import fakes
from tests.leaderboard.builders import MAPS_ALL_MISSED, RECIPE, TRUTH, add_run, metrics_of


def test_test_images_without_a_truth_and_unknown_ids_are_counted(work: Work, truth: Path) -> None:
    assert Leaderboard(work, truth).scope.endswith("; 1 other ids of the truth are ignored.")
    truth.write_text("ImageId,EncodedPixels\ntest0,-1\n")
    assert "; 1 test images without a truth do not count" in Leaderboard(work, truth).scope


def test_a_damaged_map_skips_its_run_only(work: Work) -> None:
    add_run(work, "mine")
    add_run(work, "damaged")
    path = work.probs("damaged", 0).folder / map_file("oof", "found")
    path.write_bytes(b"0" * path.stat().st_size)  # another size would be found when it is opened
    leaderboard = Leaderboard(work)
    assert [metrics.run.name for metrics in leaderboard.all_metrics()] == ["mine"]
    (note,) = leaderboard.run_notes(["mine", "damaged"])
    assert note.startswith("Left out of damaged: ")
    assert str(path) in note


def test_without_image_probabilities_the_class_gate_is_left_out(work: Work) -> None:
    rule = replace(RECIPE.rule, class_min=0.95)
    add_run(work, "without", replace(RECIPE, rule=rule), classes=None)
    add_run(work, "with", replace(RECIPE, rule=rule))
    leaderboard = Leaderboard(work)
    (note,) = leaderboard.run_notes(["with", "without"])
    assert note.startswith("without has no image probabilities")
    assert "0.95" in note
    assert metrics_of(leaderboard, "without").dice() == pytest.approx(2 / 3)
    gated = metrics_of(leaderboard, "with")
    assert gated.dice() == gated.score.all_empty_dice


def test_a_run_on_all_data_is_evaluated_on_test_images_only(work: Work, truth: Path) -> None:
    fakes.make_run(work, "mine", ALL_DATA, RECIPE, [{"phase": 0, "epoch": 0, "score": -1.0}])
    fakes.make_probs(work, "mine", ALL_DATA, TRUTH, folds=1)
    leaderboard = Leaderboard(work)
    assert leaderboard.all_metrics() == []
    (note,) = leaderboard.run_notes(["mine"])
    assert "--truth" in note
    assert np.isnan(metrics_of(Leaderboard(work, truth), "mine").loss())


def test_without_labels_a_truth_is_needed(tmp_path: Path, truth: Path) -> None:
    work = Work(tmp_path / "unlabelled")
    fakes.make_dataset(work, {})
    fakes.make_run(work, "mine", 0, RECIPE)
    fakes.make_probs(work, "mine", 0, {})
    with pytest.raises(InputError, match="no labels .*--truth CSV"):
        Leaderboard(work)
    assert len(Leaderboard(work, truth).all_metrics()) == 1


def test_a_truth_of_other_images_is_refused(work: Work, truth: Path) -> None:
    truth.write_text("ImageId,EncodedPixels\nelsewhere,-1\n")
    with pytest.raises(InputError, match=f"{truth} has no test image of dataset"):
        Leaderboard(work, truth)


def test_the_full_recipe_comes_before_the_demo_variant(work: Work) -> None:
    add_run(work, "niu_vgg16_demo", maps=MAPS_ALL_MISSED)
    assert Leaderboard(work).recipe_run("niu_vgg16") == "niu_vgg16_demo"
    add_run(work, "niu_vgg16")
    leaderboard = Leaderboard(work)
    assert leaderboard.recipe_run("niu_vgg16") == "niu_vgg16"
    (note,) = leaderboard.recipe_notes(["niu_vgg16"])
    assert note == "niu_vgg16_demo is not in this table: niu_vgg16 stands for this recipe."


@pytest.mark.parametrize("recipe", ["mine", "niu_vgg16_demo"])
def test_a_run_of_another_recipe_does_not_stand_for_the_recipe_of_its_name(
    work: Work, recipe: str
) -> None:
    add_run(work, "niu_vgg16", replace(RECIPE, name=recipe))
    leaderboard = Leaderboard(work)
    assert leaderboard.recipe_run("niu_vgg16") is None
    (note,) = leaderboard.recipe_notes(["niu_vgg16"])
    assert note == f"niu_vgg16 is not in this table: its recipe is {recipe}."
