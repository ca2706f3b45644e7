"""Averages of weights: over the epochs that a phase keeps, or over all steps (EMA)."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from lib import distributed
from lib.models import SegmentationNetwork
from lib.train.freezing import batch_norms

Weights = Mapping[str, torch.Tensor]


def mean_weights(
    states: Sequence[Weights], coefficients: Sequence[float] = ()
) -> dict[str, torch.Tensor]:
    """Return the weighted mean of state_dicts; integer tensors are those of the first one.

    Args:
        states: of the same network.
        coefficients: of at least as many states, in any scale; empty: equal.

    Reference:
        Izmailov et al., Averaging Weights Leads to Wider Optima and Better Generalization, 2018,
        arXiv:1803.05407, algorithm 1.
    """
    weights = coefficients[: len(states)] or [1.0] * len(states)
    pairs = list(zip(weights, states, strict=True))
    mean = dict(states[0])
    for name, first in states[0].items():
        if first.is_floating_point():
            terms = torch.stack([weight * state[name].double() for weight, state in pairs])
            mean[name] = (terms.sum(0) / sum(weights)).to(first.dtype)
    return mean


@contextmanager
def fresh_statistics(model: nn.Module) -> Iterator[None]:
    """Reset the batch norms in training mode; inside, they take the mean over all batches.

    Averaged weights need this: the mean of the statistics of several networks does not fit the mean
    of their weights. Frozen norms, which are in evaluation mode, keep their statistics.

    Reference:
        Izmailov et al., 2018, section 3.2.
    """
    norms = [norm for norm in batch_norms(model) if norm.training]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch then weights all batches equally
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def sync_bn_stats(model: nn.Module) -> None:
    """Average batch-norm statistics over processes, which normalised their shards separately."""
    norms = [norm for norm in batch_norms(model) if not isinstance(norm, nn.SyncBatchNorm)]
    statistics = [tensor for norm in norms for tensor in (norm.running_mean, norm.running_var)]
    distributed.all_reduce_mean([tensor for tensor in statistics if tensor is not None])


class MovingAverage:
    """A copy of a network with the exponential moving average of its weights and statistics.

    Reference:
        Polyak and Juditsky, Acceleration of Stochastic Approximation by Averaging, 1992; the
        exponential form as in Tarvainen and Valpola, Mean Teachers, 2017, arXiv:1703.01780.
    """

    def __init__(self, model: SegmentationNetwork, decay: float) -> None:
        """Start from the weights as they are.

        Args:
            model: the network to follow; its tensors must stay the same objects.
            decay: weight of the average so far at each step, in (0, 1).
        """
        self.model = copy.deepcopy(model)
        averages, values = self.model.state_dict().values(), model.state_dict().values()
        pairs = list(zip(averages, values, strict=True))
        self.floats = [pair for pair in pairs if pair[0].is_floating_point()]
        self.counts = [pair for pair in pairs if not pair[0].is_floating_point()]
        self.update_averages = get_ema_multi_avg_fn(decay)

    @torch.no_grad()
    def update(self) -> None:
        """Update the average after a step of the optimizer; integer tensors are copied."""
        averages, values = zip(*self.floats, strict=True)
        self.update_averages(averages, values, None)
        for count, value in self.counts:
            count.copy_(value)
