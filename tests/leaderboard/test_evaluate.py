"""Metrics of one run, worked by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lib import artifacts, dataset, images, rle
from lib.decision.rules import ThresholdRule
from lib.ensemble import average, members
from lib.layout import Work, map_file
from lib.leaderboard.leaderboard import Leaderboard
from tests import fakes
from tests.leaderboard.builders import P_POSITIVE, PX, RECIPE, add_run, metrics_of


def test_figures_are_those_worked_by_hand(work: Work) -> None:
    add_run(work, "mine")
    metrics = metrics_of(Leaderboard(work), "mine")
    assert metrics.dice() == pytest.approx((2 / 3 + 1 + 1 + 0) / 4)
    assert metrics.iou() == pytest.approx((1 / 2 + 1 + 1 + 0) / 4)
    assert metrics.precision() == pytest.approx((1 / 2 + 1 + 1 + 0) / 4)
    assert metrics.recall() == pytest.approx((1 + 1 + 1 + 0) / 4)
    assert metrics.pixel_accuracy() == 1 - (16 + 0 + 0 + 16) / 4 / 256
    assert metrics.positive_dice() == pytest.approx(1 / 3)
    assert metrics.balanced_dice() == pytest.approx(2 / 3)
    assert metrics.sensitivity() == 0.5
    assert metrics.specificity() == 1
    assert metrics.gains.mean() == pytest.approx(1 / 6)
    assert metrics.auc() == 3 / 4
    assert metrics.class_accuracy() == metrics.balanced_class_accuracy() == 0.5
    assert metrics.without_removal().iou() == pytest.approx((1 / 2 + 1 + 0 + 0) / 4)
    assert metrics.without_removal().specificity() == 0.5


def test_balanced_accuracy_counts_positives_and_negatives_alike(work: Work) -> None:
    add_run(work, "mine", classes=P_POSITIVE | {"speck": 0.1})
    metrics = metrics_of(Leaderboard(work), "mine")
    assert metrics.class_accuracy() == 3 / 4
    assert list(metrics.score.ids) == ["clean", "found", "missed", "speck"]
    metrics = replace(metrics, p_positive=np.array([0.1, 0.1, 0.1, 0.9]))
    assert metrics.class_accuracy() == 1 / 4
    assert metrics.balanced_class_accuracy() == (0 / 2 + 1 / 2) / 2


def test_noisy_maps_of_two_folds_score_as_sets_of_pixels_do(tmp_path: Path) -> None:
    work, masks = Work(tmp_path), fakes.masks(12)
    fakes.make_dataset(work)
    recipe = replace(RECIPE, rule=ThresholdRule(top=0.5, min_area=20 * PX, bottom=0.3))
    for fold in (0, 1):
        fakes.make_run(work, "noisy", fold, recipe)
        fakes.make_probs(work, "noisy", fold, seed=fold)
    dices = {}
    for number, name in enumerate(sorted(masks)):
        path = work.probs("noisy", number % 2).folder / map_file("oof", name)
        p = images.read_png(path) / 255
        predicted = set(np.flatnonzero(p > 0.3)) if (p > 0.5).sum() >= 20 else set()
        true = set(np.flatnonzero(masks[name]))
        area = len(predicted) + len(true)
        dices[name] = 2 * len(predicted & true) / area if area else 1.0
    metrics = metrics_of(Leaderboard(work), "noisy")
    assert dict(zip(metrics.score.ids, metrics.score.dices, strict=True)) == pytest.approx(dices)
    assert min(metrics.sensitivity(), metrics.specificity()) > 0
    assert metrics.sensitivity() + metrics.specificity() < 2
    assert [fold_run.fold for fold_run in metrics.run.fold_runs] == [0, 1]


def test_maps_of_test_images_are_averaged_over_folds_as_stage_04_does(
    tmp_path: Path, truth: Path
) -> None:
    work, size = Work(tmp_path / "two folds"), fakes.FRAME
    fakes.make_dataset(work)
    rng = np.random.default_rng(0)
    maps = {name: rng.integers(0, 256, (8, 8), np.uint8) for name in ("test0", "test1")}
    others = dict.fromkeys(fakes.masks(12), 0.5)
    first, second = {"test0": 0.1, "test1": 0.4}, {"test0": 0.3, "test1": 0.8}
    fakes.make_run(work, "mine", 0, RECIPE)
    fakes.make_probs(work, "mine", 0, maps=maps, classes=others | first)
    fakes.make_run(work, "mine", 1, RECIPE)
    fakes.make_probs(work, "mine", 1, classes=others | second)
    metrics = metrics_of(Leaderboard(work, truth), "mine")
    assert metrics.score.ids == ("test0", "test1")
    assert metrics.p_positive is not None
    assert metrics.p_positive.tolist() == pytest.approx([0.2, 0.6])
    assert metrics.auc() == 1

    data = dataset.read(work)
    sources = members.load_members(work, data, ["mine"], None, ["equal"])
    draft = artifacts.begin(
        work.ensemble("e"), average.ensemble_config(sources, data), [data.artifact]
    )
    assert draft
    ensemble = average.average(draft, sources, data)
    for name, areas in zip(metrics.score.ids, metrics.score.areas, strict=True):
        mask = RECIPE.rule.in_frame(fakes.FRAME).apply(
            images.read_png(ensemble.path(map_file("test", name)))
        )
        true = rle.decode("-1" if name == "test0" else "0 9", size, size)
        assert areas.tolist() == [mask.sum(), true.sum(), (mask & true).sum()]


def test_annotations_of_a_truth_are_united(work: Work, truth: Path) -> None:
    add_run(work, "mine")
    truth.write_text("ImageId,EncodedPixels\ntest0,0 4\ntest0,2 4\n")
    assert metrics_of(Leaderboard(work, truth), "mine").score.areas[0, 1] == 6


def test_ids_of_a_truth_may_have_an_extension(work: Work, truth: Path) -> None:
    add_run(work, "mine")
    truth.write_text("ImageId,EncodedPixels\ntest0.png,0 4\nother.png,-1\n")
    board = Leaderboard(work, truth)
    assert metrics_of(board, "mine").score.areas[0, 1] == 4
    assert "1 other ids" in board.scope
