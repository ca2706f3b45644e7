"""AlbuNet: its centre and decoder."""

import torch
from torch import nn

from lib.models import build_model
from tests.models.builders import recipe_of


def test_albunets_centre_is_pooled_and_its_decoder_has_no_batch_norm() -> None:
    with torch.device("meta"):
        model = build_model(recipe_of("albunet", encoder="resnet34"))
        sides = []
        for block in (model.centre, *model.blocks, model.last):
            block.register_forward_hook(lambda _, x, y: sides.append((x[0].shape[2], y.shape[1])))
        model.logits(torch.zeros(2, 3, 256, 256))
    norms = [name for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms
    assert all(name.startswith("backbone.") for name in norms)
    assert sides == [(4, 256), (8, 256), (16, 256), (32, 64), (64, 128), (128, 1)]
    fed = [block[1][0].in_channels for block in model.blocks]
    assert fed == [512 + 256, 256 + 256, 128 + 256, 64 + 64]
