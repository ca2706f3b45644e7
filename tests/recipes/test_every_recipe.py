"""Every recipe is built, trains a step, is saved and loaded, and infers."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lib import recipes
from lib.infer.predict import predict_with_flips
from lib.models import NETWORKS, build_model, weights
from lib.recipes import Recipe
from lib.train.freezing import training_mode
from lib.train.losses import WeightedLoss
from lib.train.optim import build_optimizer

SIZE = 64  # the smallest side of the deepest networks


def at_smallest_size(recipe: Recipe) -> Recipe:
    return replace(
        recipe, phases=tuple(replace(phase, size=SIZE, crop=None) for phase in recipe.phases)
    )


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Two images of noise, one with a bright box and its mask."""
    images = torch.randint(0, 150, (2, 1, SIZE, SIZE), dtype=torch.uint8)
    masks = torch.zeros_like(images)
    masks[0, :, 10:30, 20:40] = 1
    return images + 100 * masks, masks


def test_every_network_has_a_recipe() -> None:
    assert {recipe.network.name for recipe in recipes.RECIPES.values()} == NETWORKS.keys()


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_a_recipe_trains_a_step_and_infers_the_same_after_loading(
    name: str, tmp_path: Path
) -> None:
    recipe = at_smallest_size(recipes.get(name))
    phase = recipe.phases[0]
    model = build_model(recipe)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    images, masks = batch()

    optimizer = build_optimizer(phase, model.parameters(), model.decoder)
    with training_mode(model, phase, epoch=0):
        losses = model.training_loss(images, masks, WeightedLoss(phase.loss))
        losses["loss"].backward()
    optimizer.step()
    after = model.state_dict()
    assert torch.isfinite(losses["loss"])
    assert all(torch.isfinite(value).all() for value in after.values())
    last = [name for name, _ in model.named_parameters()][-1]
    assert not torch.equal(after[last], before[last])

    weights.save(tmp_path / "step.pt", after)
    other = build_model(replace(recipe, seed=recipe.seed + 1))
    loaded = weights.load_model(other, tmp_path / "step.pt")
    with torch.inference_mode():
        maps, p = predict_with_flips([model.eval()], images, flip=True)
        again, p_again = predict_with_flips([loaded.eval()], images, flip=True)
    assert maps.shape == images.shape
    assert 0 <= maps.min() <= maps.max() <= 1
    assert torch.equal(again, maps)
    if not recipe.network.image_head:
        assert p is p_again is None
        return
    assert p.shape == (2,)
    assert torch.equal(p_again, p)
