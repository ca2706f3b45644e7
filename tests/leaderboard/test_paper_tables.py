"""Tables in the papers' shapes."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from lib.decision.rules import ThresholdRule
from lib.layout import Work
from lib.leaderboard import paper_tables
from lib.leaderboard.leaderboard import Leaderboard
from lib.recipes.schema import Recipe
from tests import fakes
from tests.leaderboard.builders import MAPS, MAPS_ALL_MISSED, RECIPE, add_run, cells


def test_niu_has_five_models_with_the_run_beside_them(work: Work) -> None:
    add_run(work, "niu_vgg16")
    header, *body = cells(paper_tables.niu(Leaderboard(work)))
    assert header == ["model", "run", "Dice", "paper", "loss", "paper"]
    assert body[0] == ["SE-ResNeXt50", "–", "–", "0.721", "–", "1.88"]
    assert body[4] == ["VGG16", "niu_vgg16", "0.6667", "0.695", "1.0000", "2.09"]


NO_FLIPS = replace(RECIPE, name="niu_vgg16", tta="none")


def test_a_recipe_without_flips_has_its_figures_without_flips(work: Work) -> None:
    add_run(work, "niu_vgg16", NO_FLIPS)
    add_run(work, "niu_vgg16", NO_FLIPS, tta="flip", maps=MAPS_ALL_MISSED)
    lines = list(paper_tables.niu(Leaderboard(work)))
    assert cells(lines)[5][1:3] == ["niu_vgg16", "0.6667"]
    assert not any(line.startswith("- niu_vgg16 has") for line in lines)


@pytest.mark.parametrize(
    ("name", "recipe", "tta", "kind", "flag"),
    [
        ("niu_vgg16", NO_FLIPS, "flip", "without", ""),
        ("niu_vgg16", None, "none", "with", ""),
        ("abedalla_exp1", None, "none", "with", ""),
        ("abedalla_exp1", None, "flip", "without", " --tta none"),
    ],
)
def test_a_run_without_the_flips_of_the_table_is_named_below(
    work: Work, name: str, recipe: Recipe | None, tta: str, kind: str, flag: str
) -> None:
    add_run(work, name, recipe, tta=tta)
    lines = paper_tables.paper(Leaderboard(work), name.partition("_")[0])
    (note,) = (line for line in lines if line.startswith(f"- {name} "))
    assert note == f"- {name} has no maps {kind} flips; run 03_infer.py --run {name}{flag}."


def test_zhang_is_in_per_cent(work: Work) -> None:
    add_run(work, "zhang_albunet_demo")
    body = cells(paper_tables.zhang(Leaderboard(work)))[1:]
    figures = ["66.67", "83.25", "62.50", "91.41", "75.00", "86.58", "62.50", "79.92"]
    assert body[2] == ["AlbuNet", "zhang_albunet_demo", *figures]
    assert body[3][:4] == ["ICA-ResUNet", "–", "–", "85.67"]


def test_jakhar_is_in_per_cent(work: Work) -> None:
    add_run(work, "jakhar_resnet_unet")
    header, row = cells(paper_tables.jakhar(Leaderboard(work)))
    assert header == ["model", "run", "Dice", "paper", "IoU", "paper"]
    assert row == ["ResNet U-Net", "jakhar_resnet_unet", "66.67", "84.3", "62.50", "82.6"]


def abedalla_tables(leaderboard: Leaderboard) -> dict[str, list[list[str]]]:
    """Return the rows of each table by its number, without headers."""
    text = "\n".join(paper_tables.abedalla(leaderboard))
    parts = re.split(r"^Table (\d+)", text, flags=re.MULTILINE)[1:]  # number, text, number, ...
    return {number: cells([part])[1:] for number, part in zip(parts[::2], parts[1::2], strict=True)}


def test_abedalla_compares_flips_and_removal(work: Work) -> None:
    for name in ("abedalla_2st_unet", "abedalla_aug_a1_a2"):
        add_run(work, name)
        add_run(work, name, tta="none", maps=MAPS_ALL_MISSED)
    tables = abedalla_tables(Leaderboard(work))
    assert list(tables) == ["5", "6", "7", "8", "10", "11"]
    assert tables["5"][4] == ["abedalla_2st_unet"] * 2 + ["0.5000", "0.7638", "0.6250", "0.7822"]
    assert tables["5"][0] == ["abedalla_exp1", "–", "–", "0.7242", "–", "0.7395"]
    assert [row[:2] + row[3:] for row in tables["7"]] == [
        ["", "", "0.2500", "0.7543"],
        ["", "✓", "0.5000", "0.7693"],
        ["✓", "", "0.3750", "0.7945"],
        ["✓", "✓", "0.6250", "0.7946"],
    ]
    both = tables["10"][12:16]  # the fourth group, in the order of the paper
    assert [row[:3] for row in both] == [
        ["A1 + A2", "", ""], ["A1 + A2", "✓", ""], ["A1 + A2", "", "✓"], ["A1 + A2", "✓", "✓"],
    ]  # fmt: skip
    assert both[1][4:] == ["0.3750", "0.7608", f"{(2 / 3 + 1) / 4:.4f}", "0.8092"]
    assert tables["10"][0][4:] == ["–", "0.7459", "–", "0.7859"]


def test_tables_on_test_images_need_a_truth(work: Work) -> None:
    add_run(work, "abedalla_2st_unet")
    tables = abedalla_tables(Leaderboard(work))
    assert tables["6"][4] == ["abedalla_2st_unet", "–", "–", "0.8502"]
    figures = ["0.8938", "0.8330", "0.9023", "0.8356"]
    assert tables["8"][1] == ["✓", "–", "–", *figures]
    assert tables["11"][0][3:] == ["sneddy_v1-sneddy_v1", "–", "0.8679"]


def test_tables_on_test_images_have_the_dice_of_the_truth(work: Work, truth: Path) -> None:
    """The maps of one kind find both images of the truth; those of the other kind find nothing."""
    found = {"test0": MAPS["clean"], "test1": MAPS["clean"].copy()}
    found["test1"][:9, 0] = 255  # 0 9 of the truth
    add_run(work, "abedalla_2st_unet", maps=MAPS | found)
    nothing = {name: MAPS["clean"] for name in found}
    add_run(work, "abedalla_2st_unet", tta="none", maps=MAPS | nothing)
    fakes.make_ensemble(work, "x5", {"oof": MAPS, "test": found})
    fakes.make_decision(work, "x5", ThresholdRule(), "x5")
    leaderboard = Leaderboard(work, truth)
    tables = abedalla_tables(leaderboard)
    assert tables["6"][4] == ["abedalla_2st_unet", "abedalla_2st_unet", "1.0000", "0.8502"]
    assert [row[:3] for row in tables["8"]] == [
        ["", "abedalla_2st_unet", "0.5000"], ["✓", "abedalla_2st_unet", "1.0000"]
    ]  # fmt: skip
    assert [row[3:] for row in tables["11"]] == [
        ["sneddy_v1-sneddy_v1", "–", "0.8679"],
        ["x5-x5", "1.0000", "0.8665"],
        ["abedalla_2st_unet-abedalla_2st_unet", "–", "0.8356"],
    ]
    notes = [line for line in paper_tables.abedalla(leaderboard) if "Table 11: " in line]
    assert [note.partition(": ")[2].split()[0] for note in notes] == [
        "decisions/sneddy_v1-sneddy_v1", "decisions/abedalla_2st_unet-abedalla_2st_unet",
    ]  # fmt: skip


def test_viel_has_sixteen_rows_with_marks(work: Work) -> None:
    name = "viel_aspp_hypercolumns_demo"
    add_run(work, name)
    header, *body = cells(paper_tables.viel(Leaderboard(work)))
    assert header[:4] == ["Lovász", "ASPP", "hypercolumns", "scSE"]
    assert len(body) == 16
    assert body[0][4:] == ["–", "–", "0.583", "–", "–", "0.828"]
    figures = ["0.6667", "0.593", "0.5000", "0.5000", "0.837"]
    assert body[8] == ["", "✓", "✓", "", name, *figures]


def test_notes_stand_below_the_table(work: Work) -> None:
    for name in ("niu_vgg16", "niu_vgg16_demo"):
        add_run(work, name)
    assert list(paper_tables.niu(Leaderboard(work)))[-1].startswith("- niu_vgg16_demo is not in ")


@pytest.mark.parametrize("name", paper_tables.TABLES)
def test_a_paper_without_a_run_is_one_line(work: Work, name: str) -> None:
    add_run(work, "demo")
    (line,) = paper_tables.paper(Leaderboard(work), name)
    assert line.startswith("No run of ")


def test_a_run_without_maps_is_named_below_that_line(work: Work) -> None:
    fakes.make_run(work, "niu_vgg16", 0, RECIPE)
    line, note = paper_tables.paper(Leaderboard(work), "niu")
    assert line == "No run of the recipes of this paper, such as niu_se_resnext50."
    assert note.startswith("- Left out of niu_vgg16: probs/niu_vgg16/fold0 does not exist")


def test_a_paper_with_a_run_has_its_tables(work: Work) -> None:
    add_run(work, "niu_vgg16_demo")
    assert len(cells(paper_tables.paper(Leaderboard(work), "niu"))) == 6
