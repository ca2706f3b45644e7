"""Recipes: every system that can be trained here, by name."""

from lib.recipes.schema import Input, Loss, Network, Phase, Recipe, Rule

__all__ = ["Input", "Loss", "Network", "Phase", "Recipe", "Rule"]
