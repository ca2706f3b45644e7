"""Losses against values by hand, independent formulas, and other libraries."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from torch.nn import functional as F

from lib.errors import InputError
from lib.recipes import LossWeights
from lib.train.losses import (
    IMAGE_LOSSES,
    PIXEL_LOSSES,
    WeightedLoss,
    batch_dice_loss,
    bce_loss,
    focal_loss,
    lovasz_loss,
    positive_dice_loss,
    soft_dice_loss,
    squared_dice_loss,
)

# Those with a gradient on empty images: Dice on positives has none.
WITH_GRADIENT = [
    bce_loss, soft_dice_loss, batch_dice_loss, squared_dice_loss, focal_loss, lovasz_loss
]  # fmt: skip


def logits_of(*probabilities: float) -> torch.Tensor:
    """(1, 1, 1, n) logits of these probabilities."""
    return torch.logit(torch.tensor(probabilities, dtype=torch.float64)).view(1, 1, 1, -1)


def masks_of(*values: int) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64).view(1, 1, 1, -1)


def test_dice_by_hand() -> None:
    # overlap .8, total .8 + .4 + 1 = 2.2: 1 - (1.6 + 1) / (2.2 + 1)
    loss = soft_dice_loss(logits_of(0.8, 0.4), masks_of(1, 0))
    assert loss.item() == pytest.approx(1 - 2.6 / 3.2)


def test_dice_is_the_mean_over_images_not_over_the_batch() -> None:
    logits = torch.cat([logits_of(0.8, 0.4), logits_of(0.1, 0.1)])
    masks = torch.cat([masks_of(1, 0), masks_of(0, 0)])
    each = [soft_dice_loss(logits[i : i + 1], masks[i : i + 1]).item() for i in range(2)]
    assert soft_dice_loss(logits, masks).item() == pytest.approx(np.mean(each))


def test_dice_on_positives_leaves_empty_images_out() -> None:
    positive, empty = (logits_of(0.8, 0.4), masks_of(1, 0)), (logits_of(0.9, 0.1), masks_of(0, 0))
    logits, masks = (torch.cat(pair) for pair in zip(positive, empty, strict=True))
    assert positive_dice_loss(logits, masks).item() == pytest.approx(1 - 2.6 / 3.2)
    lone = empty[0].requires_grad_()
    loss = positive_dice_loss(lone, empty[1])
    loss.backward()
    assert loss.item() == 0
    assert (lone.grad == 0).all()


def test_batch_dice_by_hand() -> None:
    # Overlap .8 of both images together, total 1.2 + .2 + 1 = 2.4.
    logits = torch.cat([logits_of(0.8, 0.4), logits_of(0.1, 0.1)])
    masks = torch.cat([masks_of(1, 0), masks_of(0, 0)])
    assert batch_dice_loss(logits, masks).item() == pytest.approx(1 - 2.6 / 3.4)


def test_squared_dice_by_hand() -> None:
    # Overlap .8, total .64 + .16 + 1; and of an empty image .01 + .04.
    logits = torch.cat([logits_of(0.8, 0.4), logits_of(0.1, 0.2)])
    masks = torch.cat([masks_of(1, 0), masks_of(0, 0)])
    expected = (1 - 1.61 / 1.81 + 1 - 0.01 / 0.06) / 2
    assert squared_dice_loss(logits, masks).item() == pytest.approx(expected)


def lovasz_set_by_set(logits: np.ndarray, mask: np.ndarray) -> float:
    """The hinge's extension by its definition: |S| / |M or S| of growing sets S of errors."""
    errors = np.maximum(0, 1 - logits * np.where(mask, 1, -1))
    loss, before, wrong = 0.0, 0.0, set()
    inside = set(np.flatnonzero(mask))
    for pixel in np.argsort(-errors):
        wrong.add(pixel)
        jaccard = len(wrong) / len(inside | wrong)
        loss += errors[pixel] * (jaccard - before)
        before = jaccard
    return loss


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 1.0])
def test_lovasz_is_its_definition_in_both_directions(fraction: float) -> None:
    rng = np.random.default_rng(0)
    logits, masks = 2 * rng.standard_normal((3, 40)), rng.random((3, 40)) < fraction
    expected = [
        (lovasz_set_by_set(x, mask) + lovasz_set_by_set(-x, ~mask)) / 2
        for x, mask in zip(logits, masks, strict=True)
    ]
    tensors = (torch.tensor(array, dtype=torch.float64) for array in (logits, masks))
    loss = lovasz_loss(*(tensor.view(3, 1, 5, 8) for tensor in tensors))
    assert loss.item() == pytest.approx(np.mean(expected))


