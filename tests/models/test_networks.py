"""Every network of NETWORKS: precision, sizes, options. Tests of every recipe train them."""

import dataclasses

import pytest
import torch

from lib.errors import InputError
from lib.models import NETWORKS, build_model
from lib.train.losses import WeightedLoss
from tests.models.builders import batch_of, recipe_of

every_network = pytest.mark.parametrize("name", NETWORKS)


@every_network
def test_half_precision_gives_finite_losses_and_float32_probabilities(name: str) -> None:
    recipe = recipe_of(name)
    model = build_model(recipe)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = model.training_loss(*batch_of(), WeightedLoss(recipe.phases[0].loss))
        probabilities, _ = model.eval().predict(batch_of()[0])
    losses["loss"].backward()
    assert losses["loss"].dtype == probabilities.dtype == torch.float32
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@every_network
def test_sizes_that_do_not_halve_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="size 100 must be a multiple of"):
        build_model(recipe_of(name, size=100))


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("unet", {"hypercolumns": True}),
        ("unet", {"centre": "aspp"}),
        ("fpn", {"attention": "scse"}),
        ("albunet", {"image_head": True}),
        ("classic_unet", {"encoder": "resnet50"}),
        ("zhang_ica_resunet", {"decoder_channels": (8, 8)}),
        ("viel_unet", {"decoder_channels": (8, 8)}),
    ],
)
def test_an_option_that_a_network_does_not_read_is_refused(name: str, option: dict) -> None:
    with pytest.raises(InputError, match=f"network.{next(iter(option))} = .*{name}"):
        build_model(recipe_of(name, **option))


@pytest.mark.parametrize("name", ["unet", "fpn", "deeplabv3plus", "viel_unet"])
def test_an_image_level_head_is_one_value_per_image(name: str) -> None:
    model = build_model(recipe_of(name, image_head=True)).eval()
    positive = model.predict(batch_of(3)[0])[1]
    assert positive is not None
    assert positive.shape == (3,)


def test_the_seed_decides_the_first_weights() -> None:
    recipe = recipe_of("unet")
    first, again = build_model(recipe), build_model(recipe)
    other = build_model(dataclasses.replace(recipe, seed=1))
    key = "net.segmentation_head.0.weight"
    assert torch.equal(first.state_dict()[key], again.state_dict()[key])
    assert not torch.equal(first.state_dict()[key], other.state_dict()[key])


def test_unknown_networks_and_encoders_are_refused() -> None:
    recipe = recipe_of("unet")
    network = dataclasses.replace(recipe.network, name="unett")
    with pytest.raises(InputError, match="'unett'; there are unet"):
        build_model(dataclasses.replace(recipe, network=network))
    with pytest.raises(InputError, match="'resnet35'"):
        build_model(recipe_of("unet", encoder="resnet35"))
