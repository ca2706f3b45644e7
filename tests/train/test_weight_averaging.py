"""Averages of weights, by hand: of epochs and of steps."""

import pytest
import torch
from torch import nn

from lib.train.weight_averaging import MovingAverage, fresh_statistics, mean_weights


def test_a_mean_by_hand() -> None:
    states = [{"w": torch.tensor([value, 1.0]), "n": torch.tensor(7)} for value in (1.0, 2.0, 6.0)]
    equal = mean_weights(states)
    assert equal["w"].tolist() == [3, 1]
    assert equal["n"] == 7
    assert mean_weights(states, (0.5, 0.3, 0.2))["w"].tolist() == pytest.approx([2.3, 1])
    assert mean_weights(states, (5, 3, 2))["w"].tolist() == pytest.approx([2.3, 1])


def test_coefficients_are_scaled_to_the_states_that_exist() -> None:
    states = [{"w": torch.tensor([1.0])}, {"w": torch.tensor([9.0])}]
    assert mean_weights(states, (0.5, 0.3, 0.2))["w"].item() == pytest.approx(3.2 / 0.8)


def test_frozen_norms_keep_their_statistics_and_all_their_momentum() -> None:
    net = nn.Sequential(nn.BatchNorm2d(1), nn.BatchNorm2d(1, momentum=0.3)).train()
    net[0].eval()
    net[0].running_mean.fill_(5)
    with fresh_statistics(net):
        net(torch.full((2, 1, 2, 2), 3.0))
    assert net[0].running_mean.item() == 5
    assert net[1].running_mean.item() == pytest.approx(-2.0, rel=1e-4)
    assert [norm.momentum for norm in net] == [0.1, 0.3]


def test_a_moving_average_by_hand() -> None:
    """Decay .9: .9 (.9 x 0 + .1 x 1) + .1 x 2; whole numbers are copied."""
    model = nn.BatchNorm1d(1)
    with torch.no_grad():
        model.weight.fill_(0)
        average = MovingAverage(model, decay=0.9)
        for step in (1.0, 2.0):
            model.weight.fill_(step)
            model.running_mean.fill_(10 * step)
            model.num_batches_tracked.fill_(int(step))
            average.update()
    assert average.model.weight.item() == pytest.approx(0.29)
    assert average.model.running_mean.item() == pytest.approx(2.9)
    assert average.model.num_batches_tracked.item() == 2
    assert model.weight.item() == 2
