"""Recipes as the plain config of a manifest, and back; and `--set` on top of one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from lib.decision.rules import ThresholdRule
from lib.errors import InputError
from lib.recipes.schema import Ema, Input, Keep, LossWeights, Network, Phase, Recipe

# A misspelt key must never be ignored, and JSON has no infinity.
for _part in (Ema, Input, Keep, LossWeights, Network, Phase, Recipe, ThresholdRule):
    with_config(ConfigDict(extra="forbid", allow_inf_nan=False))(_part)
_ADAPTER = TypeAdapter(Recipe)


def to_dict(recipe: Recipe) -> dict[str, Any]:
    """A recipe in full, as JSON can hold it."""
    return asdict(recipe)


def from_dict(config: Mapping[str, Any]) -> Recipe:
    """A recipe from what `to_facts` gave.

    Raises:
        InputError: for a key or a value that a recipe cannot have.
    """
    try:
        return _ADAPTER.validate_python(config)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        # Where parts do not fit together the message names them: a whole phase is no value to show.
        value = "" if isinstance(first["input"], dict) else f" = {first['input']!r}"
        raise InputError(
            f"recipe key {key}{value}: {first['msg']}; "
            f"python -m lib.recipes {config.get('name', 'NAME')} shows them all"
        ) from None


def override(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """Change a recipe by `--set` arguments.

    Args:
        recipe: the recipe to start from.
        settings: "dotted.key=value" each, such as "phases.0.epochs=2"; a value is JSON (null, true,
            [0.5]) or else text.

    Raises:
        InputError: for a key that does not exist, or a value that it cannot have.
    """
    config = json.loads(json.dumps(to_dict(recipe)))
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise InputError(f"--set {setting}: write key=value, such as phases.0.epochs=2")
        *parents, last = key.split(".")
        parent = config
        for name in parents:
            parent = parent[_index(parent, name, key)]
        parent[_index(parent, last, key)] = _value(value)
    return from_dict(config)


def _index(parent: Any, name: str, key: str) -> str | int:
    """Where `name` stands in a dict or a list of config."""
    if isinstance(parent, dict) and name in parent:
        return name
    entries = [str(index) for index in range(len(parent))] if isinstance(parent, list) else []
    if name in entries:
        return int(name)
    there = parent if isinstance(parent, dict) else entries
    raise InputError(
        f"--set {key[:60]}: there is no {name[:60]!r}; there is {', '.join(there) or 'nothing'}"
    )


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
