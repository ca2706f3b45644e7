"""Optimizers and learning rates; a rate follows from the epoch and the scores so far, no state."""

import math
from collections.abc import Iterable, Sequence

import torch

from lib.recipes import Phase

OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


def build_optimizer(
    phase: Phase, parameters: Iterable[torch.nn.Parameter]
) -> torch.optim.Optimizer:
    """The optimizer of a phase over the parameters that it trains."""
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    settings = {"lr": phase.lr, "weight_decay": phase.weight_decay, "fused": True}
    return OPTIMIZERS[phase.optimizer](trained, **settings)


def learning_rate(phase: Phase, epoch: int, scores: Sequence[float]) -> float:
    """The learning rate of an epoch.

    Args:
        phase: whose schedule it is.
        epoch: from 0 within the phase.
        scores: of the epochs before, higher is better.
    """
    if phase.schedule == "cosine":
        turn = (1 + math.cos(math.pi * epoch / phase.epochs)) / 2
        return phase.min_lr + (phase.lr - phase.min_lr) * turn
    if phase.schedule == "plateau":
        return max(phase.min_lr, phase.lr * phase.factor ** _plateaus(scores, phase.patience))
    return phase.lr


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
