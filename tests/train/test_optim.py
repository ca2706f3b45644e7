"""Learning rates against torch's own schedulers."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch.optim import lr_scheduler as schedulers

from lib.recipes import Phase
from lib.train.optim import build_optimizer, learning_rate

PHASE = Phase(size=64, epochs=10, batch=2, lr=1e-3, min_lr=1e-5)
FALLING = [0.1, 0.2, 0.2, 0.1, 0.15, 0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.4, 0.1, 0.1, 0.1, 0.1]


def cosine(period: int) -> partial:
    return partial(schedulers.CosineAnnealingLR, T_max=period, eta_min=PHASE.min_lr)


@pytest.mark.parametrize(
    ("settings", "scheduler", "scores"),
    [
        pytest.param({}, cosine(10), [0.0] * 10, id="cosine over the epochs of the phase"),
        pytest.param({"period": 1}, cosine(1), [0.0] * 30, id="cosine of 1 epoch"),
        pytest.param({"period": 8}, cosine(8), [0.0] * 30, id="cosine up and down again"),
        pytest.param(
            {"schedule": "restarts", "period": 5},
            partial(schedulers.CosineAnnealingWarmRestarts, T_0=5, eta_min=PHASE.min_lr),
            [0.0] * 40,
            id="restarts",
        ),
        pytest.param(
            {"schedule": "plateau", "patience": 2},
            partial(
                schedulers.ReduceLROnPlateau,
                mode="max", factor=0.1, patience=2, threshold=0, min_lr=PHASE.min_lr,
            ),
            FALLING,
            id="plateau of a score that should grow",
        ),
    ],
)  # fmt: skip
def test_a_schedule_is_torchs(settings: dict, scheduler: partial, scores: list[float]) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PHASE.lr)
    reference, phase = scheduler(optimizer), replace(PHASE, **settings)
    for epoch, score in enumerate(scores):
        rate = learning_rate(phase, epoch, scores[:epoch])
        assert rate == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        reference.step(*[score] * (phase.schedule == "plateau"))


def test_steps_begin_at_their_epochs() -> None:
    # The 3rd place: 1e-4, from epoch 25 5e-5, from epoch 35 1e-5.
    steps = ((25, 5e-5), (35, 1e-5))
    phase = replace(PHASE, schedule="steps", lr=1e-4, steps=steps)
    rates = [learning_rate(phase, epoch, []) for epoch in (0, 24, 25, 34, 35, 49)]
    assert rates == [1e-4, 1e-4, 5e-5, 5e-5, 1e-5, 1e-5]


def test_restarts_end_at_the_first_step() -> None:
    """The 2nd place: restarts until epoch 40, then two small rates."""
    steps = ((40, 1e-5), (42, 5e-6))
    phase = replace(PHASE, epochs=44, schedule="restarts", period=5, steps=steps)
    rates = [learning_rate(phase, epoch, []) for epoch in (35, 40, 41, 42, 43)]
    assert rates == [1e-3, 1e-5, 1e-5, 5e-6, 5e-6]


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


@pytest.mark.parametrize(("name", "decoupled"), [("adam", False), ("adamw", True), ("radam", True)])
def test_the_decoder_can_have_a_weight_decay_of_its_own(name: str, decoupled: bool) -> None:
    """Without a gradient, a decoupled decay shrinks each weight by lr x decay in a step."""
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    phase = replace(PHASE, optimizer=name, weight_decay=0.1, decoder_weight_decay=0.5)
    optimizer = build_optimizer(phase, model.parameters(), model[1])
    decays = {p: group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert decays == {p: 0.1 for p in model[0].parameters()} | {
        p: 0.5 for p in model[1].parameters()
    }
    if decoupled:
        before = [layer.weight.detach().clone() for layer in model]
        (sum(p.sum() for p in model.parameters()) * 0).backward()
        optimizer.step()
        for layer, weight, decay in zip(model, before, (0.1, 0.5), strict=True):
            assert torch.allclose(layer.weight, weight * (1 - PHASE.lr * decay))


def test_sgd_has_momentum() -> None:
    """A gradient of 1 twice: steps of lr, then of (1 + .9) lr."""
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = build_optimizer(replace(PHASE, optimizer="sgd", lr=1.0), [weight])
    for _ in range(2):
        weight.grad = torch.ones(1)
        optimizer.step()
    assert weight.item() == pytest.approx(-2.9)
