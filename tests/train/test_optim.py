"""Learning rates against torch's own schedulers."""

from dataclasses import replace

import pytest
import torch
from torch.optim import lr_scheduler as schedulers

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
        plateau = isinstance(scheduler, schedulers.ReduceLROnPlateau)
        scheduler.step(*([score] if plateau else []))
    return rates


def rates_of(phase: Phase, scores: list[float]) -> list[float]:
    return [learning_rate(phase, epoch, scores[:epoch]) for epoch in range(len(scores))]


def test_cosine_is_torchs_over_the_epochs_of_the_phase() -> None:
    expected = reference(lambda o: schedulers.CosineAnnealingLR(o, 10, PHASE.min_lr), [0.0] * 10)
    assert rates_of(PHASE, [0.0] * 10) == pytest.approx(expected)
    assert expected[0] == PHASE.lr


@pytest.mark.parametrize("period", [1, 3, 8])
def test_cosine_goes_up_and_down_beyond_its_period_as_torchs(period: int) -> None:
    expected = reference(
        lambda o: schedulers.CosineAnnealingLR(o, period, PHASE.min_lr), [0.0] * 30
    )
    assert rates_of(replace(PHASE, period=period), [0.0] * 30) == pytest.approx(expected)


def test_restarts_are_torchs_with_doubled_periods() -> None:
    expected = reference(
        lambda o: schedulers.CosineAnnealingWarmRestarts(o, 5, 2, PHASE.min_lr), [0.0] * 40
    )
    phase = replace(PHASE, schedule="restarts", period=5)
    assert rates_of(phase, [0.0] * 40) == pytest.approx(expected)
    assert [epoch for epoch, rate in enumerate(expected) if rate == PHASE.lr] == [0, 5, 15, 35]


def test_steps_begin_at_their_epochs() -> None:
    # The 3rd place: 1e-4, from epoch 25 5e-5, from epoch 35 1e-5.
    steps = ((25, 5e-5), (35, 1e-5))
    phase = replace(PHASE, schedule="steps", lr=1e-4, steps=steps)
    rates = [learning_rate(phase, epoch, []) for epoch in (0, 24, 25, 34, 35, 49)]
    assert rates == [1e-4, 1e-4, 5e-5, 5e-5, 1e-5, 1e-5]


def test_linear_warms_up_and_goes_down_within_epochs() -> None:
    """10 epochs of 4 steps each, of which 20 % are warm-up."""
    phase = replace(PHASE, schedule="linear", warmup=0.2)
    rates = [learning_rate(phase, step / 4, []) for step in range(41)]
    up = [step / 8 * 1e-3 for step in range(8)]
    down = [1e-3 + (1e-5 - 1e-3) * step / 32 for step in range(33)]
    assert rates == pytest.approx(up + down)
    without = replace(phase, warmup=0.0)
    assert learning_rate(without, 0, []) == PHASE.lr


@pytest.mark.parametrize("schedule", ["constant", "cosine", "restarts", "plateau", "steps"])
def test_other_schedules_do_not_change_within_an_epoch(schedule: str) -> None:
    more = {"restarts": {"period": 3}, "steps": {"steps": ((2, 1e-4),)}}.get(schedule, {})
    phase = replace(PHASE, schedule=schedule, **more)
    scores = [0.1] * 4
    rates = {learning_rate(phase, 4 + part, scores) for part in (0.0, 0.25, 0.99)}
    assert len(rates) == 1


def test_plateau_is_torchs_on_a_score_that_should_grow() -> None:
    scores = [0.1, 0.2, 0.2, 0.1, 0.15, 0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.4, 0.1, 0.1, 0.1, 0.1]
    expected = reference(
        lambda o: schedulers.ReduceLROnPlateau(
            o, mode="max", factor=0.1, patience=2, threshold=0, min_lr=1e-6
        ),
        scores,
    )
    phase = replace(PHASE, schedule="plateau", patience=2, min_lr=1e-6)
    assert rates_of(phase, scores) == pytest.approx(expected)
    assert min(expected) == pytest.approx(1e-6)


def test_constant_stays() -> None:
    phase = replace(PHASE, schedule="constant")
    assert set(rates_of(phase, [0.0] * 5)) == {PHASE.lr}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("adam", torch.optim.Adam),
        ("adamw", torch.optim.AdamW),
        ("radam", torch.optim.RAdam),
        ("sgd", torch.optim.SGD),
    ],
)
def test_optimizers_leave_frozen_parameters_alone(
    name: str, kind: type[torch.optim.Optimizer]
) -> None:
    layer = torch.nn.Linear(2, 2)
    before = {key: value.clone() for key, value in layer.state_dict().items()}
    phase = replace(PHASE, optimizer=name, weight_decay=0.1)
    optimizer = build_optimizer(phase, layer.parameters())
    assert type(optimizer) is kind
    assert optimizer.param_groups[0]["weight_decay"] == 0.1
    layer.bias.requires_grad_(False)
    layer(torch.ones(3, 2)).sum().backward()
    optimizer.step()
    assert torch.equal(layer.bias, before["bias"])
    assert not torch.equal(layer.weight, before["weight"])
    again = build_optimizer(phase, layer.parameters())
    again.load_state_dict(optimizer.state_dict())  # as after a kill
    layer.bias.requires_grad_(True)
    layer(torch.ones(3, 2)).sum().backward()
    again.step()
    assert not torch.equal(layer.bias, before["bias"])


def test_a_rate_is_set_in_every_group() -> None:
    optimizer = build_optimizer(PHASE, torch.nn.Linear(2, 2).parameters())
    set_rate(optimizer, 0.5)
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_sgd_has_momentum() -> None:
    """A gradient of 1 twice: steps of lr, then of (1 + .9) lr."""
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = build_optimizer(replace(PHASE, optimizer="sgd", lr=1.0), [weight])
    for _ in range(2):
        weight.grad = torch.ones(1)
        optimizer.step()
    assert weight.item() == pytest.approx(-2.9)
