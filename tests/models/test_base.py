"""Interface of all networks: losses, probabilities, normalisation."""

from dataclasses import replace

import pytest
import torch

from lib import recipes
from lib.models import build_model
from lib.recipes import Input, Network
from lib.train.losses import WeightedLoss

DEMO = replace(recipes.get("demo"), network=Network("unet", "resnet18", "none", image_head=True))


def test_validation_has_the_losses_and_predictions_of_training_and_inference() -> None:
    model = build_model(DEMO).eval()
    images = torch.randint(0, 256, (2, 1, 64, 64), dtype=torch.uint8)
    batch = images, images // 255, WeightedLoss(DEMO.phases[0].loss)
    losses, predictions = model.evaluate(*batch)
    assert losses["loss"] == model.training_loss(*batch)["loss"]
    for evaluated, predicted in zip(predictions, model.predict(images), strict=True):
        assert torch.equal(evaluated, predicted)


def test_the_network_normalises_by_itself() -> None:
    model = build_model(replace(DEMO, input=Input(mean=(0.5, 0.2), std=(0.1, 0.4))))
    channels = model.normalise(torch.full((1, 1, 2, 2), 255, dtype=torch.uint8))
    assert channels[0, :, 0, 0].tolist() == pytest.approx([5.0, 2.0])
    assert "mean" not in model.state_dict()
