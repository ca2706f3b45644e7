"""Recipes: every system that can be trained here, by name; a file a source.

python -m lib.recipes [NAME]
"""

from lib.errors import InputError
from lib.recipes import ours
from lib.recipes.schema import Input, Loss, Network, Phase, Recipe, Rule

__all__ = ["RECIPES", "Input", "Loss", "Network", "Phase", "Recipe", "Rule", "get"]

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (*ours.RECIPES,)}


def get(name: str) -> Recipe:
    """Return a recipe by its name.

    Raises:
        InputError: naming those that there are.
    """
    if name not in RECIPES:
        raise InputError(f"there is no recipe {name!r}; there are {', '.join(RECIPES)}")
    return RECIPES[name]
