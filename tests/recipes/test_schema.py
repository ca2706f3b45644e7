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


def test_draws_with_replacement_need_a_positive_rate() -> None:
    with pytest.raises(ValueError, match="replacement needs a positive_rate"):
        Phase(size=64, epochs=1, batch=2, lr=1e-2, replacement=True)
