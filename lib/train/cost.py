"""Cost of a training, counted before it starts: images, steps, FLOPs, memory, hours.

FLOPs and memory come from a step on tensors without values (torch's FakeTensorMode): a second or
two at any size. Mask R-CNN, which looks at values, computes a real one.
"""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from lib import device as machine
from lib.leaderboard import markdown
from lib.models import SegmentationNetwork, build_model
from lib.recipes import Phase, Recipe
from lib.train.freezing import training_mode
from lib.train.losses import WeightedLoss
from lib.train.optim import build_optimizer
from lib.train.sampling import images_in_epoch

TRAINING = 0.8  # part of the images that trains: all folds of five but one
SECONDS = 20  # of a measurement on a GPU
GIB = 2**30


@dataclass(frozen=True)
class BatchCost:
    """FLOPs and memory of one batch in training.

    Attributes:
        flops: of convolutions and matrix products, forward and backward; an addition and a
            multiplication count as two.
        activation_bytes: kept for the backward pass in the precision of a GPU.
    """

    flops: int
    activation_bytes: int


@dataclass(frozen=True)
class PhaseCost:
    """Totals of a phase, if it does not stop early.

    Attributes:
        presentations: images presented.
        steps: of the optimizer.
        flops: of all steps.
        activation_bytes: of the largest batch.
    """

    phase: Phase
    presentations: int
    steps: int
    flops: float
    activation_bytes: int


@dataclass(frozen=True)
class TrainingCost:
    """Cost of training a recipe on one fold.

    Attributes:
        parameters: of the network.
        model_bytes: weights, gradients, state of the optimizer and moving average, in float32.
    """

    parameters: int
    model_bytes: int
    phases: tuple[PhaseCost, ...]

    @property
    def flops(self) -> float:
        return sum(phase.flops for phase in self.phases)

    @property
    def presentations(self) -> int:
        return sum(phase.presentations for phase in self.phases)

    @property
    def steps(self) -> int:
        return sum(phase.steps for phase in self.phases)

    @property
    def flops_per_image(self) -> float:
        """FLOPs of one image in the last phase."""
        return self.phases[-1].flops / self.phases[-1].presentations

    @property
    def memory_bytes(self) -> int:
        """The most that PyTorch holds at once, without the workspace of its convolutions."""
        return self.model_bytes + max(phase.activation_bytes for phase in self.phases)


def count_training(recipe: Recipe, positive: np.ndarray) -> TrainingCost:
    """Count the training of one fold.

    Args:
        recipe: what is trained.
        positive: (n,) bool, True for training images with a pneumothorax.

    Raises:
        InputError: if there is no such network or encoder, or it does not fit the recipe.
    """
    fake: AbstractContextManager[object] = FakeTensorMode()
    with fake:
        model = build_model(recipe)
    # Mask R-CNN chooses regions by their values, so it needs real ones.
    if type(model).training_loss is not SegmentationNetwork.training_loss:
        model, fake = build_model(recipe), nullcontext()
    with fake:
        phases = tuple(_count_phase(model, phase, positive) for phase in recipe.phases)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    # Weights and gradients; one moment for SGD, two for the others; the average.
    copies = max(
        2 + (1 if phase.optimizer == "sgd" else 2) + bool(phase.ema) for phase in recipe.phases
    )
    return TrainingCost(parameters, 4 * parameters * copies, phases)


def _count_phase(model: SegmentationNetwork, phase: Phase, positive: np.ndarray) -> PhaseCost:
    """Count a phase; frozen epochs have cheaper steps."""
    presentations, steps, flops, activation_bytes = 0, 0, 0.0, 0
    n_frozen = phase.epochs if phase.freeze_epochs is None else phase.freeze_epochs
    for _, group in groupby(range(phase.epochs), lambda epoch: epoch < n_frozen):
        epochs = list(group)
        cost = count_batch(model, phase, epochs[0])
        for epoch in epochs:
            n_images = images_in_epoch(phase, epoch, positive)
            presentations += n_images
            steps += math.ceil(math.ceil(n_images / phase.batch) / phase.accumulate)
            flops += n_images / phase.batch * cost.flops
        activation_bytes = max(activation_bytes, cost.activation_bytes)
    return PhaseCost(phase, presentations, steps, flops, activation_bytes)


def count_batch(model: SegmentationNetwork, phase: Phase, epoch: int) -> BatchCost:
    """Count one full batch, with the parts frozen that the phase freezes in the epoch.

    Args:
        model: built inside FakeTensorMode, or a real one, which then computes.
    """
    side = phase.crop or phase.size
    images = torch.zeros((phase.batch, 1, side, side), dtype=torch.uint8)
    masks = torch.zeros_like(images)
    masks[:, :, 8:40, 8:40] = 1  # one object
    parameters = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in parameters:
            kept[storage._cdata] = storage.nbytes()
        return tensor

    own = {torch.ops.aten.convolution_backward: _convolution_backward_flops}
    counter = FlopCounterMode(display=False, custom_mapping=own)
    autocast = torch.autocast("cpu", dtype=torch.bfloat16)  # sizes are those of a GPU
    with training_mode(model, phase, epoch), counter, autocast:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = model.training_loss(images, masks, WeightedLoss(phase.loss))["loss"]
        loss.backward()
    model.zero_grad()
    return BatchCost(counter.get_total_flops(), sum(kept.values()))


