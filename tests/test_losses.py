"""Losses against values worked by hand and independent formulas in float64."""

import math

import numpy as np
import pytest
import torch

from lib.errors import InputError
from lib.recipes import Loss
from lib.train.losses import (
    WeightedLoss,
    bce_loss,
    focal_loss,
    positive_dice_loss,
    soft_dice_loss,
)


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


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("loss", [bce_loss, soft_dice_loss, focal_loss])
def test_an_empty_or_full_mask_gives_a_finite_gradient_in_the_right_direction(
    loss, value: float
) -> None:
    logits = torch.zeros(2, 1, 8, 8, requires_grad=True)
    loss(logits, torch.full_like(logits, value)).backward()
    assert torch.isfinite(logits.grad).all()
    assert ((logits.grad > 0) if value == 0 else (logits.grad < 0)).all()


@pytest.mark.parametrize("extreme", [-200.0, 200.0])
@pytest.mark.parametrize("loss", [bce_loss, soft_dice_loss, focal_loss])
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


def test_dice_refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="differ"):
        soft_dice_loss(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 3))
    with pytest.raises(ValueError, match="positive"):
        soft_dice_loss(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2), smooth=0)


def test_a_weighted_loss_is_the_sum_of_its_parts() -> None:
    logits, masks = logits_of(0.8, 0.4), masks_of(1, 0)
    image_logits = torch.zeros(1, dtype=torch.float64)
    parts = WeightedLoss(Loss(bce=3, dice=1, focal=4, image_bce=0.5))(logits, image_logits, masks)
    assert parts["image_bce"].item() == pytest.approx(math.log(2))
    expected = 3 * parts["bce"] + parts["dice"] + 4 * parts["focal"] + 0.5 * parts["image_bce"]
    assert parts["loss"].item() == pytest.approx(expected.item())


def test_losses_without_weight_are_not_computed() -> None:
    parts = WeightedLoss(Loss(dice=1))(logits_of(0.8), None, masks_of(1))
    assert parts.keys() == {"loss", "dice"}


def test_an_image_level_loss_needs_a_head() -> None:
    with pytest.raises(InputError, match="image_head"):
        WeightedLoss(Loss(bce=1, image_bce=1))(logits_of(0.8), None, masks_of(1))


def test_a_loss_without_weights_is_refused() -> None:
    with pytest.raises(InputError, match="no weight above 0"):
        WeightedLoss(Loss())(logits_of(0.8), None, masks_of(1))
