"""Cost of a training: what is counted beforehand is what training then does."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.profiler import profile

from lib import recipes
from lib.models import SegmentationNetwork, build_model
from lib.recipes import LossWeights, Recipe
from lib.train.cost import count_batch, count_training, describe_cost, measure_flops_per_s
from lib.train.losses import WeightedLoss
from lib.train.phase import PhaseTraining
from tests.tiny_runs import CPU, TINY, make_work, training_job

SOME = np.arange(40) < 9


def test_images_and_steps_are_those_of_the_training(tmp_path: Path) -> None:
    job = training_job(make_work(tmp_path))
    done: Counter[str] = Counter()
    for index, phase in enumerate(TINY.phases):
        training = PhaseTraining(job, build_model(TINY), index)
        training.optimizer.register_step_post_hook(lambda *_: done.update(steps=1))
        loss = training.training_loss

        def counted(images: torch.Tensor, *rest: object, loss=loss) -> object:  # noqa: ANN001
            done.update(images=len(images))
            return loss(images, *rest)

        training.training_loss = counted
        for epoch in range(phase.epochs):
            training.epoch(epoch, [0.0] * epoch)
    ids = job.dataset.training_ids(0)
    cost = count_training(TINY, np.array([job.dataset.positive(name) for name in ids]))
    assert (cost.presentations, cost.steps) == (done["images"], done["steps"])


def profiled_flops(recipe: Recipe) -> float:
    """Three times the profiler's FLOPs of the forward pass: one for it, two for the backward."""
    phase = recipe.phases[0]
    model = build_model(recipe).train()
    images = torch.zeros((phase.batch, 1, phase.size, phase.size), dtype=torch.uint8)
    with profile(with_flops=True, record_shapes=True) as profiler:
        model.training_loss(images, images, WeightedLoss(phase.loss))
    kinds = "aten::conv2d", "aten::mm", "aten::addmm"
    return 3 * sum(event.flops for event in profiler.key_averages() if event.key in kinds)


def test_flops_of_a_batch_count_the_forward_and_the_backward_pass() -> None:
    """A convolution costs 2 operations per weight and output, and here as many for its gradient.

    The gradient of the images is not needed in a first layer.
    """

    class OneConvolution(SegmentationNetwork):
        def __init__(self, recipe: Recipe) -> None:
            super().__init__(recipe.input)
            self.conv = torch.nn.Conv2d(1, 1, 3, padding=1)

        def logits(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            maps = self.conv(images)
            return maps, maps.mean(dim=(1, 2, 3))

    phase = replace(recipes.get("demo").phases[0], size=64, batch=4)
    cost = count_batch(OneConvolution(recipes.get("demo")), phase, 0)
    assert cost.flops == 2 * (2 * 4 * 64**2 * 9)


@pytest.mark.parametrize("name", ["demo", "niu_resnet50_demo", "jakhar_resnet_unet_demo"])
def test_flops_are_those_of_the_profiler(name: str) -> None:
    recipe = recipes.get(name)
    recipe = replace(recipe, phases=recipe.phases[:1])
    cost = count_training(recipe, SOME)
    expected = cost.presentations / recipe.phases[0].batch * profiled_flops(recipe)
    assert cost.flops == pytest.approx(expected, rel=0.1)


def test_a_frozen_encoder_makes_its_epochs_cheaper() -> None:
    recipe = recipes.get("viel_baseline_demo")
    assert recipe.phases[0].freeze == "encoder_parameters"
    frozen, whole = count_training(recipe, SOME).phases
    assert frozen.flops / frozen.presentations < 0.8 * whole.flops / whole.presentations


def test_activations_grow_with_the_batch_and_the_pixels() -> None:
    phase = replace(recipes.get("demo").phases[0], loss=LossWeights(bce=1))

    def activations(batch: int, size: int) -> int:
        phases = (replace(phase, batch=batch, size=size),)
        return count_training(replace(recipes.get("demo"), phases=phases), SOME).memory_bytes

    base = activations(8, 128)
    one_gray_map = 8 * 128 * 128 * 4  # bytes: the normalised input alone
    assert base > 10 * one_gray_map
    double = activations(16, 128)
    assert double - base == pytest.approx(activations(24, 128) - double, rel=0.02)
    assert activations(8, 256) - base == pytest.approx(3 * (double - base), rel=0.05)


def test_a_network_that_looks_at_values_is_counted_too() -> None:
    cost = count_training(recipes.get("zhang_chexlocnet_demo"), SOME)
    assert cost.parameters > 40e6
    assert cost.flops > 1e12


def test_hours_are_images_by_speed() -> None:
    recipe = replace(TINY, phases=TINY.phases[:1])
    *_, hours = describe_cost(recipe, 1_000_000, 200_000, images_per_s=100)
    assert hours.startswith(f"hours: {2 * 800_000 / 100 / 3600:.1f} at ")
    assert "validation" in hours
    flops = count_training(recipe, np.arange(800_000) < 160_000).flops
    *_, hours = describe_cost(recipe, 1_000_000, 200_000, flops_per_s=1e12)
    assert hours.startswith(f"hours: {flops / 1e12 / 3600:.1f} at 1 TFLOP/s")
    *_, unknown = describe_cost(recipe, 100, 20)
    assert "--images-per-s" in unknown


def test_a_measured_speed_is_a_rate() -> None:
    assert measure_flops_per_s(TINY, CPU, seconds=0.2) > 1e6
