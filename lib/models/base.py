"""Base class of all networks: the interface that training and inference use."""

from collections.abc import Callable

import torch
from torch import nn

from lib.recipes import Input

# (mask logits, image logits or None, masks) -> scalars, "loss" among them
Criterion = Callable[[torch.Tensor, torch.Tensor | None, torch.Tensor], dict[str, torch.Tensor]]
Prediction = tuple[torch.Tensor, torch.Tensor | None]  # pixels (N, 1, H, W) and images (N,)


class SegmentationNetwork(nn.Module):
    """A segmentation network; its input is 8-bit gray images, its output probabilities.

    Subclasses implement `logits`; networks without logits override `training_loss`, `predict` and
    `evaluate`. The network normalises its input itself, so training and inference cannot differ.
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
        """The part with pretrained weights; None for networks that start from scratch."""
        return None

    @property
    def decoder(self) -> nn.Module | None:
        """The part that may have a weight decay of its own; None without a separate one."""
        return None

    def logits(self, images: torch.Tensor) -> Prediction:
        """Return mask logits (N, 1, H, W), and image logits (N,) or None without such a head.

        Args:
            images: (N, C, H, W) float, normalised.
        """
        raise NotImplementedError

    def training_loss(
        self, images: torch.Tensor, masks: torch.Tensor, criterion: Criterion
    ) -> dict[str, torch.Tensor]:
        """Return the losses of a batch.

        Args:
            images: (N, 1, H, W) uint8.
            masks: (N, 1, H, W) uint8, 0 or 1.
            criterion: computes scalars from logits and masks.

        Returns:
            Scalars by name; "loss" is the one to minimise.
        """
        return criterion(*self._float_logits(images), masks.to(torch.float32))

    def predict(self, images: torch.Tensor) -> Prediction:
        """Return probabilities (N, 1, H, W), and p(positive) (N,) or None: float32 in [0, 1].

        Args:
            images: (N, 1, H, W) uint8.
        """
        return _probabilities(*self._float_logits(images))

    def evaluate(
        self, images: torch.Tensor, masks: torch.Tensor, criterion: Criterion
    ) -> tuple[dict[str, torch.Tensor], Prediction]:
        """Return the results of `training_loss` and `predict` from one pass, for validation."""
        logits = self._float_logits(images)
        return criterion(*logits, masks.to(torch.float32)), _probabilities(*logits)

    def _float_logits(self, images: torch.Tensor) -> Prediction:
        mask_logits, image_logits = self.logits(self.normalise(images))
        return mask_logits.float(), None if image_logits is None else image_logits.float()

    def normalise(self, images: torch.Tensor) -> torch.Tensor:
        """Convert gray 0..255 to the channels and scale that the weights expect, channels last."""
        scaled = (images.to(self.mean.dtype) / 255 - self.mean) / self.std
        return scaled.contiguous(memory_format=torch.channels_last)


def _probabilities(mask_logits: torch.Tensor, image_logits: torch.Tensor | None) -> Prediction:
    return mask_logits.sigmoid(), None if image_logits is None else image_logits.sigmoid()
