"""The U-Net as first published."""

import dataclasses
from collections import Counter

import torch
from torch import nn

from lib.models import build_model
from tests.models.builders import GRAY, count, recipe_of


def test_the_classic_unet_has_about_31_million_parameters() -> None:
    """Niu, section on the structure of the U-Net: about 31 M with transposed convolution."""
    recipe = dataclasses.replace(recipe_of("classic_unet"), input=GRAY)
    with torch.device("meta"):
        model = build_model(recipe)
    widths = (64, 128, 256, 512, 1024)
    inputs = (1, *widths[:-1])
    down = sum(9 * (i * w + w * w) + 4 * w for i, w in zip(inputs, widths, strict=True))
    up = sum((4 * 2 * w * w + w) + 9 * (2 * w * w + w * w) + 4 * w for w in widths[:-1])
    assert count(model) == down + up + 64 + 1 == 31_036_481
    assert model.encoder is None
    kinds = Counter(type(module) for module in model.modules())
    assert (kinds[nn.Conv2d], kinds[nn.ConvTranspose2d], kinds[nn.MaxPool2d]) == (19, 4, 4)
