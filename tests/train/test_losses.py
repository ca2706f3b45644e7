"""Losses against values by hand, independent formulas, and other libraries."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch

from lib.errors import InputError
from lib.recipes import LossWeights
from lib.train.losses import (
    IMAGE_LOSSES,
    PIXEL_LOSSES,
    WeightedLoss,
    lovasz_loss,
    positive_dice_loss,
)


def logits_of(*probabilities: float) -> torch.Tensor:
    """(1, 1, 1, n) logits of these probabilities."""
    return torch.logit(torch.tensor(probabilities, dtype=torch.float64)).view(1, 1, 1, -1)


def masks_of(*values: int) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64).view(1, 1, 1, -1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # Overlap .8 and 0, total .8 + .4 + 1 and .1 + .2; one pixel of smoothing.
        ("dice", (1 - 2.6 / 3.2 + 1 - 1 / 1.3) / 2),
        ("batch_dice", 1 - 2.6 / 3.5),
        ("positive_dice", 1 - 2.6 / 3.2),
        # Total .64 + .16 + 1 and .01 + .04.
        ("squared_dice", (1 - 2.6 / 2.8 + 1 - 1 / 1.05) / 2),
        ("bce", -np.log([0.8, 0.6, 0.9, 0.8]).mean()),
        ("focal", (np.square([0.2, 0.4, 0.1, 0.2]) * -np.log([0.8, 0.6, 0.9, 0.8])).mean()),
    ],
)
def test_a_loss_by_hand_of_a_positive_and_an_empty_image(name: str, expected: float) -> None:
    logits = torch.cat([logits_of(0.8, 0.4), logits_of(0.1, 0.2)])
    masks = torch.cat([masks_of(1, 0), masks_of(0, 0)])
    assert PIXEL_LOSSES[name](logits, masks).item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "smooth", "expected"),
    [
        ("dice", 0.5, (1 - 2.1 / 2.7 + 1 - 0.5 / 0.8) / 2),
        ("batch_dice", 1e-6, 1 - (1.6 + 1e-6) / (2.5 + 1e-6)),  # the 1st place
        ("positive_dice", 0.5, 1 - 2.1 / 2.7),
        ("squared_dice", 0.01, (1 - 1.61 / 1.81 + 1 - 0.01 / 0.06) / 2),  # the 2nd place
    ],
)
def test_a_recipe_states_the_smoothing_of_its_dice_losses(
    name: str, smooth: float, expected: float
) -> None:
    logits = torch.cat([logits_of(0.8, 0.4), logits_of(0.1, 0.2)])
    masks = torch.cat([masks_of(1, 0), masks_of(0, 0)])
    parts = WeightedLoss(LossWeights(bce=1, dice_smooth=smooth, **{name: 1}))(logits, None, masks)
    assert parts.keys() == {"loss", "bce", name}
    assert parts[name].item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("smooth", "largest"), [(1.0, 1e-2), (1e-6, 1e-8)])
def test_an_empty_batch_has_hardly_a_gradient_with_hardly_any_smoothing(
    smooth: float, largest: float
) -> None:
    loss = WeightedLoss(LossWeights(batch_dice=1, dice_smooth=smooth))
    logits = torch.full((2, 1, 8, 8), -2.0)
    masks = torch.zeros_like(logits)
    _, gradient = value_and_gradient(
        lambda *pair: loss(pair[0], None, pair[1])["loss"], logits, masks
    )
    assert largest / 1e3 < gradient.abs().max() < largest


def test_dice_on_positives_has_no_gradient_without_any() -> None:
    value, gradient = value_and_gradient(positive_dice_loss, logits_of(0.9, 0.1), masks_of(0, 0))
    assert value == 0
    assert (gradient == 0).all()


def relu(errors: np.ndarray) -> np.ndarray:
    return np.maximum(0, errors)


def elu_plus_1(errors: np.ndarray) -> np.ndarray:
    return np.where(errors > 0, errors + 1, np.exp(errors))


def lovasz_set_by_set(logits: np.ndarray, mask: np.ndarray, activation: Callable) -> float:
    """The hinge's extension by its definition: |S| / |M or S| of growing sets S of errors."""
    errors = activation(1 - logits * np.where(mask, 1, -1))
    loss, before, wrong = 0.0, 0.0, set()
    inside = set(np.flatnonzero(mask))
    for pixel in np.argsort(-errors):
        wrong.add(pixel)
        jaccard = len(wrong) / len(inside | wrong)
        loss += errors[pixel] * (jaccard - before)
        before = jaccard
    return loss


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize(("name", "activation"), [("lovasz", relu), ("lovasz_elu", elu_plus_1)])
def test_lovasz_is_its_definition_in_both_directions(
    name: str, activation: Callable, fraction: float
) -> None:
    rng = np.random.default_rng(0)
    logits, masks = 2 * rng.standard_normal((3, 40)), rng.random((3, 40)) < fraction
    expected = [
        np.mean([lovasz_set_by_set(sign * x, mask ^ (sign < 0), activation) for sign in (1, -1)])
        for x, mask in zip(logits, masks, strict=True)
    ]
    tensors = (torch.tensor(array, dtype=torch.float64) for array in (logits, masks))
    loss = PIXEL_LOSSES[name](*(tensor.view(3, 1, 5, 8) for tensor in tensors))
    assert loss.item() == pytest.approx(np.mean(expected))


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


