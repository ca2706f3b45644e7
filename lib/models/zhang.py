"""ICA-ResUNet: a U-Net of bottleneck residual modules with improved coordinate attention."""

from itertools import pairwise

import torch
from torch import nn
from torchvision.models.resnet import Bottleneck

from lib.models.classic_unet import WIDTHS, DoubleConv, SymmetricUnet
from lib.recipes import Recipe

MODULES = (3, 4, 6, 3)  # bottlenecks of levels 2 to 5
REDUCTION = 32  # of filters in the attention's joint encoding, as in Hou et al.
MIN_FILTERS = 8  # of the joint encoding


class ImprovedCoordinateAttention(nn.Module):
    """Attention by row and by column, with a residual path.

    The paper changes coordinate attention in two points: maxima are pooled beside means, and the
    input is added to the result. Only a figure shows the join of means and maxima: here they are
    added before the joint encoding.

    Reference:
        Zhang et al., ICA-ResUNet, section 2.2; Hou et al., 2021, arXiv:2103.02907.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(MIN_FILTERS, channels // REDUCTION)
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
        row_weights = self.rows(by_row).sigmoid()[:, :, :, None]
        column_weights = self.columns(by_column).sigmoid()[:, :, None, :]
        return x + x * row_weights * column_weights


def ica_resunet(recipe: Recipe) -> SymmetricUnet:
    """Build ICA-ResUNet, which trains from scratch.

    Level 1 is two 3 x 3 convolutions; levels 2 to 5 are 3, 4, 6 and 3 bottlenecks and end in the
    attention. The paper leaves three points open. Filters: 64 to 1024, as in the U-Net, and a
    quarter inside a bottleneck (He et al., 2015, arXiv:1512.03385). Halving of the maps: by the
    first bottleneck's stride, as there. Decoder: the U-Net's, without attention.

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