def _convolution_backward_flops(
    grad_shape: Sequence[int], input_shape: Sequence[int], weight_shape: Sequence[int],
    *rest: Any, out_shape: Any = None, **named: Any,
) -> int:  # fmt: skip
    """Count the gradients of a convolution: each costs what the forward pass does.

    torch's own count takes the groups of a convolution for one: a depthwise one is 100 times as
    expensive there.
    """
    *_, transposed, _, _, needed = rest
    positions = math.prod((input_shape if transposed else grad_shape)[2:])
    forward = 2 * grad_shape[0] * positions * math.prod(weight_shape)
    return forward * sum(needed[:2])  # of the input and of the weights


def measure_flops_per_s(recipe: Recipe, device: torch.device, seconds: float = SECONDS) -> float:
    """Return the FLOP/s that steps of the last phase achieve on a device, without loading data."""
    phase = recipe.phases[-1]
    flops = phase.batch * count_training(recipe, np.array([True])).flops_per_image
    model = build_model(recipe).to(device).to(memory_format=torch.channels_last)
    machine.choose_layer_precision(model, device)
    optimizer = build_optimizer(phase, model.parameters(), model.decoder)
    criterion, side = WeightedLoss(phase.loss), phase.crop or phase.size
    images = torch.zeros((phase.batch, 1, side, side), dtype=torch.uint8, device=device)
    masks = torch.zeros_like(images)

    def step() -> float:
        with machine.autocast(device):
            loss = model.training_loss(images, masks, criterion)["loss"]
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()  # waits for a GPU

    cure = f"at this batch ({phase.batch}) and size ({side} px) the recipe does not fit"
    with machine.friendly_errors(cure), training_mode(model, phase, phase.epochs - 1):
        step()  # chooses kernels
        start, n_steps = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - start) < seconds or not n_steps:
            step()
            n_steps += 1
    return n_steps * flops / elapsed


def describe_cost(
    recipe: Recipe, n_images: int, n_positive: int, device: torch.device | None = None,
    images_per_s: float | None = None, flops_per_s: float | None = None,
) -> Iterator[str]:  # fmt: skip
    """Yield the lines about training one of five folds.

    Args:
        recipe: what is trained.
        n_images: labelled images.
        n_positive: those of them with a pneumothorax.
        device: the GPU to measure if no speed is known; None: the hours are left out.
        images_per_s: known speed of the last phase.
        flops_per_s: known speed of the machine, instead.
    """
    positive = _training_images(n_images, n_positive)
    cost = count_training(recipe, positive)
    yield (
        f"{recipe.name}: one of five folds of {n_images:,} images ({positive.size:,} train, "
        f"{positive.sum():,} with a pneumothorax), if no phase stops early"
    )
    columns = ("phase", "side", "batch", "epochs", "images", "steps", "TFLOP a step", "PFLOP",
               "activations")  # fmt: skip
    yield from markdown.table(columns, (
        (
            str(number), f"{part.phase.crop or part.phase.size} px", str(part.phase.batch),
            str(part.phase.epochs), f"{part.presentations:,}", f"{part.steps:,}",
            f"{part.flops / part.steps / 1e12:.3g}", f"{part.flops / 1e15:.2f}",
            f"{part.activation_bytes / GIB:.2f} GiB",
        )
        for number, part in enumerate(cost.phases, 1)
    ))  # fmt: skip
    yield (
        f"in all {cost.presentations:,} images, {cost.steps:,} steps, {cost.flops / 1e15:.2f} PFLOP"
    )
    yield (
        f"{cost.parameters:,} parameters; memory {cost.memory_bytes / GIB:.1f} GiB, without the "
        "workspace of the convolutions"
    )
    if images_per_s is not None:
        speed = cost.flops_per_image * images_per_s
        yield _hours(cost, speed, f"at {images_per_s:g} images/s in the last phase")
    elif flops_per_s is not None:
        yield _hours(cost, flops_per_s, "as given")
    elif device:
        speed = measure_flops_per_s(recipe, device)
        yield _hours(
            cost, speed, f"measured in {SECONDS} s on {torch.cuda.get_device_name(device)}"
        )
    else:
        yield (
            "hours: there is no GPU to measure; give --images-per-s, the speed of the last phase, "
            "or --tflop-per-s"
        )


def cost_table(recipes: Sequence[Recipe], n_images: int, n_positive: int) -> Iterator[str]:
    """Yield the lines of a Markdown table: a recipe each, and what one of five folds costs."""
    flops = 0.0
    positive = _training_images(n_images, n_positive)

    def row(recipe: Recipe) -> tuple[str, ...]:
        nonlocal flops
        cost = count_training(recipe, positive)
        flops += cost.flops
        largest = max(recipe.phases, key=lambda phase: phase.crop or phase.size)
        return (
            f"`{recipe.name}`", str(largest.crop or largest.size), str(largest.batch),
            f"{cost.parameters / 1e6:.1f} M", f"{cost.presentations:,}", f"{cost.steps:,}",
            f"{cost.flops / 1e15:.1f}", f"{cost.memory_bytes / GIB:.1f} GiB",
        )  # fmt: skip

    columns = ("recipe", "side", "batch", "parameters", "images", "steps", "PFLOP", "memory")
    yield from markdown.table(columns, map(row, recipes))
    yield ""
    yield f"in all {flops / 1e15:.0f} PFLOP for one fold, {5 * flops / 1e15:.0f} for five"


def _training_images(n_images: int, n_positive: int) -> np.ndarray:
    """Return (n,) bool, True for positives: the images of all folds of five but one."""
    return np.arange(round(TRAINING * n_images)) < round(TRAINING * n_positive)


def _hours(cost: TrainingCost, flops_per_s: float, source: str) -> str:
    hours = cost.flops / flops_per_s / 3600
    return (
        f"hours: {hours:.1f} at {flops_per_s / 1e12:.3g} TFLOP/s, {source}; validation and loading "
        "come on top"
    )
