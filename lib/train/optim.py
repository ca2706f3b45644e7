"""Optimizers and learning rates; a rate follows from the epoch and the scores so far, no state."""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import torch

from lib import distributed
from lib.recipes import Phase

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": partial(torch.optim.Adam, fused=True),
    "adamw": partial(torch.optim.AdamW, fused=True),
    "radam": torch.optim.RAdam,  # has no fused form
    "sgd": partial(torch.optim.SGD, momentum=0.9),  # fused, it fails where parameters thaw
}


def build_optimizer(
    phase: Phase, parameters: Iterable[torch.nn.Parameter]
) -> torch.optim.Optimizer:
    """The optimizer of a phase; it leaves parameters alone while they are frozen."""
    return OPTIMIZERS[phase.optimizer](parameters, lr=phase.lr, weight_decay=phase.weight_decay)


def all_reduce_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Give every process the sum of all gradients, in one message.

    torch's DistributedDataParallel does the same behind `forward`, which training does not call,
    sends a message a batch, and has to be told what a phase freezes.
    """
    if distributed.world_size() == 1:
        return
    gradients = []
    for parameter in parameters:
        if parameter.requires_grad:
            if parameter.grad is None:  # this share of the batch did not reach it, another may
                parameter.grad = torch.zeros_like(parameter)
            gradients.append(parameter.grad)
    distributed.all_reduce(gradients)


def learning_rate(phase: Phase, progress: float, scores: Sequence[float]) -> float:
    """The learning rate of an epoch, or of a step within it.

    Args:
        phase: whose schedule it is.
        progress: epochs done within the phase; all schedules but linear see whole ones only.
        scores: of the epochs before, higher is better.

    Reference:
        cosine and restarts: Loshchilov and Hutter, SGDR, 2017, arXiv:1608.03983, section 3.
    """
    epoch = int(progress)
    match phase.schedule:
        case "cosine":
            return _cosine(phase, epoch / (phase.period or phase.epochs))
        case "restarts":
            assert phase.period is not None
            return _cosine(phase, _period_fraction(epoch, phase.period))
        case "plateau":
            return max(phase.min_lr, phase.lr * phase.factor ** _plateaus(scores, phase.patience))
        case "linear":
            return _linear(phase, progress / phase.epochs)
        case "steps":
            return next((rate for at, rate in reversed(phase.steps) if at <= epoch), phase.lr)
    return phase.lr


def _cosine(phase: Phase, periods: float) -> float:
    """From the phase's rate down to its least in one period, up again in the next, and so on."""
    return phase.min_lr + (phase.lr - phase.min_lr) * (1 + math.cos(math.pi * periods)) / 2


def _period_fraction(epoch: int, length: int) -> float:
    """How much of its period an epoch has behind it, where each is twice as long as the last."""
    while epoch >= length:
        epoch, length = epoch - length, 2 * length
    return epoch / length


def _linear(phase: Phase, share: float) -> float:
    """From 0 to the phase's rate in the share that is its warm-up, then down to its least."""
    if share < phase.warmup:
        return phase.lr * share / phase.warmup
    return phase.lr - (phase.lr - phase.min_lr) * (share - phase.warmup) / (1 - phase.warmup)


def _plateaus(scores: Sequence[float], patience: int) -> int:
    """How often more than `patience` epochs in a row brought no better score."""
    count, waited, best = 0, 0, -math.inf
    for score in scores:
        if score > best:
            best, waited = score, 0
        else:
            waited += 1
        if waited > patience:
            count, waited = count + 1, 0
    return count


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every parameter group the rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate
