"""U-Net of Viel and Orhan's ablation study: ASPP, hypercolumns and scSE are options."""

import torch
from segmentation_models_pytorch.base.modules import Attention
from segmentation_models_pytorch.decoders.deeplabv3.decoder import ASPP
from segmentation_models_pytorch.encoders import get_encoder
from torch import nn
from torch.nn import functional as F

from lib.models import checks
from lib.models.base import Prediction, SegmentationNetwork
from lib.recipes import Recipe

STRIDE = 32
WIDTH = 64  # filters of the decoder blocks and of the global layer
ASPP_WIDTH = 256
ASPP_RATES = (6, 12, 18)  # beside a 1 x 1 convolution
ASPP_DROPOUT = 0.5
BRANCH_WIDTH = 32


def conv_relu_norm(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Return the paper's block, which keeps the size: convolution, ReLU, batch norm."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
        nn.ReLU(inplace=True),
        nn.BatchNorm2d(outputs),
    )


def resize(maps: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Resize maps to the height and width of another map, by the nearest pixel."""
    return F.interpolate(maps, size=like.shape[-2:], mode="nearest")


class DecoderBlock(nn.Module):
    """Upsampling, the skip connection, two convolutions; with attention, scSE around them."""

    def __init__(self, inputs: int, attention: str | None) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            Attention(attention, in_channels=inputs),
            conv_relu_norm(inputs, WIDTH, kernel=3),
            conv_relu_norm(WIDTH, WIDTH, kernel=3),
            Attention(attention, in_channels=WIDTH),
        )

    def forward(self, deeper: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        return self.layers(torch.cat([resize(deeper, like=skip), skip], dim=1))


class ImageBranch(nn.Module):
    """Mean and maximum of each map, then two linear layers to one logit per image: (N,)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2 * channels, BRANCH_WIDTH), nn.Linear(BRANCH_WIDTH, 1)
        )

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        pooled = torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)
        return self.layers(pooled).squeeze(1)


class VielUnet(SegmentationNetwork):
    """Encoder, centre, four decoder blocks, global layer; an image-level branch from the centre.

    scSE adds its two recalibrated maps. Convolutions have no biases, and the centre block has as
    many filters as the encoder's last stage. With the image-level branch, ASPP then saves 752,640
    parameters, the paper's "about 800000". As in the authors' code, where the paper is silent: the
    decoder upsamples by the nearest pixel (the mask, at the end, is resized bilinearly), and the
    image-level branch has no ReLU.

    Reference:
        Viel and Orhan, Deep Learning for Pneumothorax Segmentation, sections 3.3 and 4.2 to 4.4.
    """

    def __init__(self, recipe: Recipe) -> None:
        """Build the network, with any combination of its options and random weights.

        Raises:
            InputError: if sizes or batches do not fit.
        """
        network = recipe.network
        checks.require_divisible_sides(recipe, STRIDE)
        if network.centre == "aspp":
            checks.require_normalisable_batches(recipe)
        super().__init__(recipe.input)
        self.backbone = get_encoder(
            network.encoder, in_channels=len(recipe.input.mean), weights=None
        )
        _, *skips, deepest = self.backbone.out_channels
        self.centre, centre_width = _centre(network.centre, deepest)
        attention = None if network.attention == "none" else network.attention
        inputs = [centre_width, *[WIDTH] * (len(skips) - 1)]
        self.blocks = nn.ModuleList(
            DecoderBlock(width + skip, attention)
            for width, skip in zip(inputs, reversed(skips), strict=True)
        )
        self.hypercolumns = network.hypercolumns
        self.global_layer = nn.Sequential(
            conv_relu_norm(WIDTH * (len(skips) if network.hypercolumns else 1), WIDTH, kernel=1),
            conv_relu_norm(WIDTH, WIDTH, kernel=3),
            nn.Conv2d(WIDTH, 1, kernel_size=1),
        )
        self.branch = ImageBranch(centre_width) if network.image_head else None

    @property
    def encoder(self) -> nn.Module:
        return self.backbone

    @property
    def decoder(self) -> nn.Module:
        return self.blocks

    def logits(self, images: torch.Tensor) -> Prediction:
        _, *skips, deepest = self.backbone(images)
        centre = x = self.centre(deepest)
        columns = []
        for block, skip in zip(self.blocks, reversed(skips), strict=True):
            x = block(x, skip)
            columns.append(x)
        if self.hypercolumns:
            x = torch.cat([resize(column, like=x) for column in columns], dim=1)
        size = images.shape[-2:]
        mask = F.interpolate(self.global_layer(x), size, mode="bilinear", align_corners=False)
        return mask, None if self.branch is None else self.branch(centre)


def _centre(kind: str, channels: int) -> tuple[nn.Module, int]:
    """Return the part between encoder and decoder, and the number of its output filters."""
    if kind == "aspp":
        aspp = ASPP(channels, ASPP_WIDTH, ASPP_RATES, separable=False, dropout=ASPP_DROPOUT)
        return aspp, ASPP_WIDTH
    convs = (conv_relu_norm(channels, channels, kernel=3) for _ in range(2))
    return nn.Sequential(*convs), channels
