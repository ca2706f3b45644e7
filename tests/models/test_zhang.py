"""ICA-ResUNet: the modules of each level, and the attention by an independent formula."""

import numpy as np
import torch
from scipy.special import expit
from torch import nn
from torchvision.models.resnet import Bottleneck

from lib.models import build_model
from lib.models.zhang import ImprovedCoordinateAttention
from tests.models.builders import recipe_of


def test_levels_have_3_4_6_3_bottlenecks_and_all_but_the_first_end_in_attention() -> None:
    with torch.device("meta"):
        model = build_model(recipe_of("zhang_ica_resunet"))
    kinds_by_level = [[type(module) for module in level.modules()] for level in model.down]
    assert [kinds.count(Bottleneck) for kinds in kinds_by_level] == [0, 3, 4, 6, 3]
    assert [kinds.count(ImprovedCoordinateAttention) for kinds in kinds_by_level] == [0, 1, 1, 1, 1]
    assert all(isinstance(level[-1], ImprovedCoordinateAttention) for level in model.down[1:])
    assert sum(isinstance(module, nn.Conv2d) for module in model.down[0].modules()) == 2
    assert not any(isinstance(m, ImprovedCoordinateAttention) for m in model.up.modules())


def test_levels_halve_and_the_decoder_mirrors_them() -> None:
    with torch.device("meta"):
        model = build_model(recipe_of("zhang_ica_resunet"))
        shapes = []
        for part in (*model.down, *model.up):
            part.register_forward_hook(lambda _, x, y: shapes.append((y.shape[1], y.shape[2])))
        model.logits(torch.zeros(1, 3, 512, 512))
    down = [(64, 512), (128, 256), (256, 128), (512, 64), (1024, 32)]
    assert shapes == [*down, *down[-2::-1]]


def weight_and_bias(layer: nn.Module) -> tuple[np.ndarray, np.ndarray]:
    return layer.weight.detach().double().numpy()[:, :, 0], layer.bias.detach().double().numpy()


def test_the_attention_is_its_formula() -> None:
    torch.manual_seed(0)
    module = ImprovedCoordinateAttention(6)
    norm = module.encode[1]
    for tensor in (norm.running_mean, norm.bias.data):
        tensor.normal_()
    for tensor in (norm.running_var, norm.weight.data):
        tensor.uniform_(0.5, 2)
    x = torch.randn(1, 6, 3, 4)
    maps = x[0].double().numpy()
    joint = np.concatenate([maps.mean(2) + maps.max(2), maps.mean(1) + maps.max(1)], axis=1)
    weight, bias = weight_and_bias(module.encode[0])
    mean, var, scale, shift = (
        tensor.detach().double().numpy()[:, None]
        for tensor in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    encoded = (weight @ joint + bias[:, None] - mean) / np.sqrt(var + norm.eps) * scale + shift
    encoded = encoded * np.clip(encoded + 3, 0, 6) / 6
    (by_row, row_bias), (by_column, column_bias) = map(
        weight_and_bias, (module.rows, module.columns)
    )
    rows = expit(by_row @ encoded[:, :3] + row_bias[:, None])
    columns = expit(by_column @ encoded[:, 3:] + column_bias[:, None])
    expected = maps + maps * rows[:, :, None] * columns[:, None, :]
    attended = module.eval()(x)[0].detach().numpy()
    np.testing.assert_allclose(attended, expected, rtol=1e-5, atol=1e-6)


def test_the_joint_encoding_has_a_thirtysecond_of_the_filters_but_at_least_eight() -> None:
    inner = [ImprovedCoordinateAttention(width).encode[0].out_channels for width in (128, 1024)]
    assert inner == [8, 32]
