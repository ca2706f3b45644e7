"""What the loop and inference know of a network: two methods, and 8-bit gray images go in."""

from collections.abc import Callable

import torch
from torch import nn

from lib.recipes import Input

# (mask logits, image logits or None, masks) -> scalars, "loss" among them
Criterion = Callable[[torch.Tensor, torch.Tensor | None, torch.Tensor], dict[str, torch.Tensor]]
Prediction = tuple[torch.Tensor, torch.Tensor | None]  # of pixels (N, 1, H, W), and images (N,)


class SegmentationNetwork(nn.Module):
    """A network that gives logits; others override `training_loss`, `predict` and `evaluate`.

    It normalises its input itself, so that training and inference cannot differ in that.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, input: Input) -> None:
        super().__init__()
        shape = (1, len(input.mean), 1, 1)
        self.register_buffer("mean", torch.tensor(input.mean).view(shape), persistent=False)
        self.register_buffer("std", torch.tensor(input.std).view(shape), persistent=False)

    @property
    def encoder(self) -> nn.Module | None:
        """What pretrained weights are for; None for networks that start from scratch."""
        return None

    def logits(self, images: torch.Tensor) -> Prediction:
        """Mask logits (N, 1, H, W) and image logits (N,), or None without an image-level head.

        Args:
            images: (N, C, H, W) float, normalised.
        """
        raise NotImplementedError

    def training_loss(
        self, images: torch.Tensor, masks: torch.Tensor, criterion: Criterion
    ) -> dict[str, torch.Tensor]:
        """The losses of a batch.

        Args:
            images: (N, 1, H, W) uint8.
            masks: (N, 1, H, W) uint8, 0 or 1.
            criterion: what turns logits and masks into scalars.

        Returns:
            Scalars by name; "loss" is the one to minimise.
        """
        return criterion(*self._float_logits(images), masks.to(torch.float32))

    def predict(self, images: torch.Tensor) -> Prediction:
        """Probabilities (N, 1, H, W) and image probabilities (N,) or None, float32 in [0, 1].

        Args:
            images: (N, 1, H, W) uint8.
        """
        return _probabilities(*self._float_logits(images))

    def evaluate(
        self, images: torch.Tensor, masks: torch.Tensor, criterion: Criterion
    ) -> tuple[dict[str, torch.Tensor], Prediction]:
        """What `training_loss` and `predict` give, from one pass: for validation."""
        logits = self._float_logits(images)
        return criterion(*logits, masks.to(torch.float32)), _probabilities(*logits)

    def _float_logits(self, images: torch.Tensor) -> Prediction:
        mask_logits, image_logits = self.logits(self.normalise(images))
        return mask_logits.float(), None if image_logits is None else image_logits.float()

    def normalise(self, images: torch.Tensor) -> torch.Tensor:
        """Gray 0..255 to the channels and scale that the weights expect, channels last."""
        scaled = (images.to(self.mean.dtype) / 255 - self.mean) / self.std
        return scaled.contiguous(memory_format=torch.channels_last)


def _probabilities(mask_logits: torch.Tensor, image_logits: torch.Tensor | None) -> Prediction:
    return mask_logits.sigmoid(), None if image_logits is None else image_logits.sigmoid()
