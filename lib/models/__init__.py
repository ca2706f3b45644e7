"""Networks by name; a new network is one file and one line here."""

from collections.abc import Callable
from dataclasses import asdict
from typing import NamedTuple

import timm
import torch
from segmentation_models_pytorch.encoders import get_encoder_names

from lib.errors import InputError
from lib.models import abedalla, albunet, chexlocnet, classic_unet, smp_nets, viel, zhang
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
    "deeplabv3plus": Entry(smp_nets.deeplabv3plus, "encoder image_head"),
    "abedalla_gray_unet": Entry(abedalla.GrayUnet, "encoder decoder_channels"),
    "viel_unet": Entry(viel.VielUnet, "encoder attention image_head centre hypercolumns"),
    "zhang_ica_resunet": Entry(zhang.ica_resunet),
    "classic_unet": Entry(classic_unet.classic_unet),
    "albunet": Entry(albunet.AlbuNet, "encoder"),
    "chexlocnet": Entry(chexlocnet.CheXLocNet, "encoder"),
}


def build_model(recipe: Recipe) -> SegmentationNetwork:
    """Build a recipe's network with random weights, which depend on the recipe's seed only.

    Raises:
        InputError: if there is no such network or encoder, or the network does not have an option.
    """
    name, encoder = recipe.network.name, recipe.network.encoder
    if name not in NETWORKS:
        raise InputError(f"there is no network {name!r}; there are {', '.join(NETWORKS)}")
    build, reads = NETWORKS[name]
    defaults = asdict(Network(name, encoder_weights=recipe.network.encoder_weights))
    for key, value in asdict(recipe.network).items():
        if value != defaults[key] and key not in reads.split():
            raise InputError(
                f"network.{key} = {value!r}: {name} has no such option; leave it at "
                f"{defaults[key]!r}"
            )
    if encoder not in get_encoder_names() and not _is_timm_encoder(encoder):
        raise InputError(
            f"there is no encoder {encoder!r}; smp.encoders.get_encoder_names() lists those of "
            "segmentation-models-pytorch, and tu-NAME is NAME of timm.list_models()"
        )
    torch.manual_seed(recipe.seed)
    return build(recipe)


def _is_timm_encoder(name: str) -> bool:
    """Return True for a network of timm, named as smp does: with the prefix tu-."""
    return name.startswith("tu-") and timm.is_model(name.removeprefix("tu-"))
