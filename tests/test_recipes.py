"""Recipes by name, as facts, and changed by --set."""

import json

import pytest

from lib import recipes
from lib.decision.rules import levels
from lib.errors import InputError
from lib.recipes import facts
from lib.train.augment import AUGMENTATIONS


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_a_recipe_survives_the_way_through_json(name: str) -> None:
    recipe = recipes.get(name)
    assert recipe.name == name
    assert facts.from_facts(json.loads(json.dumps(facts.to_facts(recipe)))) == recipe


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_a_recipe_names_what_exists(name: str) -> None:
    recipe = recipes.get(name)
    assert recipe.augmentation in AUGMENTATIONS
    assert levels(recipe.rule)
    assert facts.from_facts(facts.to_facts(recipe))  # every value within its limits


def test_an_unknown_recipe_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InputError, match="no recipe 'dema'.*r34_512, demo"):
        recipes.get("dema")


def test_settings_reach_nested_keys_and_take_their_types() -> None:
    changed = facts.override(
        recipes.get("demo"),
        ["phases.0.epochs=2", "phases.0.clip=null", "network.encoder=resnet34", "input.mean=[0.1]"],
    )
    assert changed.phases[0].epochs == 2
    assert changed.phases[0].clip is None
    assert changed.network.encoder == "resnet34"
    assert changed.input.mean == (0.1,)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        pytest.param("phases.0.epoch=2", "no 'epoch'; there is size, epochs", id="misspelt"),
        pytest.param("phases.7.lr=1", "no '7'; there is 0", id="no-such-phase"),
        pytest.param("name.x=1", "no 'x'; there is nothing", id="inside-a-text"),
        pytest.param("phases.0.epochs=two", "valid integer", id="not-a-number"),
        pytest.param("phases.0.epochs=0", "greater than or equal to 1", id="no-epochs"),
        pytest.param("phases.0.schedule=cosin", "'constant', 'cosine' or 'plateau'", id="choice"),
        pytest.param("phases.0.epochs", "write key=value", id="no-value"),
    ],
)
def test_a_bad_setting_is_refused(setting: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        facts.override(recipes.get("demo"), [setting])


def test_facts_with_an_unknown_key_are_refused() -> None:
    with pytest.raises(InputError, match="network.encodr"):
        facts.from_facts(
            facts.to_facts(recipes.get("demo"))
            | {"network": {"name": "unet", "encodr": "resnet34"}}
        )
