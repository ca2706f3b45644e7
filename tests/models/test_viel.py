"""The ablation network: the parts of its options; lib.recipes.viel has all combinations."""

import pytest
import torch
from torch import nn

from lib import recipes
from lib.models import build_model
from lib.models.viel import DecoderBlock, conv_relu_norm
from lib.train.optim import build_optimizer
from tests.models.builders import count, recipe_of


def parameters(**choices: object) -> int:
    with torch.device("meta"):
        return count(
            build_model(recipe_of("viel_unet", encoder="resnet34", image_head=True, **choices))
        )


@pytest.mark.parametrize("hypercolumns", [False, True])
def test_aspp_makes_the_network_lighter_by_the_published_number(hypercolumns: bool) -> None:
    """Section 4.2: about 800000 parameters fewer."""
    lighter = parameters(centre="aspp", hypercolumns=hypercolumns)
    assert parameters(hypercolumns=hypercolumns) - lighter == 752_640


def test_hypercolumns_widen_the_input_of_the_global_layer_alone() -> None:
    with torch.device("meta"):
        model = build_model(recipe_of("viel_unet", hypercolumns=True))
    assert model.global_layer[0][0].in_channels == 4 * 64
    assert parameters(hypercolumns=True) - parameters() == 3 * 64 * 64


def test_four_blocks_of_64_filters_and_a_last_doubling() -> None:
    with torch.device("meta"):
        model = build_model(recipe_of("viel_unet", encoder="resnet34"))
        shapes = []
        for part in (*model.blocks, model.global_layer):
            part.register_forward_hook(lambda _, x, y: shapes.append((y.shape[1], y.shape[2])))
        mask, _ = model.logits(torch.zeros(2, 3, 256, 256))
    assert shapes == [(64, 16), (64, 32), (64, 64), (64, 128), (1, 128)]
    assert mask.shape == (2, 1, 256, 256)


def test_the_decoder_upsamples_by_the_nearest_pixel() -> None:
    block = DecoderBlock(2, None)
    received = []
    block.layers.register_forward_hook(lambda _, x, y: received.append(x[0]))
    deeper, skip = torch.randn(2, 1, 2, 2), torch.randn(2, 1, 4, 4)
    block(deeper, skip)
    doubled = deeper.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.equal(received[0], torch.cat([doubled, skip], dim=1))


def test_only_the_blocks_have_the_decoders_weight_decay() -> None:
    """Centre, global layer and branch have the encoder's, as in the authors' code."""
    model = build_model(recipe_of("viel_unet", image_head=True))
    phase = recipes.get("viel_baseline").phases[-1]
    optimizer = build_optimizer(phase, model.parameters(), model.decoder)
    decays = {p: group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    for name, parameter in model.named_parameters():
        assert decays[parameter] == (1e-2 if name.startswith("blocks.") else 1e-4), name


def test_the_block_is_convolution_then_relu_then_batch_norm() -> None:
    kinds = [type(layer) for layer in conv_relu_norm(1, 1, kernel=3)]
    assert kinds == [nn.Conv2d, nn.ReLU, nn.BatchNorm2d]


def test_scse_stands_around_the_convolutions_and_adds_its_two_maps() -> None:
    """Section 4.4, written out: channels by a pooled perceptron, pixels by a 1 x 1 convolution."""
    torch.manual_seed(0)
    layers = DecoderBlock(32, "scse").layers
    assert type(layers[0]) is type(layers[-1])
    attention = layers[0].attention
    x = torch.randn(2, 32, 3, 5)
    squeeze, excite = attention.cSE[1], attention.cSE[3]
    hidden = (x.mean((2, 3)) @ squeeze.weight[:, :, 0, 0].T + squeeze.bias).clamp(min=0)
    channels = (hidden @ excite.weight[:, :, 0, 0].T + excite.bias).sigmoid()
    spatial = attention.sSE[0]
    pixels = (torch.einsum("nchw,c->nhw", x, spatial.weight[0, :, 0, 0]) + spatial.bias).sigmoid()
    expected = x * channels[:, :, None, None] + x * pixels[:, None]
    assert torch.allclose(layers[0](x), expected, atol=1e-6)


def test_the_image_branch_sees_mean_and_maximum_of_the_centre() -> None:
    model = build_model(recipe_of("viel_unet", image_head=True)).eval()
    maps = torch.randn(2, 512, 2, 2)
    first, second = model.branch.layers
    pooled = torch.cat([maps.mean((2, 3)), maps.flatten(2).max(2).values], 1)
    assert (first.in_features, first.out_features) == (1024, 32)
    assert torch.allclose(model.branch(maps), second(first(pooled))[:, 0], atol=1e-6)
