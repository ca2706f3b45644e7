"""Networks, by the name that a recipe gives; a network is added by one file and one line here."""

from collections.abc import Callable

import torch

from lib.errors import InputError
from lib.models import smp_nets
from lib.models.base import SegmentationNetwork
from lib.recipes import Recipe

__all__ = ["NETWORKS", "SegmentationNetwork", "build_model"]

NETWORKS: dict[str, Callable[[Recipe], SegmentationNetwork]] = {
    "unet": smp_nets.unet,
}


def build_model(recipe: Recipe) -> SegmentationNetwork:
    """Build a recipe's network with random weights that its seed alone decides.

    Raises:
        InputError: if there is no such network or encoder.
    """
    build = NETWORKS.get(recipe.network.name)
    if build is None:
        raise InputError(
            f"there is no network {recipe.network.name!r}; there are {', '.join(NETWORKS)}"
        )
    torch.manual_seed(recipe.seed)
    return build(recipe)
