"""Every network: it builds, learns, predicts, and refuses what it cannot be."""

import dataclasses
from collections import Counter

import pytest
import torch
from torch import nn

from lib.errors import InputError
from lib.models import NETWORKS, SegmentationNetwork, build_model, weights
from lib.recipes import Input, LossWeights, Network, Phase, Recipe
from lib.train.losses import WeightedLoss

SIZE = 64
OWN_LOSSES = {"chexlocnet"}
GRAY = Input(mean=(0.5,), std=(0.25,))
ENCODERS = (
    "resnet50", "resnet101", "se_resnext50_32x4d", "se_resnext101_32x4d", "efficientnet-b3",
    "efficientnet-b5", "densenet121", "vgg16", "vgg16_bn",
)  # fmt: skip
every_network = pytest.mark.parametrize("name", NETWORKS)


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


def step(model: SegmentationNetwork, recipe: Recipe) -> dict[str, torch.Tensor]:
    """A step of the optimizer that must change the first and the last parameter."""
    before = [parameter.detach().clone() for parameter in model.parameters()]
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses = model.train().training_loss(*batch_of(), WeightedLoss(recipe.phases[0].loss))
    losses["loss"].backward()
    optimizer.step()
    changed = [not torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True)]
    assert changed[0]
    assert changed[-1]
    return losses


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@every_network
def test_a_network_learns_predicts_and_survives_saving(name: str) -> None:
    recipe = recipe_of(name)
    model = build_model(recipe)
    losses = step(model, recipe)
    assert all(value.isfinite() and value.ndim == 0 for value in losses.values())
    other = build_model(dataclasses.replace(recipe, seed=1)).eval()
    other.load_state_dict(model.state_dict())
    images, _ = batch_of(3)
    with torch.inference_mode():
        probabilities, positive = model.eval().predict(images)
        assert torch.equal(other.predict(images)[0], probabilities)
    assert probabilities.shape == (3, 1, SIZE, SIZE)
    assert probabilities.dtype == torch.float32
    assert 0 <= probabilities.min() <= probabilities.max() <= 1
    assert positive is None


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
    ("name", "choice"),
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
def test_what_a_network_does_not_read_is_refused(name: str, choice: dict) -> None:
    with pytest.raises(InputError, match=f"network.{next(iter(choice))} = .*{name} has no such"):
        build_model(recipe_of(name, **choice))


@pytest.mark.parametrize("name", ["unet", "fpn", "deeplabv3", "viel_unet"])
def test_an_image_level_head_is_one_logit_an_image(name: str) -> None:
    model = build_model(recipe_of(name, image_head=True)).eval()
    positive = model.predict(batch_of(3)[0])[1]
    assert positive is not None
    assert positive.shape == (3,)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_encoders_of_the_papers_fit(encoder: str) -> None:
    with torch.device("meta"):
        model = build_model(recipe_of("unet", encoder=encoder, attention="scse", image_head=True))
        mask, positive = model.logits(torch.zeros(2, 3, SIZE, SIZE))
    assert mask.shape == (2, 1, SIZE, SIZE)
    assert positive is not None
    assert positive.shape == (2,)