def test_lovasz_of_confident_predictions_is_twice_the_jaccard_loss() -> None:
    """At logits of +-1 an error costs 2. Wrong: one of two inside, one of three outside."""
    logits = torch.tensor([1.0, -1, 1, -1, -1]).view(1, 1, 1, 5)
    masks = masks_of(1, 1, 0, 0, 0).float()
    inside, outside = 1 - 1 / 3, 1 - 2 / 4
    assert lovasz_loss(logits, masks).item() == pytest.approx(inside + outside)


def value_and_gradient(
    loss: Callable, logits: torch.Tensor, masks: torch.Tensor
) -> tuple[float, torch.Tensor]:
    logits = logits.clone().requires_grad_()
    value = loss(logits, masks)
    value.backward()
    return value.item(), logits.grad


def symmetric_lovasz_of_smp(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    hinge = smp.losses.LovaszLoss(mode="binary", per_image=True)
    return (hinge(logits, masks) + hinge(-logits, 1 - masks)) / 2


def focal_by_its_formula(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    cross_entropy = F.binary_cross_entropy_with_logits(logits, masks, reduction="none")
    return ((1 - torch.exp(-cross_entropy)) ** 2 * cross_entropy).mean()


@pytest.fixture
def large_batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 1, 512, 512, generator=generator)
    return logits, (torch.rand(logits.shape, generator=generator) < 0.05).float()


def test_lovasz_at_512_px_has_smps_value_and_a_gradient_that_is_more_exact(large_batch) -> None:
    logits, masks = large_batch
    value, gradient = value_and_gradient(lovasz_loss, logits, masks)
    exact, exact_gradient = value_and_gradient(lovasz_loss, logits.double(), masks.double())
    smp_value, smp_gradient = value_and_gradient(symmetric_lovasz_of_smp, logits, masks)
    assert value == pytest.approx(exact, rel=1e-6)
    assert value == pytest.approx(smp_value, abs=1e-4)
    total = exact_gradient.abs().sum()
    assert (gradient - exact_gradient).abs().sum() / total < 1e-5
    assert 1e-4 < (smp_gradient - exact_gradient).abs().sum() / total < 1e-2


def test_focal_at_512_px_is_its_formula(large_batch) -> None:
    value, gradient = value_and_gradient(focal_loss, *large_batch)
    expected, expected_gradient = value_and_gradient(focal_by_its_formula, *large_batch)
    assert value == pytest.approx(expected, rel=1e-6)
    assert torch.allclose(gradient, expected_gradient, rtol=1e-4, atol=1e-11)


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("loss", WITH_GRADIENT)
def test_an_empty_or_full_mask_gives_a_finite_gradient_in_the_right_direction(
    loss, value: float
) -> None:
    logits = torch.zeros(2, 1, 8, 8, requires_grad=True)
    loss(logits, torch.full_like(logits, value)).backward()
    assert torch.isfinite(logits.grad).all()
    assert ((logits.grad > 0) if value == 0 else (logits.grad < 0)).all()


@pytest.mark.parametrize("extreme", [-200.0, 200.0])
@pytest.mark.parametrize("loss", PIXEL_LOSSES.values())
def test_extreme_logits_give_finite_losses_and_gradients(loss, extreme: float) -> None:
    logits = torch.full((1, 1, 4, 4), extreme, requires_grad=True)
    for value in (0.0, 1.0):
        result = loss(logits, torch.full_like(logits, value))
        result.backward()
        assert torch.isfinite(result)
        assert torch.isfinite(logits.grad).all()


def test_focal_by_hand() -> None:
    # -(1 - p_t)^2 log p_t, p_t = .8 and .6
    expected = (0.2**2 * -math.log(0.8) + 0.4**2 * -math.log(0.6)) / 2
    assert focal_loss(logits_of(0.8, 0.4), masks_of(1, 0)).item() == pytest.approx(expected)


def test_bce_by_hand() -> None:
    expected = -(math.log(0.8) + math.log(0.6)) / 2
    assert bce_loss(logits_of(0.8, 0.4), masks_of(1, 0)).item() == pytest.approx(expected)


def test_dice_refuses_other_shapes_and_no_smoothing() -> None:
    with pytest.raises(ValueError, match="differ"):
        soft_dice_loss(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 3))
    with pytest.raises(ValueError, match="positive"):
        soft_dice_loss(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2), smooth=0)


