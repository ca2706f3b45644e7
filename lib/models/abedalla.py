"""2ST-UNet's first experiment: gray images through an encoder that was trained on colours."""

import dataclasses

import torch
from torch import nn

from lib.errors import InputError
from lib.models.base import Prediction
from lib.models.smp_nets import SmpNetwork, unet
from lib.recipes import Input, Recipe


class GrayUnet(SmpNetwork):
    """A U-Net behind a convolution that learns three channels from one."""

    def __init__(self, recipe: Recipe) -> None:
        coloured = dataclasses.replace(recipe, input=Input())
        super().__init__(unet(coloured).net, recipe)
        self.colours = nn.Conv2d(1, 3, kernel_size=1)

    def logits(self, images: torch.Tensor) -> Prediction:
        return super().logits(self.colours(images))


def gray_unet(recipe: Recipe) -> GrayUnet:
    """The network of experiment 1.

    The kernel is not given; 1 x 1, since channels are mapped and not neighbours.

    Raises:
        InputError: if the input does not have one channel.

    Reference:
        Abedalla et al., 2ST-UNet, section 5.1.
    """
    channels = len(recipe.input.mean)
    if channels != 1:
        raise InputError(f"input.mean has {channels} entries; abedalla_gray_unet wants one channel")
    return GrayUnet(recipe)
