"""Tables in the papers' shapes."""

from dataclasses import replace

import pytest

from lib.layout import Work
from lib.leaderboard import paper_tables
from lib.leaderboard.leaderboard import Leaderboard
from lib.recipes.schema import Recipe
from tests import fakes
from tests.leaderboard.builders import MAPS_ALL_MISSED, RECIPE, add_run, cells


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


def test_abedalla_compares_flips_and_removal(work: Work) -> None:
    for name in ("abedalla_2st_unet", "abedalla_aug_a1_a2"):
        add_run(work, name)
        add_run(work, name, tta="none", maps=MAPS_ALL_MISSED)
    body = cells(paper_tables.abedalla(Leaderboard(work)))
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
    assert line == "No run of 5 recipes such as niu_se_resnext50."
    assert note.startswith("- Left out of niu_vgg16: probs/niu_vgg16/fold0 is not there")


def test_a_paper_with_a_run_has_its_tables(work: Work) -> None:
    add_run(work, "niu_vgg16_demo")
    assert len(cells(paper_tables.paper(Leaderboard(work), "niu"))) == 6
