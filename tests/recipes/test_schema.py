"""Properties of recipes."""

from dataclasses import replace

import pytest

from lib import recipes
from lib.recipes import Keep, Phase


@pytest.mark.parametrize(
    ("settings", "ranked"),
    [
        ({"keep": Keep("swa", 2)}, False),
        ({"keep": Keep("last")}, False),
        ({"keep": Keep("epochs", 1, epochs=(1,))}, False),
        ({"keep": Keep("best", 3)}, False),
        ({"keep": Keep("best", 2)}, True),
        ({"keep": Keep("last"), "early_stop": 2}, True),
        ({"keep": Keep("last"), "schedule": "plateau"}, True),
    ],
)
def test_checkpoints_are_ranked_if_validation_affects_the_weights(
    settings: dict, ranked: bool
) -> None:
    phase = Phase(size=64, epochs=3, batch=3, lr=1e-2, **settings)
    recipe = replace(recipes.get("demo"), phases=(phase,))
    assert recipe.ranks_checkpoints == ranked


def test_the_best_epoch_of_an_earlier_phase_is_ranked_even_if_all_are_kept() -> None:
    """The next phase starts from it."""
    first = Phase(size=64, epochs=2, batch=3, lr=1e-2, keep=Keep("best", 2))
    last = replace(first, keep=Keep("last"))
    demo, alone = recipes.get("demo"), replace(first, epochs=1)
    assert replace(demo, phases=(first, last)).ranks_checkpoints
    assert not replace(demo, phases=(alone, last)).ranks_checkpoints


def test_draws_with_replacement_need_a_positive_rate() -> None:
    with pytest.raises(ValueError, match="replacement needs a positive_rate"):
        Phase(size=64, epochs=1, batch=2, lr=1e-2, replacement=True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"strategy": "epochs"}, "epochs and keep.strategy = epochs need each other"),
        ({"epochs": (1,)}, "epochs and keep.strategy = epochs need each other"),
        ({"strategy": "epochs", "epochs": (1, 2)}, "epochs has 2 entries, keep.count is 1"),
        ({"strategy": "epochs", "count": 2, "epochs": (2, 1)}, "must rise"),
        ({"strategy": "epochs", "count": 2, "epochs": (1, 1)}, "must rise"),
    ],
)
def test_named_epochs_are_as_many_as_are_kept_and_rise(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Keep(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 2}, "keep.epochs has epoch 2, the last of the phase is 1"),
        ({"epochs": 3, "early_stop": 1}, "early_stop .* keep.epochs"),
    ],
)
def test_a_phase_has_the_epochs_to_keep(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Phase(size=64, batch=3, lr=1e-2, keep=Keep("epochs", 1, epochs=(2,)), **settings)
