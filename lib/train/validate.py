"""Validation with the competition's metric, at the recipe's fixed rule and at the best triplet.

A fixed rule cannot rank early epochs: it gives the all-empty score to a network whose probabilities
are still below its thresholds, and less to one that begins to find lesions. The best triplet of the
validation images ranks both. It ranks checkpoints only: stage 04 tunes and cross-fits its own.
"""

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch.nn import functional as F

from lib import device as machine
from lib import distributed, metrics
from lib.decision import histograms
from lib.decision.histograms import Histograms
from lib.decision.rules import ThresholdRule
from lib.decision.threshold_search import PRESETS, search
from lib.models import SegmentationNetwork
from lib.models.base import Criterion


@torch.inference_mode()
def validate(
    model: SegmentationNetwork,
    loader: Iterable[tuple[torch.Tensor, ...]],
    criterion: Criterion,
    rule: ThresholdRule,
    device: torch.device,
    tune: bool = False,
) -> dict[str, float]:
    """Score a network on the images of its fold; all processes return the metrics of all images.

    The rule's thresholds, minimum area and class gate are applied. Component area and holes are
    left to stage 04: to label the components of every map takes too long in each epoch.

    Args:
        model: the network.
        loader: this process's shard of the batches: images, masks of the same size, and truth in
            the RLE frame.
        criterion: the loss of the phase.
        rule: the recipe's fixed rule.
        device: the device of the network.
        tune: also search the best triplet of these images.

    Returns:
        loss (the mean of batch losses, weighted by their images), dice, iou, positive_dice, and
        class_auc; NaN for metrics that cannot be computed without positives or without an
        image-level head. With `tune` also tuned_dice, and its triplet: tuned_top, tuned_min_area,
        and tuned_bottom.
    """
    model.eval()
    batches, pixel_counts = [], []
    for images, masks, truth in loader:
        images, masks = images.to(device, non_blocking=True), masks.to(device, non_blocking=True)
        with machine.autocast(device):
            losses, (probabilities, p_positive) = model.evaluate(images, masks, criterion)
        frame = F.interpolate(
            probabilities, size=truth.shape[-2:], mode="bilinear", align_corners=False
        )
        counts = _counts(frame, truth.to(device, non_blocking=True).bool(), rule)
        batches.append((losses["loss"] * len(images), counts, p_positive))
        if tune:
            pixel_counts.append(_count_values(frame, truth))
    loss_sums, counts_by_batch, p_by_batch = zip(
        *distributed.all_gather(map(_to_numpy, batches)), strict=True
    )
    above_top, predicted, overlap, area = np.concatenate(counts_by_batch, 1)
    p = None if p_by_batch[0] is None else np.concatenate(p_by_batch)
    empty = above_top < rule.min_area
    if rule.class_min is not None and p is not None:
        empty |= p < rule.class_min
    areas = np.where(empty, 0, predicted), area, np.where(empty, 0, overlap)
    dice = metrics.dice(*areas)
    values = {
        "loss": float(np.sum(loss_sums) / area.size),
        "dice": float(dice.mean()),
        "iou": float(metrics.iou(*areas).mean()),
        "positive_dice": metrics.positive_dice(dice, area > 0),
        "class_auc": math.nan if p is None else metrics.auc(p, area > 0),
    }
    return values | _best_triplet(pixel_counts) if tune else values


def _to_numpy(tensors: Iterable[torch.Tensor | None]) -> list[np.ndarray | None]:
    return [None if tensor is None else tensor.cpu().numpy() for tensor in tensors]


def _counts(frame: torch.Tensor, truth: torch.Tensor, rule: ThresholdRule) -> torch.Tensor:
    """Count pixels of each image: (4, N).

    The rows are: above top, above bottom, above bottom inside the truth, and the truth.
    """
    # A rounded 8-bit value passes a level if the probability is above the middle to the next one.
    top, bottom = ((level + 0.5) / 255 for level in rule.levels)
    predicted = frame > bottom
    pixel_sets = (frame > top, predicted, predicted & truth, truth)
    # Image by image: counting along a dim takes torch 16 times as long on a CPU.
    return torch.stack(
        [torch.stack([image.count_nonzero() for image in pixels]) for pixels in pixel_sets]
    )


def _count_values(frame: torch.Tensor, truth: torch.Tensor) -> np.ndarray:
    """Count the pixels of each image by 8-bit value, all and those in the truth: (2, N, 256)."""
    maps = (frame * 255).round_().to(torch.uint8).cpu().numpy()
    counts = map(histograms.count, maps[:, 0], truth[:, 0].bool().cpu().numpy())
    return np.stack(list(counts), axis=1)


def _best_triplet(pixel_counts: Iterable[np.ndarray]) -> dict[str, float]:
    """Return the Dice of the best triplet of all images, and the triplet, for history.csv."""
    pixels, inside = np.concatenate(distributed.all_gather(pixel_counts), axis=1)
    surface = search(Histograms(np.arange(len(pixels)), pixels, inside), PRESETS["triplet"])
    return {
        "tuned_dice": float(surface.score.max()),
        "tuned_top": surface.best.top,
        "tuned_min_area": surface.best.min_area,
        "tuned_bottom": surface.best.bottom,
    }
