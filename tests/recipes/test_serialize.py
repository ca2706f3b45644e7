"""Recipes to and from config, and changed by --set."""

import json
from dataclasses import asdict

import pytest

from lib import recipes
from lib.errors import InputError
from lib.recipes import serialize


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_a_recipe_is_the_same_after_json(name: str) -> None:
    recipe = recipes.get(name)
    assert recipe.name == name
    config = json.loads(json.dumps(asdict(recipe)))
    assert serialize.from_dict(config) == recipe  # every value is within its limits


def test_settings_reach_nested_keys_and_take_their_types() -> None:
    changed = serialize.override(
        recipes.get("demo"),
        [
            "phases.0.epochs=2",
            "phases.0.clip=null",
            "network.encoder=resnet34",
            "input.mean=[0.1]",
            "input.std=[0.2]",
        ],
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
        pytest.param("phases.0.schedule=cosin", "'constant', 'cosine', 'restarts'", id="choice"),
        pytest.param("phases.0.epochs", "write key=value", id="no-value"),
        pytest.param("phases.0.crop=160", "crop 160 is larger than size 128", id="crop"),
        pytest.param("phases.0.schedule=steps", "schedule steps needs steps", id="no-steps"),
        pytest.param("phases.0.steps=[[1, 1]]", "cosine has no steps", id="ignored-steps"),
        pytest.param("phases.0.schedule=restarts", "needs a period", id="restarts-of-what"),
        pytest.param("phases.0.warmup=0.1", "cosine has no warmup", id="ignored-warmup"),
        pytest.param("phases.0.freeze_epochs=2", "something to freeze", id="ignored-freeze"),
        pytest.param("phases.0.positive_rate=[[1, 0.5]]", "the first 0", id="rate-from-where"),
        pytest.param("phases.0.lr=Infinity", "finite number", id="endless-rate"),
        pytest.param("phases.0.lr=1e999", "finite number", id="rate-too-large-to-write"),
        pytest.param("phases.0.weight_decay=Infinity", "finite number", id="endless-decay"),
        pytest.param("phases.0.clip=Infinity", "finite number", id="endless-clip"),
        pytest.param("phases.0.loss.bce=NaN", "loss.bce = nan: .* finite number", id="no-weight"),
        pytest.param("phases.0.steps=[[1, Infinity]]", "finite number", id="endless-step"),
        pytest.param("input.mean=[NaN, 0, 0]", "finite number", id="no-mean"),
        pytest.param("input.mean=[0.5, 0.5]", "mean has 2 entries, std 1", id="means-and-stds"),
        pytest.param("input.mean=[]", "at least 1 item", id="no-channel"),
        pytest.param("input.std=[0]", "greater than 0", id="no-spread"),
        pytest.param(f"seed={10**30}", "less than 9223372036854775808", id="long-seed"),
        pytest.param("seed=-1", "greater than or equal to 0", id="negative-seed"),
        pytest.param("phases=[]", "at least 1 item", id="no-phase"),
        pytest.param("phases.².epochs=1", "there is no '²'; there is 0", id="raised-digit"),
        pytest.param(f"phases.{'9' * 5000}.lr=1", "there is no '999", id="5000-digits"),
        pytest.param("network.decoder_channels=[8, -1]", "or equal to 1", id="channels"),
        pytest.param("phases.0.keep.weights=[0.5]", "keep.strategy = best", id="coefficients"),
    ],
)
def test_a_bad_setting_is_refused(setting: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        serialize.override(recipes.get("demo"), [setting])


def test_a_config_with_an_unknown_key_is_refused() -> None:
    with pytest.raises(InputError, match="network.encodr"):
        serialize.from_dict(asdict(recipes.get("demo")) | {"network": {"encodr": "resnet34"}})
