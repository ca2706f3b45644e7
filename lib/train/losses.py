"""Losses of a batch of logits, and their weighted sum."""

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch.nn import functional as F
from torchvision.ops import sigmoid_focal_loss

from lib.errors import InputError
from lib.recipes import LossWeights

PartialLoss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def soft_dice_loss(logits: torch.Tensor, masks: torch.Tensor, smooth: float = 1.0) -> torch.Tensor:
    """Return one minus the soft Dice of each image, averaged over the batch.

    It is computed per image and smoothed, so that an image without pneumothorax has a gradient too,
    which pushes its probabilities to zero.

    Args:
        logits: (N, 1, H, W) float, before the sigmoid.
        masks: (N, 1, H, W), 1 inside the pneumothorax and 0 outside.
        smooth: pixels added to both overlap and total; above 0. With few of them, images without
            pneumothorax have hardly a gradient.

    Returns:
        A scalar in [0, 1]; 0 is a perfect match.

    Reference:
        Milletari et al., V-Net, 2016, arXiv:1606.04797; here with plain sums, smoothed.
    """
    return _dice_losses(logits, masks, smooth).mean()


def batch_dice_loss(logits: torch.Tensor, masks: torch.Tensor, smooth: float = 1.0) -> torch.Tensor:
    """Return one minus the soft Dice of all pixels of the batch: large masks outweigh small ones.

    Reference:
        The competition's 1st place, with a smoothing of 1e-6.
    """
    return _dice_losses(logits, masks, smooth, over=(0, 1, 2, 3))


def positive_dice_loss(
    logits: torch.Tensor, masks: torch.Tensor, smooth: float = 1.0
) -> torch.Tensor:
    """Return `soft_dice_loss` of the images with a pneumothorax; 0 in a batch without any.

    Empty images contribute no loss, so early training is not drawn to empty masks everywhere.
    Combine it with a loss that keeps empty images empty, such as binary cross-entropy.

    Reference:
        The competition's 7th place: cross-entropy with Dice on positives.
    """
    positive = masks.amax(dim=(1, 2, 3))
    losses = _dice_losses(logits, masks, smooth)
    return (losses * positive).sum() / positive.sum().clamp(min=1)


def squared_dice_loss(
    logits: torch.Tensor, masks: torch.Tensor, smooth: float = 1.0
) -> torch.Tensor:
    """Return `soft_dice_loss` with squared probabilities in the denominator.

    Reference:
        Milletari et al., V-Net, 2016, arXiv:1606.04797; the competition's 2nd place, with a
        smoothing of .01.
    """
    return _dice_losses(logits, masks, smooth, power=2).mean()


def _dice_losses(
    logits: torch.Tensor,
    masks: torch.Tensor,
    smooth: float,
    over: tuple[int, ...] = (1, 2, 3),
    power: int = 1,
) -> torch.Tensor:
    """Return one minus the soft Dice along the dimensions `over`: (N,) by default."""
    assert logits.shape == masks.shape, "other shapes would be broadcast"
    probabilities = logits.sigmoid()
    overlap = (probabilities * masks).sum(dim=over)
    total = (probabilities**power + masks).sum(dim=over)  # masks are 0 or 1: their own squares
    return 1 - (2 * overlap + smooth) / (total + smooth)


def lovasz_loss(
    logits: torch.Tensor,
    masks: torch.Tensor,
    activation: Callable[[torch.Tensor], torch.Tensor] = F.relu,
) -> torch.Tensor:
    """Return the symmetric Lovasz hinge of each image, averaged over the batch.

    One half is the loss of the mask, the other half the loss of the background. The first half
    alone has a gradient at one pixel only of an empty image; the second has one at every pixel.

    Args:
        logits: (N, 1, H, W) float, before the sigmoid.
        masks: (N, 1, H, W), 0 or 1.
        activation: of each pixel's error, rising.
    """
    mask_loss = _lovasz_hinge(logits, masks, activation)
    return (mask_loss + _lovasz_hinge(-logits, 1 - masks, activation)) / 2


