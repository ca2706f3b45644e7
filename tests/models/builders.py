"""Small recipes and batches for tests of networks."""

import torch
from torch import nn

from lib.models import NETWORKS
from lib.recipes import Input, LossWeights, Network, Phase, Recipe

SIZE = 64
OWN_LOSSES = {"chexlocnet"}
GRAY = Input(mean=(0.5,), std=(0.25,))


def recipe_of(
    name: str, size: int = SIZE, batch: int = 4, loss: LossWeights | None = None, **choices: object
) -> Recipe:
    """A recipe of one phase, with a small encoder where the network has one."""
    if "encoder" in NETWORKS[name].reads:
        choices = {"encoder": "resnet18"} | choices
    if loss is None:
        loss = LossWeights() if name in OWN_LOSSES else LossWeights(bce=1.0, dice=1.0)
    phase = Phase(size=size, epochs=1, batch=batch, lr=1e-3, loss=loss)
    return Recipe(
        name="test",
        source="test",
        summary="test",
        phases=(phase,),
        network=Network(name, **choices),
        input=GRAY if name == "abedalla_gray_unet" else Input(),
    )


def batch_of(count: int = 2, size: int = SIZE) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise, and masks with a box in each."""
    images = torch.randint(0, 256, (count, 1, size, size), dtype=torch.uint8)
    masks = torch.zeros_like(images)
    masks[:, :, size // 4 : size // 2, size // 4 : size // 2] = 1
    return images, masks


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
