"""Systems: published weights and rules, of recipes that exist."""

import sys

import pytest

from lib import recipes
from lib.ensemble.options import GATE_FITS, RULES
from lib.errors import InputError
from lib.recipes import systems
from lib.recipes.__main__ import main
from lib.recipes.systems import SYSTEMS


@pytest.mark.parametrize("name", [each + suffix for each in SYSTEMS for suffix in ("", "_demo")])
def test_a_system_names_recipes_rules_and_weights_that_exist(name: str) -> None:
    system = systems.get(name)
    assert system.name == name
    assert all(recipes.get(recipe).name == recipe for recipe in system.recipes)
    assert all(recipe.endswith("_demo") == name.endswith("_demo") for recipe in system.recipes)
    assert system.rule in RULES
    assert system.gate_fit in GATE_FITS
    assert not system.weights or len(system.weights) == len(system.members)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        (
            "sneddy_v1",
            {"albunet_public": 0.4, "albunet_valid": 0.2, "seunet": 0.2, "resnet50": 0.2},
        ),
        (
            "sneddy_v2",
            {"albunet_public": 0.2, "albunet_valid": 0.15, "seunet": 0.4, "resnet50": 0.25},
        ),
    ],
)
def test_the_blends_of_the_1st_place_have_the_published_weights(
    name: str, weights: dict[str, float]
) -> None:
    system = systems.get(name)
    members = [member.removeprefix("sneddy_") for member in system.members]
    assert dict(zip(members, system.weights, strict=True)) == weights


def test_one_is_printed_with_the_flags_of_stage_04(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["recipes", "systems", "x5_demo"])
    main()
    title, trained, flags, rule = capsys.readouterr().out.splitlines()
    gates = "x5_cls_se50_768_demo x5_cls_se50_1024_demo x5_cls_effb3_demo"
    members = " ".join(systems.get("x5_demo").members)
    assert title.startswith("x5_demo: 2nd place, 0.8665 private; ")
    assert trained == f"recipes: {gates} {members}"
    assert flags == f"stage 04: --members {members} --gate {gates} --gate-fit stack"
    assert rule == "rule: x5"


def test_an_unknown_one_is_refused_with_similar_names() -> None:
    with pytest.raises(InputError, match="no system 'sneddy_v3'; similar names: sneddy_v"):
        systems.get("sneddy_v3")
