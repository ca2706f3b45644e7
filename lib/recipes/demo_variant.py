"""NAME_demo: any recipe, small enough to train on phantoms with a few CPU cores."""

from dataclasses import replace
from itertools import accumulate

from lib.recipes.schema import Ema, Keep, Phase, Recipe

DEMO_SUFFIX = "_demo"
SIZE = 128  # of the largest phase where sides differ (sizes, crops); others are in proportion
SMALLEST = 64  # what the deepest network here can take, and the size of recipes with one size
STRIDE = 32  # what crops are multiples of
EPOCHS = 32  # of all phases together
BATCH = 4  # few images give few steps
LR = 1e-3  # of the first phase: rates for pretrained weights teach random ones nothing


def demo_variant(recipe: Recipe) -> Recipe:
    """Shrink a recipe: same network, losses and phases; small size, few epochs, random weights.

    Everything that is counted in epochs shrinks alike, and all learning rates are scaled by one
    factor.
    """
    sides = {side for phase in recipe.phases for side in (phase.size, phase.crop) if side}
    size = (SMALLEST if len(sides) == 1 else SIZE) / max(sides)
    time = min(1.0, EPOCHS / sum(phase.epochs for phase in recipe.phases))
    rate = LR / recipe.phases[0].lr
    return replace(
        recipe,
        name=recipe.name + DEMO_SUFFIX,
        summary=f"{recipe.summary}; shrunk for phantoms",
        network=replace(recipe.network, encoder_weights="none"),
        phases=tuple(_shrink(phase, size, time, rate) for phase in recipe.phases),
    )


def _shrink(phase: Phase, size: float, time: float, rate: float) -> Phase:
    """A phase with its sides, its epochs and its learning rates each times a factor."""
    epochs = _times(phase.epochs, time, least=2)
    time = epochs / phase.epochs
    rates = phase.positive_rate
    return replace(
        phase,
        size=SMALLEST * _times(phase.size / SMALLEST, size),
        crop=phase.crop and STRIDE * _times(phase.crop / STRIDE, size),
        epochs=epochs,
        batch=min(phase.batch, BATCH),
        accumulate=1,
        lr=phase.lr * rate,
        min_lr=phase.min_lr * rate,
        period=phase.period and _times(phase.period, time),
        steps=tuple((epoch, lr * rate) for epoch, lr in _sooner(phase.steps, time)),
        patience=_times(phase.patience, time),
        positive_rate=_sooner(rates, time) if isinstance(rates, tuple) else rates,
        freeze_epochs=phase.freeze_epochs and _times(phase.freeze_epochs, time),
        keep=_keep(phase.keep, epochs),
        ema=phase.ema and _ema(phase.ema, time, epochs),
        # From random weights the first epochs all score alike.
        early_stop=phase.early_stop and _times(phase.early_stop, time, least=2),
    )


def _times(count: float, factor: float, least: int = 1) -> int:
    return max(least, round(count * factor))


def _sooner(pairs: tuple[tuple[int, float], ...], time: float) -> tuple[tuple[int, float], ...]:
    """(Epoch, value) pairs with their epochs times a factor, still rising; 0 stays 0."""
    epochs = (_times(epoch, time, least=min(epoch, 1)) for epoch, _ in pairs)
    rising = accumulate(epochs, lambda before, epoch: max(before + 1, epoch))
    return tuple((epoch, value) for epoch, (_, value) in zip(rising, pairs, strict=True))


def _keep(keep: Keep, epochs: int) -> Keep:
    """What is kept of so many epochs: counts are not shrunk, one checkpoint has no average."""
    return replace(keep, count=min(keep.count, epochs), weights=keep.weights[:epochs])


def _ema(ema: Ema, time: float, epochs: int) -> Ema:
    """The decay stays: it counts steps, not epochs."""
    return replace(ema, start=min(_times(ema.start, time, least=0), epochs - 1))
