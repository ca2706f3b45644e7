"""Checks of a recipe against its network: sides and batches."""

import dataclasses

import pytest
import torch

from lib.errors import InputError
from lib.models import build_model
from tests.models.builders import recipe_of


@pytest.mark.parametrize(("name", "stride"), [("unet", 32), ("albunet", 64), ("classic_unet", 16)])
def test_the_smallest_size_is_the_stride(name: str, stride: int) -> None:
    with torch.device("meta"):
        build_model(recipe_of(name, size=stride))
        with pytest.raises(InputError, match=f"size {stride // 2} must be a multiple of {stride}"):
            build_model(recipe_of(name, size=stride // 2))


def test_crops_must_halve_too() -> None:
    recipe = recipe_of("unet")
    cropped = dataclasses.replace(recipe.phases[0], crop=48)
    with pytest.raises(InputError, match="crop 48 must be a multiple of 32"):
        build_model(dataclasses.replace(recipe, phases=(cropped,)))


@pytest.mark.parametrize(
    "choices", [{"name": "deeplabv3plus"}, {"name": "viel_unet", "centre": "aspp"}]
)
def test_aspp_refuses_batches_that_may_be_one_image(choices: dict) -> None:
    with pytest.raises(InputError, match="batch 2: ASPP"):
        build_model(recipe_of(**choices, batch=2))