def lovasz_elu_loss(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Return `lovasz_loss` with elu + 1 in place of the hinge's ReLU: all pixels have a gradient.

    Reference:
        The code of Viel and Orhan.
    """
    return lovasz_loss(logits, masks, lambda errors: F.elu(errors) + 1)


def _lovasz_hinge(
    logits: torch.Tensor,
    masks: torch.Tensor,
    activation: Callable[[torch.Tensor], torch.Tensor],
) -> torch.Tensor:
    """Return the Lovasz extension of the Jaccard loss at the hinge errors, the mean over images.

    smp's LovaszLoss sums in float32: at 512 px its gradients are off by 0.3 %, so this one stays.

    Reference:
        Berman et al., The Lovasz-Softmax loss, 2018, arXiv:1705.08790, section 3.1, algorithm 1.
    """
    logits, masks = logits.flatten(1), masks.flatten(1)
    errors, order = (1 - logits * (2 * masks - 1)).sort(dim=1, descending=True)
    # Increments are differences of nearly equal numbers: float32 would keep two digits of them.
    inside = masks.gather(1, order).double()
    positives = inside.sum(dim=1, keepdim=True)
    intersection = positives - inside.cumsum(dim=1)
    union = positives + (1 - inside).cumsum(dim=1)
    jaccard = 1 - intersection / union
    increments = jaccard.diff(dim=1, prepend=torch.zeros_like(positives))
    return (activation(errors) * increments.to(errors.dtype)).sum(dim=1).mean()


def focal_loss(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Return cross-entropy weighted by (1 - p_t)^2: the mean over pixels, or over images.

    Reference:
        Lin et al., Focal Loss for Dense Object Detection, 2017, arXiv:1708.02002; without alpha.
    """
    return sigmoid_focal_loss(logits, masks, alpha=-1, gamma=2, reduction="mean")


DICE_LOSSES: dict[str, Callable[..., torch.Tensor]] = {  # with the argument `smooth`
    "dice": soft_dice_loss,
    "batch_dice": batch_dice_loss,
    "positive_dice": positive_dice_loss,
    "squared_dice": squared_dice_loss,
}
PIXEL_LOSSES: dict[str, PartialLoss] = {
    "bce": F.binary_cross_entropy_with_logits,
    **DICE_LOSSES,
    "focal": focal_loss,
    "lovasz": lovasz_loss,
    "lovasz_elu": lovasz_elu_loss,
}
IMAGE_LOSSES: dict[str, PartialLoss] = {
    "image_bce": F.binary_cross_entropy_with_logits,
    "image_focal": focal_loss,
}


class WeightedLoss:
    """The weighted sum of losses of a phase."""

    def __init__(self, weights: LossWeights) -> None:
        self.weights = weights
        smoothed = {
            name: partial(loss, smooth=weights.dice_smooth) for name, loss in DICE_LOSSES.items()
        }
        self.pixel_losses = PIXEL_LOSSES | smoothed

    def __call__(
        self, logits: torch.Tensor, image_logits: torch.Tensor | None, masks: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Return every loss of positive weight, and "loss", their weighted sum.

        Args:
            logits: (N, 1, H, W).
            image_logits: (N,), or None for a network without an image-level head.
            masks: (N, 1, H, W), 0 or 1.

        Raises:
            InputError: if no loss has a weight, or an image-level loss has one and the network has
                no image-level head.
        """
        parts = {name: loss(logits, masks) for name, loss in self._weighted(self.pixel_losses)}
        for name, loss in self._weighted(IMAGE_LOSSES):
            if image_logits is None:
                raise InputError(f"loss.{name} needs network.image_head = true")
            parts[name] = loss(image_logits, masks.amax(dim=(1, 2, 3)))
        if not parts:
            raise InputError(
                "phases.N.loss has no weight above 0: --set phases.N.loss.bce=1, for example"
            )
        total = sum(getattr(self.weights, name) * value for name, value in parts.items())
        return {"loss": torch.as_tensor(total), **parts}

    def _weighted(self, losses: Mapping[str, PartialLoss]) -> list[tuple[str, PartialLoss]]:
        """Return the losses whose weight is positive."""
        return [(name, loss) for name, loss in losses.items() if getattr(self.weights, name) > 0]
