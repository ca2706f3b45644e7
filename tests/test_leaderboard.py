"""The leaderboard: figures by hand, the papers' rows, and what is left out."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lib import artifacts, dataset, images, rle
from lib.decision import rules
from lib.decision.rules import ThresholdRule
from lib.ensemble import average, members
from lib.errors import InputError
from lib.files import write_json
from lib.layout import ALL_DATA, Work, map_file
from lib.leaderboard import __main__ as command
from lib.leaderboard import paper_results, paper_tables, summary_tables
from lib.leaderboard.board import Board
from lib.leaderboard.markdown import in_short
from lib.leaderboard.runs import valid_loss
from lib.recipes import RECIPES
from lib.recipes.schema import Keep, Phase, Recipe
from tests import fakes

ROOT = Path(__file__).resolve().parents[1]
RECIPE = Recipe(
    name="mine",
    source="test",
    summary="",
    phases=(Phase(size=16, epochs=3, batch=2, lr=1e-3),),
    rule=ThresholdRule(top=0.5, min_area=3, bottom=0.5),
)
HEAD = {"found": 0.9, "clean": 0.2, "speck": 0.6, "missed": 0.4}
TRUTH = "ImageId,EncodedPixels\ntest0,-1\ntest1,0 9\nelsewhere,0 4\n"


def box(height: int, width: int) -> np.ndarray:
    mask = np.zeros((fakes.FRAME, fakes.FRAME), bool)
    mask[:height, :width] = True
    return mask


# |P|, |T|, |P and T|: 32 16 16, nothing, 2 0 0 (which the rule removes), 0 16 0.
MASKS = {"found": box(4, 4), "clean": box(0, 0), "speck": box(0, 0), "missed": box(4, 4)}
FOUND = {"found": box(4, 8), "clean": box(0, 0), "speck": box(1, 2), "missed": box(0, 0)}
MAPS = {name: mask.astype(np.uint8) * 255 for name, mask in FOUND.items()}


@pytest.fixture
def work(tmp_path: Path) -> Work:
    """Four labelled images in one fold."""
    location = Work(tmp_path / "work")
    fakes.make_dataset(location, MASKS, folds=1)
    return location


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    path = tmp_path / "truth.csv"
    path.write_text(TRUTH)
    return path


def add(
    work: Work,
    name: str,
    recipe: Recipe = RECIPE,
    maps: Mapping[str, np.ndarray] = MAPS,
    classes: Mapping[str, float] | None = HEAD,
    tta: str = "flip",
) -> None:
    """A run of fold 0 with its maps; flips and no flips are of one run."""
    if not work.run(name, 0).folder.exists():
        fakes.make_run(work, name, 0, recipe)
    if classes:
        classes = {"test0": 0.5, "test1": 0.5} | dict(classes)
    fakes.make_probs(work, name, 0, MASKS, folds=1, maps=maps, classes=classes, tta=tta)


def named(name: str) -> Recipe:
    return replace(RECIPE, name=name)


def rows(lines: Iterator[str] | list[str]) -> list[list[str]]:
    """The cells of every row, headers included."""
    text = "\n".join(lines).splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text
        if line.startswith("| ")
    ]


def test_figures_are_those_worked_by_hand(work: Work) -> None:
    add(work, "mine")
    one = Board(work).get("mine")
    assert one is not None
    assert one.dice() == pytest.approx((2 / 3 + 1 + 1 + 0) / 4)
    assert one.iou() == pytest.approx((1 / 2 + 1 + 1 + 0) / 4)
    assert one.precision() == pytest.approx((1 / 2 + 1 + 1 + 0) / 4)
    assert one.recall() == pytest.approx((1 + 1 + 1 + 0) / 4)
    assert one.positive_dice() == pytest.approx(1 / 3)
    assert one.balanced_dice() == pytest.approx(2 / 3)
    assert one.sensitivity() == 0.5
    assert one.specificity() == 1
    assert one.gains.mean() == pytest.approx(1 / 6)
    assert one.auc() == 3 / 4
    assert one.class_accuracy() == one.balanced_class_accuracy() == 0.5
    assert one.without_removal().iou() == pytest.approx((1 / 2 + 1 + 0 + 0) / 4)
    assert one.without_removal().specificity() == 0.5


def test_balanced_accuracy_counts_positives_and_negatives_alike(work: Work) -> None:
    add(work, "mine", classes=HEAD | {"speck": 0.1})
    one = Board(work).get("mine")
    assert one is not None
    assert one.class_accuracy() == 3 / 4
    one = replace(one, p=np.array([0.1, 0.1, 0.1, 0.9]))  # in the order of their names
    assert list(one.score.ids) == ["clean", "found", "missed", "speck"]
    assert one.class_accuracy() == 1 / 4
    assert one.balanced_class_accuracy() == (0 / 2 + 1 / 2) / 2


def test_noisy_runs_score_what_sets_of_pixels_say(tmp_path: Path) -> None:
    work, masks = Work(tmp_path), fakes.masks(12)
    fakes.make_dataset(work)
    recipe = replace(RECIPE, rule=ThresholdRule(top=0.5, min_area=20, bottom=0.3))
    for fold in (0, 1):
        fakes.make_run(work, "noisy", fold, recipe)
        fakes.make_probs(work, "noisy", fold, seed=fold)
    dices = {}
    for number, name in enumerate(sorted(masks)):
        path = work.probs("noisy", number % 2).folder / map_file("oof", name)
        p = images.read_png(path) / 255
        found = set(np.flatnonzero(p > 0.3)) if (p > 0.5).sum() >= 20 else set()
        true = set(np.flatnonzero(masks[name]))
        area = len(found) + len(true)
        dices[name] = 2 * len(found & true) / area if area else 1.0
    one = Board(work).get("noisy")
    assert one is not None
    assert dict(zip(one.score.ids, one.score.dices, strict=True)) == pytest.approx(dices)
    assert 0 < one.sensitivity() < one.specificity() + one.sensitivity() < 2
    assert [part.fold for part in one.run.parts] == [0, 1]


def test_on_a_truth_the_mean_of_the_folds_counts_as_04_makes_it(
    tmp_path: Path, truth: Path
) -> None:
    work, size = Work(tmp_path / "work"), fakes.FRAME
    fakes.make_dataset(work)
    rng = np.random.default_rng(0)
    maps = {name: rng.integers(0, 256, (8, 8), np.uint8) for name in ("test0", "test1")}
    fakes.make_run(work, "mine", 0, RECIPE)
    others = dict.fromkeys(fakes.masks(12), 0.5)
    first, second = {"test0": 0.1, "test1": 0.4}, {"test0": 0.3, "test1": 0.8}
    fakes.make_probs(work, "mine", 0, maps=maps, classes=others | first)
    fakes.make_run(work, "mine", 1, RECIPE)
    fakes.make_probs(work, "mine", 1, classes=others | second)
    board = Board(work, truth)
    one = board.get("mine")
    assert one is not None
    assert one.score.ids == ("test0", "test1")
    assert one.p is not None
    assert one.p.tolist() == pytest.approx([0.2, 0.6])
    assert one.auc() == 1
    assert board.scope.endswith("folds; 1 other ids of the truth are ignored.")

    data = dataset.read(work)
    sources = members.load_members(work, data, ["mine"], None, ["equal"])
    draft = artifacts.begin(work.ensemble("e"), average.config(sources, data), [data.artifact])
    assert draft
    ensemble = average.average(draft, sources, data)
    for name, areas in zip(one.score.ids, one.score.areas, strict=True):
        mask = rules.apply(RECIPE.rule, images.read_png(ensemble.path(map_file("test", name))))
        true = rle.decode("-1" if name == "test0" else "0 9", size, size)
        assert areas.tolist() == [mask.sum(), true.sum(), (mask & true).sum()]


KEPT = [(0, 0, 9.0, 0.1, 0.99), (1, 0, 5.0, 0.2, 0.7), (1, 1, 4.0, 0.3, 0.7), (1, 2, 3.0, 0.4, 0.6)]


@pytest.mark.parametrize(
    ("keep", "loss"),
    [
        pytest.param(Keep(), 4.0, id="the-best-score-of-the-last-phase-the-later-of-equals"),
        pytest.param(Keep(count=2), 4.0, id="the-first-of-several"),
        pytest.param(Keep("last"), 3.0, id="the-last"),
        pytest.param(Keep("swa", count=2), 2.0, id="the-average"),
        pytest.param(Keep(count=2, average="weights"), 2.0, id="the-average-of-the-best"),
    ],
)
def test_the_loss_is_that_of_what_was_kept(work: Work, keep: Keep, loss: float) -> None:
    columns = ("phase", "epoch", "valid_loss", "train_loss", "score")
    history = [dict(zip(columns, row, strict=True)) for row in KEPT]
    averages = [{"phase": 0, "epochs": 0, "valid_loss": 8.0}] * (keep.merges)
    averages += [{"phase": 1, "epochs": 1, "valid_loss": 2.0}] * (keep.merges)
    phase = RECIPE.phases[0]
    recipe = replace(RECIPE, phases=(phase, replace(phase, keep=keep)))
    run = fakes.make_run(work, "mine", 0, recipe, history, averages)
    assert valid_loss(run, recipe) == loss


def test_the_loss_is_the_mean_over_folds(tmp_path: Path) -> None:
    work = Work(tmp_path)
    fakes.make_dataset(work)
    for fold, loss in ((0, 1.0), (1, 2.0)):
        history = [{"phase": 0, "epoch": 0, "valid_loss": loss, "score": 0.5}]
        fakes.make_run(work, "mine", fold, RECIPE, history)
        fakes.make_probs(work, "mine", fold)
    one = Board(work).get("mine")
    assert one is not None
    assert one.loss() == 1.5


def test_every_run_is_a_row_the_one_that_gains_most_first(work: Work) -> None:
    add(work, "worse", maps=MAPS | {"found": MAPS["clean"]}, classes=None)
    add(work, "mine")
    add(work, "mine", tta="none")
    lines = "\n".join(summary_tables.runs(Board(work)))
    header, *body = rows([lines])
    assert [row[0] for row in body] == ["mine", "mine, no flips", "worse"]
    first = dict(zip(header, body[0], strict=True))
    assert first["recipe"] == "mine"
    assert (first["folds"], first["images"], first["all empty"]) == ("0", "4", "0.5000")
    assert first["Dice (95 %)"].startswith("0.6667 (0.")
    assert first["more than all empty (95 %)"].startswith("+0.1667 (+0.0000 to +0.")
    assert (first["recall"], first["AUC"], first["loss"]) == ("0.7500", "0.7500", "1.0000")
    last = dict(zip(header, body[2], strict=True))
    assert last["AUC"] == "–"
    assert last["more than all empty (95 %)"] == "+0.0000 (+0.0000 to +0.0000)"
    assert "nothing is tuned" in lines
    assert "Left out" not in lines


def test_niu_has_its_five_models_and_ours_beside_them(work: Work) -> None:
    add(work, "niu_vgg16", named("niu_vgg16"))
    header, *body = rows(paper_tables.niu(Board(work)))
    assert header == ["model", "run", "Dice", "paper", "loss", "paper"]
    assert body[0] == ["SE-ResNeXt50", "–", "–", "0.721", "–", "1.88"]
    assert body[4] == ["VGG16", "niu_vgg16", "0.6667", "0.695", "1.0000", "2.09"]


def test_zhang_is_in_per_cent(work: Work) -> None:
    add(work, "zhang_albunet_demo", named("zhang_albunet_demo"))
    body = rows(paper_tables.zhang(Board(work)))[1:]
    ours_and_paper = ["66.67", "83.25", "62.50", "91.41", "75.00", "86.58", "62.50", "79.92"]
    assert body[2] == ["AlbuNet", "zhang_albunet_demo", *ours_and_paper]
    assert body[3][:4] == ["ICA-ResUNet", "–", "–", "85.67"]


def test_abedalla_compares_flips_and_removal(work: Work) -> None:
    for name in ("abedalla_2st_unet", "abedalla_aug_a1_a2"):
        add(work, name, named(name))
        add(work, name, tta="none", maps=MAPS | {"found": MAPS["clean"]})
    body = rows(paper_tables.abedalla(Board(work)))
    assert body[5] == ["abedalla_2st_unet"] * 2 + ["0.5000", "0.7638", "0.6250", "0.7822"]
    assert body[1] == ["abedalla_exp1", "–", "–", "0.7242", "–", "0.7395"]
    assert [row[:2] + row[3:] for row in body[7:11]] == [
        ["", "", "0.2500", "0.7543"],
        ["", "✓", "0.5000", "0.7693"],
        ["✓", "", "0.3750", "0.7945"],
        ["✓", "✓", "0.6250", "0.7946"],
    ]
    both = body[12:][12:16]  # the fourth group, in the order of the paper
    assert [row[:3] for row in both] == [
        ["A1 + A2", "", ""], ["A1 + A2", "✓", ""], ["A1 + A2", "", "✓"], ["A1 + A2", "✓", "✓"],
    ]  # fmt: skip
    assert both[1][4:] == ["0.3750", "0.7608", f"{(2 / 3 + 1) / 4:.4f}", "0.8092"]
    assert body[12][4:] == ["–", "0.7459", "–", "0.7859"]


def test_viel_has_sixteen_rows_with_marks(work: Work) -> None:
    add(work, "viel_aspp_hypercolumns_demo", named("viel_aspp_hypercolumns_demo"))
    header, *body = rows(paper_tables.viel(Board(work)))
    assert header[:4] == ["Lovász", "ASPP", "hypercolumns", "scSE"]
    assert len(body) == 16
    assert body[0][4:] == ["–", "–", "0.583", "–", "–", "0.828"]
    run = ["viel_aspp_hypercolumns_demo"]
    assert body[8] == ["", "✓", "✓", ""] + run + ["0.6667", "0.593", "0.5000", "0.5000", "0.837"]


def test_the_papers_numbers_are_told_from_each_other() -> None:
    """Slips of a digit would show: what the papers say in words about their own tables."""
    niu = paper_results.NIU["niu_se_resnext50"]
    gains = [round(niu.dice - row.dice, 3) for row in paper_results.NIU.values()]
    assert gains == [0, 0.02, 0.013, 0.01, 0.026]
    unet, ica = paper_results.ZHANG["zhang_unet"], paper_results.ZHANG["zhang_ica_resunet"]
    gains = [round(100 * (a - b), 2) for a, b in zip(ica[1:], unet[1:], strict=True)]
    assert gains == [3.31, 2.86, 2.74, 2.52]
    assert max(paper_results.VIEL, key=lambda on: paper_results.VIEL[on][0]) == (
        "aspp",
        "hypercolumns",
    )
    assert max(paper_results.VIEL, key=lambda on: paper_results.VIEL[on][1]) == ("hypercolumns",)
    best = {
        setting: max(
            paper_results.ABEDALLA_10, key=lambda name: paper_results.ABEDALLA_10[name][setting][0]
        )
        for setting in paper_results.ABEDALLA_7
    }
    assert best[False, False] == best[True, False] == "abedalla_aug_a4"
    assert best[True, True] == "abedalla_aug_a1"


def test_every_row_of_a_paper_is_a_recipe() -> None:
    viel = {f"viel_{'_'.join(on) or 'baseline'}" for on in paper_results.VIEL}
    named = {
        *paper_results.NIU,
        *paper_results.ZHANG,
        *paper_results.ABEDALLA_5,
        *paper_results.ABEDALLA_10,
        *viel,
    }
    assert named <= set(RECIPES)


def test_the_whole_recipe_stands_before_the_shrunk_one(work: Work) -> None:
    add(work, "niu_vgg16", named("niu_vgg16"))
    add(work, "niu_vgg16_demo", named("niu_vgg16_demo"), maps=MAPS | {"found": MAPS["clean"]})
    lines = list(paper_tables.niu(Board(work)))
    assert rows(lines)[5][1:3] == ["niu_vgg16", "0.6667"]
    assert lines[-1] == (
        "- niu_vgg16_demo is there too, and not in this table: niu_vgg16 stands for it."
    )


def test_a_run_of_another_recipe_does_not_take_a_papers_row(work: Work) -> None:
    add(work, "niu_vgg16", RECIPE)
    lines = list(paper_tables.niu(Board(work)))
    assert rows(lines)[5][1:3] == ["–", "–"]
    assert lines[-1] == "- niu_vgg16 is not in this table: its recipe is mine."


@pytest.mark.parametrize("kind", ["run", "probs"])
def test_what_is_unfinished_is_left_out_by_name(work: Work, kind: str) -> None:
    add(work, "mine")
    add(work, "other")
    location = getattr(work, kind)("other", 0)
    location.folder.rename(location.partial)
    lines = list(summary_tables.runs(Board(work)))
    assert [row[0] for row in rows(lines)[1:]] == ["mine"]
    script = {"run": "02_train", "probs": "03_infer"}[kind]
    assert lines[-1] == f"- Left out of other: {location} is unfinished; run {script}.py."


def test_a_run_without_maps_is_left_out_by_name(work: Work) -> None:
    fakes.make_run(work, "mine", 0, RECIPE)
    lines = list(summary_tables.runs(Board(work)))
    assert lines[-1] == "- Left out of mine: probs/mine/fold0 is not there; run 03_infer.py."


def test_a_damaged_map_leaves_only_its_run_out(work: Work) -> None:
    add(work, "mine")
    add(work, "niu_vgg16", named("niu_vgg16"))
    path = work.probs("niu_vgg16", 0).folder / map_file("oof", "found")
    path.write_bytes(b"0" * path.stat().st_size)  # the manifest tells sizes at every reading
    board = Board(work)
    lines = list(summary_tables.runs(board))
    assert [row[0] for row in rows(lines)[1:]] == ["mine"]
    assert "niu_vgg16: " in lines[-1]
    assert "no whole 8-bit gray PNG" in lines[-1]
    assert rows(paper_tables.niu(board))[5][1:3] == ["–", "–"]


def test_maps_of_another_training_are_left_out(work: Work) -> None:
    add(work, "mine")
    location = work.run("mine", 0)
    location.folder.rename(location.root / "old")
    fakes.make_run(work, "mine", 0, replace(RECIPE, seed=1))
    lines = list(summary_tables.runs(Board(work)))
    assert len(rows(lines)) == 1
    assert "probs/mine/fold0 was made from another runs/mine/fold0" in lines[-1]


def test_folds_of_different_recipes_are_left_out(tmp_path: Path) -> None:
    work = Work(tmp_path)
    fakes.make_dataset(work)
    for fold in (0, 1):
        fakes.make_run(work, "mine", fold, replace(RECIPE, seed=fold))
        fakes.make_probs(work, "mine", fold)
    lines = list(summary_tables.runs(Board(work)))
    assert "runs/mine/fold1 has another recipe than runs/mine/fold0" in lines[-1]


def test_a_class_gate_is_left_out_where_there_are_no_probabilities(work: Work) -> None:
    gated = replace(RECIPE, rule=replace(RECIPE.rule, class_min=0.95))
    add(work, "blind", gated, classes=None)
    add(work, "seeing", gated)
    board = Board(work)
    lines = list(summary_tables.runs(board))
    assert lines[-1] == "- blind has no image probabilities: its class gate of 0.95 is left out."
    blind, seeing = board.get("blind"), board.get("seeing")
    assert blind is not None
    assert seeing is not None
    assert blind.dice() == pytest.approx(2 / 3)
    assert seeing.dice() == seeing.score.all_empty_dice


def test_a_run_on_all_data_has_test_maps_only(work: Work, truth: Path) -> None:
    fakes.make_run(work, "mine", ALL_DATA, RECIPE, [{"phase": 0, "epoch": 0, "score": -1.0}])
    fakes.make_probs(work, "mine", ALL_DATA, MASKS, folds=1)
    assert "nothing is out of fold; give --truth" in list(summary_tables.runs(Board(work)))[-1]
    one = Board(work, truth).get("mine")
    assert one is not None
    assert np.isnan(one.loss())
    assert rows(summary_tables.runs(Board(work, truth)))[1][-1] == "–"


def test_without_labels_only_a_truth_can_be_measured_against(
    tmp_path: Path, truth: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    work = Work(tmp_path / "work")
    fakes.make_dataset(work, {})
    fakes.make_run(work, "mine", 0, RECIPE)
    fakes.make_probs(work, "mine", 0, {})
    with pytest.raises(InputError, match="no labels to measure against; give --truth CSV"):
        Board(work)
    assert len(rows(summary_tables.runs(Board(work, truth)))) == 2
    words = ["leaderboard", "--work", str(work.root), "--table", "decisions"]
    monkeypatch.setattr(sys, "argv", words)
    command.main()
    assert "## decisions" in capsys.readouterr().out


def test_a_truth_of_other_images_is_refused(work: Work, truth: Path) -> None:
    truth.write_text("ImageId,EncodedPixels\nelsewhere,-1\n")
    with pytest.raises(InputError, match="has no test image of dataset"):
        Board(work, truth)


def test_annotations_of_a_truth_are_united(work: Work, truth: Path) -> None:
    add(work, "mine")
    truth.write_text("ImageId,EncodedPixels\ntest0,0 4\ntest0,2 4\n")
    board = Board(work, truth)
    one = board.get("mine")
    assert one is not None
    assert one.score.areas[0, 1] == 6
    assert "1 test images without a truth do not count" in board.scope


def test_decisions_have_their_parameters_and_worth(work: Work) -> None:
    fakes.make_ensemble(work, "final", {"oof": MAPS})
    made = [artifacts.read(work.ensemble("final")), artifacts.read(work.dataset)]
    rule = ThresholdRule(0.7, 800, 0.3, component_min_area=100, fill_holes=True, class_min=0.65)
    for name, honest in (("final-tuned", 0.5), ("final-one_fold", None)):
        draft = artifacts.begin(work.decision(name), {}, made)
        assert draft
        worth = {"images": 4, "oof_dice": 0.75, "cross_fitted_dice": honest, "ci95": [0.25, 1.0]}
        write_json(draft.path("decision.json"), rules.to_json(rule) | worth | {"rule": "triplet"})
        draft.finish()
    fakes.make_ensemble(work, "begun", {"oof": MAPS})
    work.decision("final-begun").partial.mkdir()
    lines = list(summary_tables.decisions(work))
    header, one_fold, tuned = rows(lines)
    said = "0.698 / 800 / 0.298, components 100, filled, class 0.650"
    assert tuned == [
        "final-tuned", "triplet", said, "4", "0.7500", "0.5000", "0.2500 to 1.0000",
    ]  # fmt: skip
    assert one_fold[-2:] == ["–", "0.2500 to 1.0000"]
    assert "decisions/final-begun is unfinished" in lines[-1]


def test_a_plain_rule_is_three_numbers() -> None:
    assert in_short(ThresholdRule()) == "0.498 / 0 / 0.498"


def test_the_command_prints_the_tables_asked_for_without_torch(work: Work, truth: Path) -> None:
    add(work, "demo")
    code = "import runpy, sys; runpy.run_module('lib.leaderboard', run_name='__main__');"
    code += "sys.exit('torch' in sys.modules)"
    words = ["--work", str(work.root), "--truth", str(truth), "--table", "runs", "zhang"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Measured on 2 test images")
    assert [line for line in done.stdout.splitlines() if line.startswith("## ")] == [
        "## runs", "## zhang",
    ]  # fmt: skip


def test_a_run_that_lacks_its_history_is_left_out(work: Work) -> None:
    add(work, "mine", replace(RECIPE, phases=(replace(RECIPE.phases[0], keep=Keep("swa")),)))
    lines = list(summary_tables.runs(Board(work)))
    assert "Left out of mine: runs/mine/fold0 has no averages.csv" in lines[-1]


def test_a_shrunk_recipe_under_the_whole_ones_name_does_not_pass_for_it(work: Work) -> None:
    add(work, "niu_vgg16", named("niu_vgg16_demo"))
    lines = list(paper_tables.niu(Board(work)))
    assert rows(lines)[5][1] == "–"
    assert lines[-1] == "- niu_vgg16 is not in this table: its recipe is niu_vgg16_demo."
