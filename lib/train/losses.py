"""Losses of a batch of logits, and their weighted sum."""

import torch
from torch.nn import functional as F

from lib.errors import InputError
from lib.recipes import Loss

FOCAL_GAMMA = 2.0


def bce_loss(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy, the mean over pixels."""
    return F.binary_cross_entropy_with_logits(logits, masks)


def soft_dice_loss(logits: torch.Tensor, masks: torch.Tensor, smooth: float = 1.0) -> torch.Tensor:
    """One minus the soft Dice overlap of each image, averaged over the batch.

    Per image and smoothed, so that an image without pneumothorax has a gradient too: with no
    overlap to gain, its probabilities are pushed to zero.

    Args:
        logits: (N, 1, H, W) float, before the sigmoid.
        masks: (N, 1, H, W), 1 inside the pneumothorax and 0 outside.
        smooth: pixels added to overlap and total alike; must be positive.

    Returns:
        A scalar in [0, 1]; 0 is a perfect match.

    Raises:
        ValueError: if the shapes differ or `smooth` is not positive.

    Reference:
        Milletari et al., V-Net, 2016, arXiv:1606.04797; here plain sums, not squared, and smooth.
    """
    return _dice_losses(logits, masks, smooth).mean()


def positive_dice_loss(
    logits: torch.Tensor, masks: torch.Tensor, smooth: float = 1.0
) -> torch.Tensor:
    """`soft_dice_loss` over the images with a pneumothorax; 0 in a batch without any.

    An empty image pays nothing here for answering nothing, so early training is not drawn to an
    all-empty answer; that empty images stay empty is left to a loss beside it, such as `bce_loss`.

    Reference:
        The competition's 7th place: cross-entropy with Dice on positives.
    """
    positive = masks.amax(dim=(1, 2, 3))
    losses = _dice_losses(logits, masks, smooth)
    return (losses * positive).sum() / positive.sum().clamp(min=1)


def _dice_losses(logits: torch.Tensor, masks: torch.Tensor, smooth: float) -> torch.Tensor:
    """(N,) one minus the soft Dice of each image."""
    if logits.shape != masks.shape:
        raise ValueError(f"logits {tuple(logits.shape)} and masks {tuple(masks.shape)} differ")
    if smooth <= 0:
        raise ValueError(f"smooth must be positive, not {smooth}")
    probabilities = logits.sigmoid()
    overlap = (probabilities * masks).sum(dim=(1, 2, 3))
    total = (probabilities + masks).sum(dim=(1, 2, 3))
    return 1 - (2 * overlap + smooth) / (total + smooth)


def focal_loss(
    logits: torch.Tensor, masks: torch.Tensor, gamma: float = FOCAL_GAMMA
) -> torch.Tensor:
    """Cross-entropy weighted by (1 - p_t)^gamma, the mean over pixels.

    Reference:
        Lin et al., Focal Loss for Dense Object Detection, 2017, arXiv:1708.02002; alpha left out.
    """
    cross_entropy = F.binary_cross_entropy_with_logits(logits, masks, reduction="none")
    p_true = torch.exp(-cross_entropy)
    return ((1 - p_true) ** gamma * cross_entropy).mean()


PIXEL_LOSSES = {
    "bce": bce_loss,
    "dice": soft_dice_loss,
    "positive_dice": positive_dice_loss,
    "focal": focal_loss,
}


class WeightedLoss:
    """The sum of losses that a phase asks for."""

    def __init__(self, weights: Loss) -> None:
        self.weights = weights

    def __call__(
        self, logits: torch.Tensor, image_logits: torch.Tensor | None, masks: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Compute every loss of positive weight, and "loss", their weighted sum.

        Args:
            logits: (N, 1, H, W).
            image_logits: (N,), or None for a network without an image-level head.
            masks: (N, 1, H, W), 0 or 1.

        Raises:
            InputError: if the image-level loss is asked of a network without such a head.
        """
        parts = {
            name: loss(logits, masks)
            for name, loss in PIXEL_LOSSES.items()
            if getattr(self.weights, name) > 0
        }
        if self.weights.image_bce > 0:
            if image_logits is None:
                raise InputError("loss.image_bce needs network.image_head = true")
            positive = masks.amax(dim=(1, 2, 3))
            parts["image_bce"] = F.binary_cross_entropy_with_logits(image_logits, positive)
        if not parts:
            raise InputError("the phase's loss has no weight above 0")
        total = sum(getattr(self.weights, name) * value for name, value in parts.items())
        return {"loss": torch.as_tensor(total), **parts}
