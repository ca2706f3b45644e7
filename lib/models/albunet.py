"""AlbuNet: TernausNet's U-Net with a pooled centre and a decoder without batch norm.

It is a baseline of Zhang (Table 1) and two of the 1st place's networks.
"""

import torch
from segmentation_models_pytorch.encoders import get_encoder
from torch import nn
from torch.nn import functional as F

from lib.models import checks
from lib.models.base import SegmentationNetwork
from lib.recipes import Recipe

WIDTH = 32  # filters of the last decoder block; the other blocks have multiples of it
STRIDE = 64  # the encoder's 32, pooled once more by the centre


def conv_relu(inputs: int, outputs: int) -> nn.Sequential:
    """Return a 3 x 3 convolution and ReLU, which keep the size."""
    conv = nn.Conv2d(inputs, outputs, kernel_size=3, padding=1)
    return nn.Sequential(conv, nn.ReLU(inplace=True))


class Block(nn.Sequential):
    """Bilinear upsampling to twice the size, then two convolutions."""

    def __init__(self, inputs: int, middle: int, outputs: int) -> None:
        up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        super().__init__(up, conv_relu(inputs, middle), conv_relu(middle, outputs))


class AlbuNet(SegmentationNetwork):
    """An encoder of smp, from its second stage (stride 4) on, and TernausNet's decoder.

    All five stages of the encoder halve the size (papers: resnet34). The decoder upsamples by
    interpolation; published ones interpolate or use transposed convolutions. smp's resnets pool
    3 x 3 at their start, TernausNet pools 2 x 2.

    Reference:
        Shvets et al., 2018, arXiv:1803.01207; Iglovikov and Shvets, TernausNet, arXiv:1801.05746.
    """

    def __init__(self, recipe: Recipe) -> None:
        """Build the network with random weights.

        Raises:
            InputError: if a side of the recipe cannot be halved six times.
        """
        checks.require_divisible_sides(recipe, STRIDE)
        super().__init__(recipe.input)
        self.backbone = get_encoder(
            recipe.network.encoder, in_channels=len(recipe.input.mean), weights=None
        )
        *_, at4, at8, at16, at32 = self.backbone.out_channels
        self.centre = Block(at32, 16 * WIDTH, 8 * WIDTH)
        self.blocks = nn.ModuleList(
            [
                Block(at32 + 8 * WIDTH, 16 * WIDTH, 8 * WIDTH),
                Block(at16 + 8 * WIDTH, 16 * WIDTH, 8 * WIDTH),
                Block(at8 + 8 * WIDTH, 8 * WIDTH, 2 * WIDTH),
                Block(at4 + 2 * WIDTH, 4 * WIDTH, 4 * WIDTH),
            ]
        )
        self.last = nn.Sequential(
            Block(4 * WIDTH, 4 * WIDTH, WIDTH),
            conv_relu(WIDTH, WIDTH),
            nn.Conv2d(WIDTH, 1, kernel_size=1),
        )

    @property
    def encoder(self) -> nn.Module:
        return self.backbone

    def logits(self, images: torch.Tensor) -> tuple[torch.Tensor, None]:
        maps = self.backbone(images)
        x = self.centre(F.max_pool2d(maps[-1], kernel_size=2))
        for block in self.blocks:
            x = block(torch.cat([x, maps.pop()], dim=1))
        return self.last(x), None