def test_lovasz_at_512_px_has_smps_value_and_a_gradient_that_is_more_exact() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 1, 512, 512, generator=generator)
    masks = (torch.rand(logits.shape, generator=generator) < 0.05).float()
    value, gradient = value_and_gradient(lovasz_loss, logits, masks)
    exact, exact_gradient = value_and_gradient(lovasz_loss, logits.double(), masks.double())
    smp_value, smp_gradient = value_and_gradient(symmetric_lovasz_of_smp, logits, masks)
    assert value == pytest.approx(exact, rel=1e-6)
    assert value == pytest.approx(smp_value, abs=1e-4)
    total = exact_gradient.abs().sum()
    assert (gradient - exact_gradient).abs().sum() / total < 1e-5
    assert 1e-4 < (smp_gradient - exact_gradient).abs().sum() / total < 1e-2


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("name", sorted(PIXEL_LOSSES.keys() - {"positive_dice"}))
def test_an_empty_or_full_mask_gives_a_finite_gradient_in_the_right_direction(
    name: str, value: float
) -> None:
    logits = torch.zeros(2, 1, 8, 8)
    _, gradient = value_and_gradient(PIXEL_LOSSES[name], logits, torch.full_like(logits, value))
    assert torch.isfinite(gradient).all()
    assert ((gradient > 0) if value == 0 else (gradient < 0)).all()


@pytest.mark.parametrize("extreme", [-200.0, 200.0])
@pytest.mark.parametrize("loss", PIXEL_LOSSES.values())
def test_extreme_logits_give_finite_losses_and_gradients(loss, extreme: float) -> None:
    logits = torch.full((1, 1, 4, 4), extreme)
    for value in (0.0, 1.0):
        result, gradient = value_and_gradient(loss, logits, torch.full_like(logits, value))
        assert math.isfinite(result)
        assert torch.isfinite(gradient).all()


def test_a_weighted_loss_is_the_sum_of_its_parts() -> None:
    logits, masks = logits_of(0.8, 0.4), masks_of(1, 0)
    weights = LossWeights(bce=3, image_bce=0.5, image_focal=4)
    parts = WeightedLoss(weights)(logits, logits_of(0.8)[0, 0, 0], masks)
    assert parts.keys() == {"loss", "bce", "image_bce", "image_focal"}
    assert parts["image_bce"].item() == pytest.approx(-math.log(0.8))
    assert parts["image_focal"].item() == pytest.approx(0.2**2 * -math.log(0.8))
    expected = 3 * parts["bce"] + 0.5 * parts["image_bce"] + 4 * parts["image_focal"]
    assert parts["loss"].item() == pytest.approx(expected.item())


def test_every_weight_of_a_recipe_has_a_loss() -> None:
    names = {field.name for field in dataclasses.fields(LossWeights)} - {"dice_smooth"}
    assert names == PIXEL_LOSSES.keys() | IMAGE_LOSSES.keys()
    logits = logits_of(0.8, 0.4)
    for name in names:
        parts = WeightedLoss(LossWeights(**{name: 2.0}))(logits, logits[:, 0, 0, 0], masks_of(1, 0))
        assert parts["loss"].item() == pytest.approx(2 * parts[name].item())


@pytest.mark.parametrize("name", IMAGE_LOSSES)
def test_an_image_level_loss_needs_a_head(name: str) -> None:
    with pytest.raises(InputError, match=f"loss.{name} needs network.image_head"):
        WeightedLoss(LossWeights(bce=1, **{name: 1}))(logits_of(0.8), None, masks_of(1))


def test_a_loss_without_weights_is_refused() -> None:
    with pytest.raises(InputError, match="no weight above 0"):
        WeightedLoss(LossWeights())(logits_of(0.8), None, masks_of(1))
