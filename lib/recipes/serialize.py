"""Recipes from the plain config of a manifest (their asdict); changes by `--set`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from lib.decision.rules import ThresholdRule
from lib.errors import InputError
from lib.recipes.schema import Ema, Input, Keep, LossWeights, Network, Phase, Recipe

# A misspelt key must never be ignored, and JSON has no infinity.
for _class in (Ema, Input, Keep, LossWeights, Network, Phase, Recipe, ThresholdRule):
    with_config(ConfigDict(extra="forbid", allow_inf_nan=False))(_class)
_ADAPTER = TypeAdapter(Recipe)


def from_dict(config: Mapping[str, Any]) -> Recipe:
    """Return the recipe of a config from a manifest.

    Raises:
        InputError: for a key or a value that a recipe cannot have.
    """
    try:
        return _ADAPTER.validate_python(config)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        # If parts do not fit together, the message names them: a whole phase is too long to show.
        value = "" if isinstance(first["input"], dict) else f" = {first['input']!r}"
        raise InputError(
            f"recipe key {key}{value}: {first['msg']}; "
            f"python -m lib.recipes {config.get('name', 'NAME')} shows all keys"
        ) from None


def override(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """Return a recipe changed by `--set` arguments.

    Args:
        recipe: the recipe to start from.
        settings: such as "phases.0.epochs=2"; a value is JSON (null, true, [0.5]) or else text.

    Raises:
        InputError: for a key that does not exist, or a value that it cannot have.
    """
    config = json.loads(json.dumps(asdict(recipe)))
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise InputError(f"--set {setting}: write key=value, such as phases.0.epochs=2")
        *parents, last = key.split(".")
        parent = config
        for name in parents:
            parent = parent[_find_key(parent, name, key)]
        parent[_find_key(parent, last, key)] = _parse_value(value)
    return from_dict(config)


def _find_key(parent: Any, name: str, key: str) -> str | int:
    """Return the key or index of `name` in a dict or a list of config."""
    if isinstance(parent, dict) and name in parent:
        return name
    indices = [str(index) for index in range(len(parent))] if isinstance(parent, list) else []
    if name in indices:
        return int(name)
    names = parent if isinstance(parent, dict) else indices
    raise InputError(
        f"--set {key[:60]}: there is no {name[:60]!r}; there is {', '.join(names) or 'nothing'}"
    )


def _parse_value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
