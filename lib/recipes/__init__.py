"""Recipes by name: all systems that can be trained here, one file per source.

python -m lib.recipes [NAME]
"""

from difflib import get_close_matches

from lib.errors import InputError
from lib.recipes import (
    abedalla,
    amirassov,
    bestfitting,
    defaults,
    jakhar,
    niu,
    see,
    sneddy,
    viel,
    x5,
    zhang,
)
from lib.recipes.demo_variant import DEMO_SUFFIX, demo_variant
from lib.recipes.schema import Ema, Input, Keep, LossWeights, Network, Phase, Recipe

__all__ = [
    "RECIPES", "Ema", "Input", "Keep", "LossWeights", "Network", "Phase", "Recipe", "get",
]  # fmt: skip

_SOURCES = (
    defaults, abedalla, viel, niu, zhang, jakhar, sneddy, x5, amirassov, see, bestfitting,
)  # fmt: skip
RECIPES: dict[str, Recipe] = {
    recipe.name: recipe for source in _SOURCES for recipe in source.RECIPES
}


def get(name: str) -> Recipe:
    """Return a recipe by its name; NAME_demo is NAME, shrunk for phantoms and a few CPU cores.

    Raises:
        InputError: if there is no such recipe; the message lists similar names.
    """
    if name.removesuffix(DEMO_SUFFIX) in RECIPES and name not in RECIPES:
        return demo_variant(RECIPES[name.removesuffix(DEMO_SUFFIX)])
    if name not in RECIPES:
        similar = ", ".join(get_close_matches(name.lower(), RECIPES))
        cure = f"similar names: {similar}" if similar else "python -m lib.recipes lists all"
        raise InputError(f"there is no recipe {name!r}; {cure}")
    return RECIPES[name]