@pytest.mark.parametrize("encoder", ["se_resnext50_32x4d", "resnext50_32x4d"])
def test_deeplabs_encoder_is_dilated_and_keeps_its_names(encoder: str) -> None:
    with torch.device("meta"):
        model = build_model(recipe_of("deeplabv3", encoder=encoder))
        plain = build_model(recipe_of("unet", encoder=encoder))
        maps = model.encoder(torch.zeros(2, 3, SIZE, SIZE))
    assert [SIZE // level.shape[-1] for level in maps] == [1, 2, 4, 8, 8, 8]
    shapes = [{k: v.shape for k, v in m.encoder.state_dict().items()} for m in (model, plain)]
    assert shapes[0] == shapes[1]


def test_encoders_that_cannot_be_dilated_are_refused() -> None:
    with pytest.raises(InputError, match="deeplabv3 with encoder densenet121: .*dilated"):
        build_model(recipe_of("deeplabv3", encoder="densenet121"))


@pytest.mark.parametrize(
    "choices", [{"name": "deeplabv3"}, {"name": "viel_unet", "centre": "aspp"}]
)
def test_aspp_refuses_batches_that_may_be_one_image(choices: dict) -> None:
    with pytest.raises(InputError, match="batch 2: ASPP"):
        build_model(recipe_of(**choices, batch=2))


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


def test_the_gray_unet_adds_a_learnt_map_from_one_channel_to_three() -> None:
    with torch.device("meta"):
        gray = build_model(recipe_of("abedalla_gray_unet", encoder="resnet34"))
    assert count(gray) == 24_436_369 + 3 * 1 + 3
    assert next(gray.encoder.parameters()).shape[1] == 3
    recipe = dataclasses.replace(recipe_of("abedalla_gray_unet"), input=Input())
    with pytest.raises(InputError, match="has 3 entries; abedalla_gray_unet wants one"):
        build_model(recipe)


def test_the_classic_unet_has_about_31_million_parameters() -> None:
    """Niu, section on the structure of the U-Net: about 31 M with transposed convolution."""
    recipe = dataclasses.replace(recipe_of("classic_unet"), input=GRAY)
    with torch.device("meta"):
        model = build_model(recipe)
    widths = (64, 128, 256, 512, 1024)
    inputs = (1, *widths[:-1])
    down = sum(9 * (i * w + w * w) + 4 * w for i, w in zip(inputs, widths, strict=True))
    up = sum((4 * 2 * w * w + w) + 9 * (2 * w * w + w * w) + 4 * w for w in widths[:-1])
    assert count(model) == down + up + 64 + 1 == 31_036_481
    assert model.encoder is None
    kinds = Counter(type(module) for module in model.modules())
    assert (kinds[nn.Conv2d], kinds[nn.ConvTranspose2d], kinds[nn.MaxPool2d]) == (19, 4, 4)


def test_albunets_centre_is_pooled_and_its_decoder_has_no_batch_norm() -> None:
    with torch.device("meta"):
        model = build_model(recipe_of("albunet", encoder="resnet34"))
        sides = []
        for block in (model.centre, *model.blocks, model.last):
            block.register_forward_hook(lambda _, x, y: sides.append((x[0].shape[2], y.shape[1])))
        model.logits(torch.zeros(2, 3, 256, 256))
    norms = [name for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms
    assert all(name.startswith("backbone.") for name in norms)
    assert sides == [(4, 256), (8, 256), (16, 256), (32, 64), (64, 128), (128, 1)]
    fed = [block[1][0].in_channels for block in model.blocks]
    assert fed == [512 + 256, 256 + 256, 128 + 256, 64 + 64]


@pytest.mark.parametrize("name", [name for name in NETWORKS if "encoder" in NETWORKS[name].reads])
def test_pretrained_weights_fit_the_encoder(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Smp's tensors of that name, all of them, and nothing else; here without a download."""
    asked = {}

    def offline(encoder: str, channels: int, weights: str) -> nn.Module:
        asked["weights"] = weights
        return real(encoder, channels, weights=None)

    real = weights.get_encoder
    monkeypatch.setattr(weights, "get_encoder", offline)
    recipe = recipe_of(name)
    model = build_model(recipe)
    said = weights.init_encoder(model, recipe, "imagenet")
    assert said == "encoder starts from ImageNet: 120 of 120 tensors matched"
    assert asked["weights"] == "imagenet"


def test_networks_from_scratch_have_no_encoder_to_load() -> None:
    recipe = recipe_of("classic_unet")
    with (
        torch.device("meta"),
        pytest.raises(InputError, match="no encoder; --encoder-weights none"),
    ):
        weights.init_encoder(build_model(recipe), recipe, "imagenet")
