"""Networks by name; a new network is one file and one line here."""

from collections.abc import Callable
from dataclasses import asdict
from typing import NamedTuple

import torch

from lib.errors import InputError
from lib.models import abedalla, albunet, chexlocnet, smp_nets, unet, viel, zhang
from lib.models.base import SegmentationNetwork
from lib.recipes import Network, Recipe

__all__ = ["NETWORKS", "SegmentationNetwork", "build_model"]


class Entry(NamedTuple):
    """The function that builds a network, and the fields of Network it reads, blank-separated."""

    build: Callable[[Recipe], SegmentationNetwork]
    reads: str = ""


NETWORKS: dict[str, Entry] = {
    "unet": Entry(smp_nets.unet, "encoder decoder_channels attention image_head"),
    "fpn": Entry(smp_nets.fpn, "encoder image_head"),
    "deeplabv3": Entry(smp_nets.deeplabv3, "encoder image_head"),
    "abedalla_gray_unet": Entry(abedalla.gray_unet, "encoder decoder_channels"),
    "viel_unet": Entry(viel.viel_unet, "encoder attention image_head centre hypercolumns"),
    "zhang_ica_resunet": Entry(zhang.ica_resunet),
    "classic_unet": Entry(unet.classic_unet),
    "albunet": Entry(albunet.albunet, "encoder"),
    "chexlocnet": Entry(chexlocnet.chexlocnet, "encoder"),
}


def build_model(recipe: Recipe) -> SegmentationNetwork:
    """Build a recipe's network with random weights, which depend on the recipe's seed only.

    Raises:
        InputError: if there is no such network or encoder, or the network does not have an option.
    """
    name = recipe.network.name
    if name not in NETWORKS:
        raise InputError(f"there is no network {name!r}; there are {', '.join(NETWORKS)}")
    _check_unread(recipe.network, NETWORKS[name].reads)
    torch.manual_seed(recipe.seed)
    return NETWORKS[name].build(recipe)


def _check_unread(network: Network, reads: str) -> None:
    """Check that the options that a network does not read have their defaults."""
    read = {"name", "encoder_weights", *reads.split()}
    defaults = asdict(Network())
    for key, value in asdict(network).items():
        if key not in read and value != defaults[key]:
            raise InputError(
                f"network.{key} = {value!r}: {network.name} has no such option; leave it at "
                f"{defaults[key]!r}"
            )
