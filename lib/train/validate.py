"""Validation with the competition's metric, at the recipe's fixed rule."""

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch.nn import functional as F

from lib import device as machine
from lib import distributed, metrics
from lib.decision.rules import ThresholdRule, levels
from lib.models import SegmentationNetwork
from lib.models.base import Criterion
from lib.recipes import ThresholdRule


@torch.inference_mode()
def validate(
    model: SegmentationNetwork,
    loader: Iterable[tuple[torch.Tensor, ...]],
    criterion: Criterion,
    rule: ThresholdRule,
    device: torch.device,
) -> dict[str, float]:
    """Score a network on the images of its fold; every process learns the figures of all.

    Thresholds, total area and class gate of the rule are applied; component area and holes are
    left to stage 04, since they would take every map off the device.

    Args:
        model: the network.
        loader: batches of images, masks at their size, and truth in the RLE frame; this process's
            share of them.
        criterion: the loss of the phase.
        rule: the recipe's; never a maximum over thresholds.
        device: where to compute.

    Returns:
        loss (the mean over images), dice, positive_dice, and class_auc; NaN for what cannot be
        computed: without positives, without an image-level head.
    """
    model.eval()
    found = []
    for images, masks, truth in loader:
        images, masks = images.to(device, non_blocking=True), masks.to(device, non_blocking=True)
        with machine.autocast(device):
            parts, (probabilities, positive) = model.evaluate(images, masks, criterion)
        counts = _counts(probabilities, truth.to(device, non_blocking=True), rule)
        found.append((parts["loss"] * len(images), counts, positive))
    losses, counted, positives = zip(*distributed.all_gather(map(_on_cpu, found)), strict=True)
    above, inside, overlap, area = np.concatenate(counted, 1)
    p = None if positives[0] is None else np.concatenate(positives)
    empty = above < rule.min_area
    if rule.class_min is not None and p is not None:
        empty |= p < rule.class_min
    dice = metrics.dice(np.where(empty, 0, inside), area, np.where(empty, 0, overlap))
    return {
        "loss": float(np.sum(losses) / area.size),
        "dice": float(dice.mean()),
        "positive_dice": metrics.positive_dice(dice, area > 0),
        "class_auc": math.nan if p is None else metrics.auc(p, area > 0),
    }


def _on_cpu(tensors: Iterable[torch.Tensor | None]) -> list[np.ndarray | None]:
    return [None if tensor is None else tensor.cpu().numpy() for tensor in tensors]


def _counts(probabilities: torch.Tensor, truth: torch.Tensor, rule: ThresholdRule) -> torch.Tensor:
    """Pixels above top, above bottom, of those inside the truth, and of the truth: (4, N)."""
    top, bottom = levels(rule)
    frame = F.interpolate(
        probabilities, size=truth.shape[-2:], mode="bilinear", align_corners=False
    )
    truth = truth.bool()
    inside = frame > _passing(bottom)
    parts = (frame > _passing(top), inside, inside & truth, truth)
    # Image by image: with a dim to count along, torch takes 16 times as long on a CPU.
    return torch.stack([torch.stack([one.count_nonzero() for one in part]) for part in parts])


def _passing(level: int) -> float:
    """The probability above which a map's 8-bit value, rounded, passes a level."""
    return (level + 0.5) / 255
