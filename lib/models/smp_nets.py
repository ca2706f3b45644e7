"""Networks that segmentation-models-pytorch has."""

import segmentation_models_pytorch as smp
import torch

from lib.errors import InputError
from lib.models.base import SegmentationNetwork
from lib.recipes import Recipe


class SmpNetwork(SegmentationNetwork):
    """A network of segmentation-models-pytorch behind our two methods."""

    def __init__(self, net: smp.base.SegmentationModel, recipe: Recipe) -> None:
        super().__init__(recipe.input)
        self.net = net

    @property
    def encoder(self) -> torch.nn.Module:
        return self.net.encoder

    def logits(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        output = self.net(images)
        return (output[0], output[1].squeeze(1)) if isinstance(output, tuple) else (output, None)


def unet(recipe: Recipe) -> SmpNetwork:
    """A U-Net with any encoder of smp (Ronneberger et al., 2015, arXiv:1505.04597)."""
    network = recipe.network
    if network.encoder not in smp.encoders.get_encoder_names():
        raise InputError(
            f"there is no encoder {network.encoder!r}; "
            "smp.encoders.get_encoder_names() lists those of segmentation-models-pytorch"
        )
    stride = 2 ** len(network.decoder_channels)
    for phase in recipe.phases:
        if phase.size % stride:
            raise InputError(f"size {phase.size} must be a multiple of {stride} for this network")
    net = smp.Unet(
        network.encoder,
        encoder_weights=None,
        in_channels=len(recipe.input.mean),
        encoder_depth=len(network.decoder_channels),
        decoder_channels=network.decoder_channels,
        aux_params={"classes": 1} if network.image_head else None,
    )
    return SmpNetwork(net, recipe)
