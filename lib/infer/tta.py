"""Test-time augmentation: the mean of an image's map and of its mirror image's, in one batch."""

from collections.abc import Sequence

import torch

from lib.models.base import Prediction, SegmentationNetwork


def predict_with_flips(
    models: Sequence[SegmentationNetwork], images: torch.Tensor, flip: bool
) -> Prediction:
    """Average the probabilities of several checkpoints, in float.

    Args:
        models: the networks, in evaluation mode.
        images: (N, 1, H, W) uint8.
        flip: whether the mirror image counts too.

    Returns:
        (N, 1, H, W) probabilities, and (N,) image probabilities or None.
    """
    views = torch.cat([images, images.flip(-1)]) if flip else images
    maps, positives = zip(*(model.predict(views) for model in models), strict=True)
    probabilities = torch.stack(maps).mean(0)
    positive = None if positives[0] is None else torch.stack(positives).mean(0)
    if not flip:
        return probabilities, positive
    plain, mirrored = probabilities.chunk(2)
    halves = None if positive is None else torch.stack(positive.chunk(2)).mean(0)
    return (plain + mirrored.flip(-1)) / 2, halves
