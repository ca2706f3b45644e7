"""Optimizers and learning rates; schedules have no state, unlike torch's, so resuming is simple."""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch

from lib import distributed
from lib.recipes import Phase

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": partial(torch.optim.Adam, fused=True),
    "adamw": partial(torch.optim.AdamW, fused=True),
    # As in the code of its authors; torch has no fused one.
    "radam": partial(torch.optim.RAdam, decoupled_weight_decay=True),
    # The fused one fails on parameters that were frozen before.
    "sgd": partial(torch.optim.SGD, momentum=0.9),
}


def build_optimizer(
    phase: Phase,
    parameters: Iterable[torch.nn.Parameter],
    decoder: torch.nn.Module | None = None,
) -> torch.optim.Optimizer:
    """Return the optimizer of a phase; it does not change frozen parameters.

    Args:
        phase: with the optimizer's options.
        parameters: of the network.
        decoder: the part that may have a weight decay of its own.
    """
    groups: Iterable[Any] = parameters
    if phase.decoder_weight_decay is not None:
        assert decoder is not None, "check_parts comes first"
        inside = set(decoder.parameters())
        groups = [
            {"params": [p for p in parameters if p not in inside]},
            {"params": list(decoder.parameters()), "weight_decay": phase.decoder_weight_decay},
        ]
    return OPTIMIZERS[phase.optimizer](groups, lr=phase.lr, weight_decay=phase.weight_decay)


def all_reduce_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Replace gradients by their sum over all processes, in one message.

    torch's DistributedDataParallel does not fit: it needs calls of `forward`, sends a message per
    batch, and must know the frozen parameters beforehand.
    """
    if distributed.world_size() == 1:
        return
    gradients = []
    for parameter in parameters:
        if parameter.requires_grad:
            if parameter.grad is None:  # unused in this shard, perhaps not in another
                parameter.grad = torch.zeros_like(parameter)
            gradients.append(parameter.grad)
    distributed.all_reduce(gradients)


def learning_rate(phase: Phase, progress: float, scores: Sequence[float]) -> float:
    """Return the learning rate of an epoch, or of a step within it.

    Args:
        phase: with the schedule.
        progress: finished epochs of the phase; only the linear schedule uses fractions of epochs.
        scores: of the epochs before; higher is better.

    Reference:
        cosine and restarts: Loshchilov and Hutter, SGDR, 2017, arXiv:1608.03983, section 3.
    """
    epoch = int(progress)
    step = next((rate for start, rate in reversed(phase.steps) if start <= epoch), None)
    match phase.schedule:
        case "cosine":
            return _cosine(phase, epoch / (phase.period or phase.epochs))
        case "restarts":
            assert phase.period is not None
            return step or _cosine(phase, epoch % phase.period / phase.period)
        case "plateau":
            return max(phase.min_lr, phase.lr * phase.factor ** _plateaus(scores, phase.patience))
        case "linear":
            return _linear(phase, progress / phase.epochs)
        case "steps":
            return step or phase.lr
    return phase.lr


def _cosine(phase: Phase, periods: float) -> float:
    """Return a rate that falls from lr to min_lr in one period, rises in the next, and so on."""
    return phase.min_lr + (phase.lr - phase.min_lr) * (1 + math.cos(math.pi * periods)) / 2


def _linear(phase: Phase, fraction: float) -> float:
    """Return a rate that rises from 0 to lr during the warm-up, then falls to min_lr."""
    if fraction < phase.warmup:
        return phase.lr * fraction / phase.warmup
    return phase.lr - (phase.lr - phase.min_lr) * (fraction - phase.warmup) / (1 - phase.warmup)


def _plateaus(scores: Sequence[float], patience: int) -> int:
    """Count how often the score did not improve for more than `patience` epochs."""
    count, bad_epochs, best = 0, 0, -math.inf
    for score in scores:
        if score > best:
            best, bad_epochs = score, 0
        else:
            bad_epochs += 1
        if bad_epochs > patience:
            count, bad_epochs = count + 1, 0
    return count
