"""Reference training step and inference, in the way that published pipelines do them.

Training: float32 in NCHW, an optimizer that is not fused, the loss read after every step.
Inference: one image at a time, a pass for each view, no reading or writing during computation.
"""

from collections.abc import Sequence
from pathlib import Path

import torch

from lib import images
from lib.models import SegmentationNetwork, build_model
from lib.recipes import Recipe
from lib.train.losses import WeightedLoss


class Step:
    """A training step on normalised images, as published loaders give them."""

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        self.model = build_model(recipe).to(device).train()
        self.phase = recipe.phases[0]
        self.criterion = WeightedLoss(self.phase.loss)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=self.phase.lr)

    def __call__(self, images: torch.Tensor, masks: torch.Tensor) -> float:
        """Take a step on a batch of (N, C, H, W) float32; return its loss."""
        self.optimizer.zero_grad()
        loss = self.criterion(*self.model.logits(images), masks)["loss"]
        loss.backward()
        if self.phase.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.phase.clip)
        self.optimizer.step()
        return loss.item()


def normalise(model: SegmentationNetwork, gray: torch.Tensor) -> torch.Tensor:
    """Return gray images of 0 to 255 as network input, channels first."""
    return ((gray.float() / 255 - model.mean) / model.std).contiguous()


@torch.no_grad()
def infer(
    model: SegmentationNetwork, sources: Sequence[Path], folder: Path, device: torch.device
) -> None:
    """Write the maps of images, one image at a time; a map is the mean of two views."""
    for path in sources:
        gray = torch.from_numpy(images.read_png(path))[None, None].to(device)
        image = normalise(model, gray)
        plain = model.logits(image)[0].sigmoid()
        mirrored = model.logits(image.flip(-1))[0].sigmoid().flip(-1)
        mean = ((plain + mirrored) / 2).squeeze().cpu().numpy()
        images.write_png(folder / path.name, images.quantize(mean))
