"""ICA-ResUNet: a U-Net of bottleneck residual modules with improved coordinate attention."""

from itertools import pairwise

import torch
from torch import nn
from torchvision.models.resnet import Bottleneck

from lib.models.unet import WIDTHS, DoubleConv, SymmetricUnet
from lib.recipes import Recipe

MODULES = (3, 4, 6, 3)  # bottlenecks of levels 2 to 5
REDUCTION = 32  # of filters in the attention's joint encoding, as Hou et al. have it
LEAST = 8  # filters of it


class ImprovedCoordinateAttention(nn.Module):
    """Weigh each pixel by its row and its column, and add what was there before.

    The paper's two changes: maxima are pooled beside means, and there is a residual path. How means
    and maxima are joined is in a picture only: here they are added before the joint encoding.

    Reference:
        Zhang et al., ICA-ResUNet, section 2.2; Hou et al., 2021, arXiv:2103.02907.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(LEAST, channels // REDUCTION)
        self.encode = nn.Sequential(
            nn.Conv1d(channels, inner, kernel_size=1), nn.BatchNorm1d(inner), nn.Hardswish()
        )
        self.rows = nn.Conv1d(inner, channels, kernel_size=1)
        self.columns = nn.Conv1d(inner, channels, kernel_size=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.mean(3) + x.amax(3)  # (N, C, H)
        columns = x.mean(2) + x.amax(2)  # (N, C, W)
        joint = self.encode(torch.cat([rows, columns], dim=2))  # (N, inner, H + W)
        by_row, by_column = joint.split([x.shape[2], x.shape[3]], dim=2)
        of_rows = self.rows(by_row).sigmoid()[:, :, :, None]
        of_columns = self.columns(by_column).sigmoid()[:, :, None, :]
        return x + x * of_rows * of_columns


def ica_resunet(recipe: Recipe) -> SymmetricUnet:
    """ICA-ResUNet, from scratch.

    Level 1 is two 3 x 3 convolutions; levels 2 to 5 are 3, 4, 6 and 3 bottlenecks, and end in the
    attention. The paper leaves open the filters (64 to 1024, as in the U-Net; a bottleneck's inner
    ones are a quarter, as in He et al., 2015, arXiv:1512.03385), how levels halve their maps (the
    first bottleneck strides, as there), and the decoder (the U-Net's, without attention).

    Reference:
        Zhang et al., ICA-ResUNet, section 2 and figure 1.
    """
    first = DoubleConv(len(recipe.input.mean), WIDTHS[0])
    deeper = (_level(*ends, count) for ends, count in zip(pairwise(WIDTHS), MODULES, strict=True))
    return SymmetricUnet([first, *deeper], recipe)


def _level(inputs: int, outputs: int, modules: int) -> nn.Sequential:
    inner = outputs // Bottleneck.expansion
    shortcut = nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel_size=1, stride=2, bias=False), nn.BatchNorm2d(outputs)
    )
    first = Bottleneck(inputs, inner, stride=2, downsample=shortcut)
    others = (Bottleneck(outputs, inner) for _ in range(modules - 1))
    return nn.Sequential(first, *others, ImprovedCoordinateAttention(outputs))
