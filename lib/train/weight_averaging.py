"""One network of several: of the epochs that a phase kept, or of all steps as they go."""

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
    states: Sequence[Weights], shares: Sequence[float] = ()
) -> dict[str, torch.Tensor]:
    """The weighted mean of state_dicts; what is counted in whole numbers is the first one's.

    Args:
        states: of the same network.
        shares: of at least as many states, in any scale; empty: equal.

    Reference:
        Izmailov et al., Averaging Weights Leads to Wider Optima and Better Generalization, 2018,
        arXiv:1803.05407, algorithm 1.
    """
    used = shares[: len(states)] or [1.0] * len(states)
    mean = dict(states[0])
    for name, first in states[0].items():
        if first.is_floating_point():
            parts = [
                share * state[name].double() for share, state in zip(used, states, strict=True)
            ]
            mean[name] = (torch.stack(parts).sum(0) / sum(used)).to(first.dtype)
    return mean


@contextmanager
def fresh_statistics(model: nn.Module) -> Iterator[None]:
    """Batch norms in training mode forget their statistics, and take the mean over all batches.

    Averaged weights need this: the statistics that belong to them are not the mean of those of the
    weights they were made of. Frozen norms, which are in evaluation mode, keep theirs.

    Reference:
        Izmailov et al., 2018, section 3.2.
    """
    norms = [norm for norm in batch_norms(model) if norm.training]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch then averages all batches alike
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def sync_bn_stats(model: nn.Module) -> None:
    """Processes that normalised their shares of a batch alone take the mean of their statistics."""
    norms = [norm for norm in batch_norms(model) if not isinstance(norm, nn.SyncBatchNorm)]
    statistics = [part for norm in norms for part in (norm.running_mean, norm.running_var)]
    distributed.all_reduce_mean([part for part in statistics if part is not None])


class MovingAverage:
    """A network whose weights follow another's exponentially, statistics of batch norms included.

    Reference:
        Polyak and Juditsky, Acceleration of Stochastic Approximation by Averaging, 1992; the
        exponential form as in Tarvainen and Valpola, Mean Teachers, 2017, arXiv:1703.01780.
    """

    def __init__(self, model: SegmentationNetwork, decay: float) -> None:
        """Start from the weights as they are.

        Args:
            model: the network to follow; its tensors must stay the same objects.
            decay: what is left of the average at each step, in (0, 1).
        """
        self.model = copy.deepcopy(model)
        averages, followed = self.model.state_dict().values(), model.state_dict().values()
        pairs = list(zip(averages, followed, strict=True))
        self.floats = [(mine, new) for mine, new in pairs if mine.is_floating_point()]
        self.counts = [(mine, new) for mine, new in pairs if not mine.is_floating_point()]
        self.blend = get_ema_multi_avg_fn(decay)

    @torch.no_grad()
    def update(self) -> None:
        """Follow a step of the optimizer."""
        mine, new = zip(*self.floats, strict=True)
        self.blend(mine, new, None)
        for count, other in self.counts:
            count.copy_(other)
