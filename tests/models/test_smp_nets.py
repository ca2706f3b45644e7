"""Networks of segmentation-models-pytorch: encoders, channels, dilation."""

import pytest
import torch

from lib.errors import InputError
from lib.models import build_model
from tests.models.builders import SIZE, count, recipe_of


def test_the_resnet34_unet_has_the_published_number_of_parameters() -> None:
    """24.4 M in 2ST-UNet, section 5."""
    with torch.device("meta"):
        assert count(build_model(recipe_of("unet", encoder="resnet34"))) == 24_436_369


def test_an_encoder_of_timm_has_its_prefix() -> None:
    model = build_model(recipe_of("unet", encoder="tu-resnet18"))
    assert model.logits(torch.zeros(2, 3, SIZE, SIZE))[0].shape == (2, 1, SIZE, SIZE)
    with pytest.raises(InputError, match="no encoder 'tu-resnet19'; .*tu-NAME"):
        build_model(recipe_of("unet", encoder="tu-resnet19"))


@pytest.mark.parametrize("encoder", ["se_resnext50_32x4d", "resnext50_32x4d"])
def test_deeplabs_encoder_is_dilated_and_keeps_its_names(encoder: str) -> None:
    with torch.device("meta"):
        model = build_model(recipe_of("deeplabv3plus", encoder=encoder))
        plain = build_model(recipe_of("unet", encoder=encoder))
        maps = model.encoder(torch.zeros(2, 3, SIZE, SIZE))
    assert [SIZE // level.shape[-1] for level in maps] == [1, 2, 4, 8, 16, 16]
    shapes = [{k: v.shape for k, v in m.encoder.state_dict().items()} for m in (model, plain)]
    assert shapes[0] == shapes[1]


def test_encoders_that_cannot_be_dilated_are_refused() -> None:
    with pytest.raises(InputError, match="deeplabv3plus with encoder densenet121: .*dilated"):
        build_model(recipe_of("deeplabv3plus", encoder="densenet121"))


def test_the_channel_table_of_the_resnet34_unet() -> None:
    """2ST-UNet, table 3: sides as parts of the image, filters, and what decoder blocks are fed."""
    with torch.device("meta"):
        model = build_model(recipe_of("unet", encoder="resnet34"))
        fed, given = [], []
        for block in model.net.decoder.blocks:
            block.conv1.register_forward_hook(lambda _, x, y: fed.append(x[0].shape[1]))
            block.register_forward_hook(lambda _, x, y: given.append((y.shape[1], y.shape[2])))
        maps = model.encoder(torch.zeros(2, 3, 512, 512))
        model.logits(torch.zeros(2, 3, 512, 512))
    table = [(64, 256), (64, 128), (128, 64), (256, 32), (512, 16)]
    assert [(level.shape[1], level.shape[2]) for level in maps[1:]] == table
    assert fed == [768, 384, 192, 128, 32]
    assert given == [(256, 32), (128, 64), (64, 128), (32, 256), (16, 512)]
    head = model.net.segmentation_head[0]
    assert (head.in_channels, head.out_channels, head.kernel_size) == (16, 1, (3, 3))
