"""Networks of segmentation-models-pytorch (smp).

A U-Net with an image-level head is also the multi-task network of the 2nd place's classifiers.
"""

from typing import Any

import segmentation_models_pytorch as smp
import torch

from lib.errors import InputError
from lib.models import checks
from lib.models.base import Prediction, SegmentationNetwork
from lib.recipes import Recipe


class SmpNetwork(SegmentationNetwork):
    """A network of segmentation-models-pytorch with the interface of `SegmentationNetwork`."""

    def __init__(self, net: smp.base.SegmentationModel, recipe: Recipe) -> None:
        super().__init__(recipe.input)
        self.net = net

    @property
    def encoder(self) -> torch.nn.Module:
        return self.net.encoder

    @property
    def decoder(self) -> torch.nn.Module:
        return self.net.decoder

    def logits(self, images: torch.Tensor) -> Prediction:
        output = self.net(images)
        return (output[0], output[1].squeeze(1)) if isinstance(output, tuple) else (output, None)


def unet(recipe: Recipe) -> SmpNetwork:
    """Build a U-Net with any encoder of smp (Ronneberger et al., 2015, arXiv:1505.04597).

    With attention, scSE stands before the first and after the last convolution of a decoder block
    (Roy et al., 2018, arXiv:1808.08127).
    """
    network = recipe.network
    return _build(
        smp.Unet,
        recipe,
        encoder_depth=len(network.decoder_channels),
        decoder_channels=network.decoder_channels,
        decoder_attention_type=None if network.attention == "none" else network.attention,
    )


def fpn(recipe: Recipe) -> SmpNetwork:
    """Build an FPN (Kirillov et al., Panoptic Feature Pyramid Networks, arXiv:1901.02446)."""
    return _build(smp.FPN, recipe)


def deeplabv3plus(recipe: Recipe) -> SmpNetwork:
    """Build DeepLabV3+ with a dilated encoder, stride 16 (Chen et al., 2018, arXiv:1802.02611)."""
    checks.require_normalisable_batches(recipe)
    return _build(smp.DeepLabV3Plus, recipe)


def _build(kind: type[smp.base.SegmentationModel], recipe: Recipe, **options: Any) -> SmpNetwork:
    network = recipe.network
    try:
        net = kind(
            network.encoder,
            encoder_weights=None,
            in_channels=len(recipe.input.mean),
            aux_params={"classes": 1} if network.image_head else None,
            **options,
        )
    except ValueError as error:  # smp cannot dilate every encoder or give it any depth
        raise InputError(f"{network.name} with encoder {network.encoder}: {error}") from None
    checks.require_divisible_sides(recipe, net.encoder.output_stride)
    return SmpNetwork(net, recipe)
