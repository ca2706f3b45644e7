"""Mask R-CNN on masks: targets, one probability map per image, losses in both modes."""

import dataclasses

import pytest
import torch
from segmentation_models_pytorch.encoders import get_encoder
from torch import nn

from lib.errors import InputError
from lib.models import build_model
from lib.models.chexlocnet import CheXLocNet, render, targets_of
from lib.recipes import LossWeights
from tests.models.builders import SIZE, batch_of, recipe_of

LOSSES = {"loss", "classifier", "box_reg", "mask", "objectness", "rpn_box_reg"}


@pytest.fixture
def model() -> CheXLocNet:
    return build_model(recipe_of("chexlocnet"))


def unused(*args: object) -> dict[str, torch.Tensor]:
    raise AssertionError("the losses are the network's own")


def test_each_component_of_a_mask_is_an_instance() -> None:
    mask = torch.zeros(6, 8, dtype=torch.uint8)
    mask[0:2, 1:4] = 1  # rows 0-1, columns 1-3
    mask[4, 6] = mask[5, 7] = 1  # touch by a corner
    mask[3, 0] = 1  # one pixel has an area too
    target = targets_of(mask)
    assert target["boxes"].tolist() == [[1, 0, 4, 2], [0, 3, 1, 4], [6, 4, 8, 6]]
    assert target["labels"].tolist() == [1, 1, 1]
    assert target["masks"].sum((1, 2)).tolist() == [6, 1, 2]
    assert torch.equal(target["masks"].sum(0).to(torch.uint8), mask)


def test_an_empty_mask_has_no_instances() -> None:
    target = targets_of(torch.zeros(4, 5, dtype=torch.uint8))
    assert {name: tuple(value.shape) for name, value in target.items()} == {
        "boxes": (0, 4), "labels": (0,), "masks": (0, 4, 5),
    }  # fmt: skip


def test_batches_of_empty_images_have_finite_losses_and_gradients(model: CheXLocNet) -> None:
    images, _ = batch_of()
    losses = model.train().training_loss(images, torch.zeros_like(images), unused)
    losses["loss"].backward()
    assert losses.keys() == LOSSES
    assert losses["loss"].isfinite()
    assert losses["mask"] == losses["box_reg"] == 0
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert gradients
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_the_loss_is_the_sum_of_the_five(model: CheXLocNet) -> None:
    losses = model.training_loss(*batch_of(), unused)
    assert losses.keys() == LOSSES
    parts = sum(value for name, value in losses.items() if name != "loss")
    assert losses["loss"].item() == pytest.approx(parts.item(), rel=1e-6)
    assert losses["mask"] > 0


def test_validation_losses_change_neither_modes_nor_statistics(model: CheXLocNet) -> None:
    model.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.inference_mode():
        losses = model.training_loss(*batch_of(), unused)
    assert losses.keys() == LOSSES
    assert losses["loss"].isfinite()
    assert not any(module.training for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    model.train().training_loss(*batch_of(), unused)["loss"].backward()  # and training goes on
    assert all(module.training for module in model.modules())


def test_frozen_batch_norms_stay_frozen_through_a_loss(model: CheXLocNet) -> None:
    norms = [m for m in model.train().encoder.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.eval()
    model.training_loss(*batch_of(), unused)
    assert norms
    assert not any(norm.training for norm in norms)


def detections(boxes: list[list[float]], scores: list[float]) -> dict[str, torch.Tensor]:
    """Detections whose masks fill their boxes with 1."""
    corners, masks = torch.tensor(boxes).reshape(-1, 4), torch.ones(len(scores), 1, 28, 28)
    return {"boxes": corners, "scores": torch.tensor(scores), "masks": masks}


def test_a_pixel_has_the_best_score_times_mask_of_its_instances() -> None:
    instances = detections([[0, 0, 16, 16], [8, 8, 32, 32]], [0.5, 0.75])
    instances["masks"][1] *= 0.8
    rendered = render(instances, (40, 40))
    assert rendered.shape == (1, 40, 40)
    points = [rendered[0, y, x].item() for y, x in ((4, 4), (12, 12), (24, 24), (38, 38))]
    assert points == pytest.approx([0.5, 0.6, 0.6, 0.0])


class FakeHeads(nn.Module):
    """Heads that find one box in the first of two images."""

    def forward(self, *args: object) -> tuple[list[dict[str, torch.Tensor]], dict]:
        return [detections([[8, 8, 24, 24]], [0.9]), detections([], [])], {}


def test_predict_renders_the_detections_of_the_heads(model: CheXLocNet) -> None:
    model.detector.roi_heads = FakeHeads()
    probabilities, positive = model.eval().predict(batch_of()[0])
    assert positive is None
    assert probabilities.shape == (2, 1, SIZE, SIZE)
    assert probabilities[0, 0, 16, 16].item() == pytest.approx(0.9)
    assert probabilities[0, 0, 40, 40] == 0
    assert probabilities[1].max() == 0


@pytest.mark.parametrize("encoder", ["resnet34", "resnet50"])
def test_the_encoder_has_the_names_and_shapes_of_smps(encoder: str) -> None:
    with torch.device("meta"):
        body = build_model(recipe_of("chexlocnet", encoder=encoder)).encoder
        smp_encoder = get_encoder(encoder, weights=None)
    shapes = [{k: v.shape for k, v in m.state_dict().items()} for m in (body, smp_encoder)]
    assert shapes[0] == shapes[1]


def test_weights_of_losses_other_encoders_and_gray_input_are_refused() -> None:
    recipe = recipe_of("chexlocnet")
    weighted = dataclasses.replace(recipe.phases[0], loss=LossWeights(bce=1.0))
    with pytest.raises(InputError, match="phases.N.loss to 0"):
        build_model(dataclasses.replace(recipe, phases=(weighted,)))
    with pytest.raises(InputError, match="'vgg16'; it has resnet18"):
        build_model(recipe_of("chexlocnet", encoder="vgg16"))
    gray = dataclasses.replace(recipe.input, mean=(0.5,), std=(0.5,))
    with pytest.raises(InputError, match="1 entries; chexlocnet needs three"):
        build_model(dataclasses.replace(recipe, input=gray))