def test_a_weighted_loss_is_the_sum_of_its_parts() -> None:
    logits, masks = logits_of(0.8, 0.4), masks_of(1, 0)
    image_logits = torch.zeros(1, dtype=torch.float64)
    parts = WeightedLoss(LossWeights(bce=3, dice=1, focal=4, image_bce=0.5))(
        logits, image_logits, masks
    )
    assert parts["image_bce"].item() == pytest.approx(math.log(2))
    expected = 3 * parts["bce"] + parts["dice"] + 4 * parts["focal"] + 0.5 * parts["image_bce"]
    assert parts["loss"].item() == pytest.approx(expected.item())


def test_every_weight_of_a_recipe_has_a_loss() -> None:
    names = {field.name for field in dataclasses.fields(LossWeights)}
    assert names == PIXEL_LOSSES.keys() | IMAGE_LOSSES.keys()
    logits = logits_of(0.8, 0.4)
    for name in names:
        parts = WeightedLoss(LossWeights(**{name: 2.0}))(logits, logits[:, 0, 0, 0], masks_of(1, 0))
        assert parts["loss"].item() == pytest.approx(2 * parts[name].item())


@pytest.mark.parametrize("empty", [True, False])
def test_all_losses_together_have_a_finite_gradient_on_empty_and_full_batches(empty: bool) -> None:
    weights = LossWeights(**{field.name: 1.0 for field in dataclasses.fields(LossWeights)})
    logits = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    image_logits = torch.zeros(2, requires_grad=True)
    masks = torch.full((2, 1, 8, 8), 0.0 if empty else 1.0)
    WeightedLoss(weights)(logits, image_logits, masks)["loss"].backward()
    assert torch.isfinite(logits.grad).all()
    assert torch.isfinite(image_logits.grad).all()


def test_focal_loss_of_the_image_by_hand() -> None:
    # p = .8 and .4 of a positive and an empty image
    logits, masks = torch.zeros(2, 1, 1, 2).double(), torch.tensor([[1, 0], [0, 0]]).double()
    image_logits = logits_of(0.8, 0.4).flatten()
    parts = WeightedLoss(LossWeights(image_focal=1))(logits, image_logits, masks.view(2, 1, 1, 2))
    expected = (0.2**2 * -math.log(0.8) + 0.4**2 * -math.log(0.6)) / 2
    assert parts["image_focal"].item() == pytest.approx(expected)


def test_losses_without_weight_are_not_computed() -> None:
    parts = WeightedLoss(LossWeights(dice=1))(logits_of(0.8), None, masks_of(1))
    assert parts.keys() == {"loss", "dice"}


@pytest.mark.parametrize("name", IMAGE_LOSSES)
def test_an_image_level_loss_needs_a_head(name: str) -> None:
    with pytest.raises(InputError, match=f"loss.{name} needs network.image_head"):
        WeightedLoss(LossWeights(bce=1, **{name: 1}))(logits_of(0.8), None, masks_of(1))


def test_a_loss_without_weights_is_refused() -> None:
    with pytest.raises(InputError, match="no weight above 0"):
        WeightedLoss(LossWeights())(logits_of(0.8), None, masks_of(1))
