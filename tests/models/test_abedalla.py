"""The gray U-Net of 2ST-UNet."""

import dataclasses

import pytest
import torch

from lib.errors import InputError
from lib.models import build_model
from lib.recipes import Input
from tests.models.builders import count, recipe_of


def test_the_gray_unet_adds_a_learnt_map_from_one_channel_to_three() -> None:
    with torch.device("meta"):
        gray = build_model(recipe_of("abedalla_gray_unet", encoder="resnet34"))
    assert count(gray) == 24_436_369 + 3 * 1 + 3
    assert next(gray.encoder.parameters()).shape[1] == 3
    recipe = dataclasses.replace(recipe_of("abedalla_gray_unet"), input=Input())
    with pytest.raises(InputError, match="has 3 entries; abedalla_gray_unet needs one"):
        build_model(recipe)
