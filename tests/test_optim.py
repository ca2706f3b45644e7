"""Learning rates against torch's own schedulers."""

import dataclasses

import pytest
import torch

from lib.recipes import Phase
from lib.train.optim import build_optimizer, learning_rate, set_rate

PHASE = Phase(size=64, epochs=10, batch=2, lr=1e-3, min_lr=1e-5)


def reference(make, scores: list[float]) -> list[float]:
    """The rates of a torch scheduler over the epochs of these scores."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PHASE.lr)
    scheduler, rates = make(optimizer), []
    for score in scores:
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        plateau = isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau)
        scheduler.step(*([score] if plateau else []))
    return rates


def ours(phase: Phase, scores: list[float]) -> list[float]:
    return [learning_rate(phase, epoch, scores[:epoch]) for epoch in range(len(scores))]


def test_cosine_is_torchs_over_the_epochs_of_the_phase() -> None:
    expected = reference(
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 10, PHASE.min_lr), [0.0] * 10
    )
    assert ours(PHASE, [0.0] * 10) == pytest.approx(expected)
    assert expected[0] == PHASE.lr


def test_plateau_is_torchs_on_a_score_that_should_grow() -> None:
    scores = [0.1, 0.2, 0.2, 0.1, 0.15, 0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.4, 0.1, 0.1, 0.1, 0.1]
    expected = reference(
        lambda o: torch.optim.lr_scheduler.ReduceLROnPlateau(
            o, mode="max", factor=0.1, patience=2, threshold=0, min_lr=1e-6
        ),
        scores,
    )
    phase = dataclasses.replace(PHASE, schedule="plateau", patience=2, min_lr=1e-6)
    assert ours(phase, scores) == pytest.approx(expected)
    assert min(expected) == pytest.approx(1e-6)


def test_constant_stays() -> None:
    phase = dataclasses.replace(PHASE, schedule="constant")
    assert set(ours(phase, [0.0] * 5)) == {PHASE.lr}


def test_frozen_parameters_are_not_the_optimizers() -> None:
    layer = torch.nn.Linear(2, 2)
    layer.bias.requires_grad = False
    optimizer = build_optimizer(dataclasses.replace(PHASE, optimizer="adamw"), layer.parameters())
    assert isinstance(optimizer, torch.optim.AdamW)
    assert [id(p) for p in optimizer.param_groups[0]["params"]] == [id(layer.weight)]
    set_rate(optimizer, 0.5)
    assert optimizer.param_groups[0]["lr"] == 0.5
