"""The U-Net as first published, and its symmetric shape for other networks."""

from collections.abc import Iterable
from itertools import pairwise

import torch
from torch import nn

from lib.models import checks
from lib.models.base import SegmentationNetwork
from lib.recipes import Recipe

WIDTHS = (64, 128, 256, 512, 1024)  # filters of the levels, from the image down
STRIDE = 2 ** (len(WIDTHS) - 1)


class DoubleConv(nn.Sequential):
    """Two 3 x 3 convolutions, each with batch norm and ReLU, which keep the size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class Up(nn.Module):
    """A transposed convolution that halves the filters, the skip connection, two convolutions."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(2 * outputs, outputs, kernel_size=2, stride=2)
        self.convs = DoubleConv(2 * outputs, outputs)

    def forward(self, deeper: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        return self.convs(torch.cat([skip, self.up(deeper)], dim=1))


class SymmetricUnet(SegmentationNetwork):
    """An encoder of five given levels, and the decoder of the first U-Net."""

    def __init__(self, levels: Iterable[nn.Module], recipe: Recipe) -> None:
        """Add the decoder to the levels.

        Args:
            levels: have WIDTHS filters; each but the first halves the size of the level before.
            recipe: with the input of the network.

        Raises:
            InputError: if a side of the recipe cannot be halved four times.
        """
        checks.require_divisible_sides(recipe, STRIDE)
        super().__init__(recipe.input)
        self.down = nn.ModuleList(levels)
        self.up = nn.ModuleList(Up(width) for width in reversed(WIDTHS[:-1]))
        self.last = nn.Conv2d(WIDTHS[0], 1, kernel_size=1)

    def logits(self, images: torch.Tensor) -> tuple[torch.Tensor, None]:
        maps = [images]
        for level in self.down:
            maps.append(level(maps[-1]))
        x = maps.pop()
        for up in self.up:
            x = up(x, maps.pop())
        return self.last(x), None


def classic_unet(recipe: Recipe) -> SymmetricUnet:
    """Build the U-Net of 64 to 1024 filters, which trains from scratch: 31 M parameters.

    It differs from the paper in two points. Convolutions are padded, so that the mask is as large
    as the image. Batch norms are added, because without them a network of this depth hardly learns
    at the learning rates of today's recipes.

    Reference:
        Ronneberger et al., U-Net, 2015, arXiv:1505.04597, figure 1.
    """
    levels: list[nn.Module] = [DoubleConv(len(recipe.input.mean), WIDTHS[0])]
    for inputs, outputs in pairwise(WIDTHS):
        levels.append(nn.Sequential(nn.MaxPool2d(2), DoubleConv(inputs, outputs)))
    return SymmetricUnet(levels, recipe)
