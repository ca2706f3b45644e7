"""Demo variants (NAME_demo): recipes that train on phantoms with a few CPU cores."""

from dataclasses import replace
from itertools import accumulate

from lib.recipes.schema import Keep, Phase, Recipe

DEMO_SUFFIX = "_demo"
SIZE = 64  # of all phases: the smallest side that all networks accept
STRIDE = 32  # crops are multiples of it
EPOCHS = 32  # of all phases together
BATCH = 4  # a small data set gives few steps; with two images a step, each takes a third longer
LR = 1e-3  # of the first phase: rates for fine-tuning are too low for random weights


def demo_variant(recipe: Recipe) -> Recipe:
    """Shrink a recipe: same network, losses and phases; small size, few epochs, random weights.

    All phases have the same size, because twice the side costs four times the FLOPs. Crops keep
    their part of it. All numbers of epochs are scaled by one factor, and all learning rates by
    another.
    """
    epoch_factor = min(1.0, EPOCHS / sum(phase.epochs for phase in recipe.phases))
    lr_factor = LR / recipe.phases[0].lr
    return replace(
        recipe,
        name=recipe.name + DEMO_SUFFIX,
        summary=f"{recipe.summary}; shrunk for phantoms",
        network=replace(recipe.network, encoder_weights="none"),
        phases=tuple(_shrink(phase, epoch_factor, lr_factor) for phase in recipe.phases),
    )


def _shrink(phase: Phase, epoch_factor: float, lr_factor: float) -> Phase:
    """Return a phase of the demo's size, with its epochs and learning rates scaled."""
    phase = with_epochs(phase, _scale(phase.epochs, epoch_factor, minimum=2))
    return replace(
        phase,
        size=SIZE,
        crop=phase.crop and STRIDE * _scale(phase.crop / STRIDE, SIZE / phase.size),
        batch=BATCH,
        accumulate=1,
        lr=phase.lr * lr_factor,
        min_lr=phase.min_lr * lr_factor,
        steps=tuple((epoch, lr * lr_factor) for epoch, lr in phase.steps),
    )


def with_epochs(phase: Phase, epochs: int) -> Phase:
    """Return a phase of another length: all its numbers of epochs are scaled by the same factor."""
    factor = epochs / phase.epochs
    rates, ema = phase.positive_rate, phase.ema
    return replace(
        phase,
        epochs=epochs,
        period=phase.period and _scale(phase.period, factor),
        steps=_scale_epochs(phase.steps, factor),
        patience=_scale(phase.patience, factor),
        positive_rate=_scale_epochs(rates, factor) if isinstance(rates, tuple) else rates,
        freeze_epochs=phase.freeze_epochs and _scale(phase.freeze_epochs, factor),
        keep=_scale_keep(phase.keep, epochs, factor),
        # The decay is per step and stays.
        ema=ema and replace(ema, start=min(round(ema.start * factor), epochs - 1)),
        # Random weights give equal scores in the first epochs.
        early_stop=phase.early_stop and _scale(phase.early_stop, factor, minimum=2),
    )


def _scale_keep(keep: Keep, epochs: int, factor: float) -> Keep:
    """Return what a phase of fewer epochs keeps; named epochs are counted from 1 and scaled."""
    if keep.epochs:
        named = sorted({_scale(epoch + 1, factor) - 1 for epoch in keep.epochs})
        return replace(keep, count=len(named), epochs=tuple(named))
    return replace(keep, count=min(keep.count, epochs), weights=keep.weights[:epochs])


def _scale(count: float, factor: float, minimum: int = 1) -> int:
    return max(minimum, round(count * factor))


def _scale_epochs(
    pairs: tuple[tuple[int, float], ...], factor: float
) -> tuple[tuple[int, float], ...]:
    """Scale the epochs of (epoch, value) pairs; they still rise, and 0 stays 0."""
    epochs = (_scale(epoch, factor, minimum=min(epoch, 1)) for epoch, _ in pairs)
    rising = accumulate(epochs, lambda before, epoch: max(before + 1, epoch))
    return tuple((epoch, value) for epoch, (_, value) in zip(rising, pairs, strict=True))
