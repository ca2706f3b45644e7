"""Network of 2ST-UNet's first experiment: gray images into an encoder trained on colour images."""

import dataclasses

import torch
from torch import nn

from lib.errors import InputError
from lib.models.base import Prediction
from lib.models.smp_nets import SmpNetwork, unet
from lib.recipes import Input, Recipe


class GrayUnet(SmpNetwork):
    """A convolution that learns three channels from one, then a U-Net: experiment 1.

    The kernel is not published; here 1 x 1, because the paper maps channels.

    Reference:
        Abedalla et al., 2ST-UNet, section 5.1.
    """

    def __init__(self, recipe: Recipe) -> None:
        """Build the network with random weights.

        Raises:
            InputError: if the input does not have one channel.
        """
        channels = len(recipe.input.mean)
        if channels != 1:
            raise InputError(f"input.mean has {channels} entries; abedalla_gray_unet needs one")
        three_channels = dataclasses.replace(recipe, input=Input())
        super().__init__(unet(three_channels).net, recipe)
        self.colours = nn.Conv2d(1, 3, kernel_size=1)

    def logits(self, images: torch.Tensor) -> Prediction:
        return super().logits(self.colours(images))
