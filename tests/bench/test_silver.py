"""The comparison on real radiographs: budgets, the flags that make a variant, and its table."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lib import recipes
from lib.recipes.serialize import override
from lib.train.sampling import epoch_order, rate_in_epoch
from tests.bench import silver

POSITIVE = np.arange(2052) < 353  # folds 1 to 4 of the silver radiographs
TRAINED = [variant for variant in silver.VARIANTS if variant.recipe]


def presented(recipe: recipes.Recipe) -> int:
    rng = np.random.default_rng(1)
    return sum(
        epoch_order(POSITIVE, rate_in_epoch(phase, epoch), rng).size
        for phase in recipe.phases
        for epoch in range(phase.epochs)
    )


@pytest.mark.parametrize("variant", TRAINED, ids=lambda variant: variant.name)
def test_all_variants_have_their_budget_and_can_be_made_by_flags(variant: silver.Variant) -> None:
    assert variant.recipe
    recipe = silver.fit_budget(variant.recipe, POSITIVE, variant.presentations)
    assert presented(recipe) == pytest.approx(variant.presentations, rel=0.06)
    made = override(recipes.get(silver.BASE_RECIPE), silver.settings(recipe))
    names = {"name": recipe.name, "source": recipe.source, "summary": recipe.summary}
    assert replace(made, **names) == recipe


def test_a_moving_average_covers_the_same_part_of_a_shorter_training() -> None:
    small = silver.SMALL
    whole, half = presented(small), presented(small) // 2
    (average,) = {phase.ema for phase in silver.fit_budget(small, POSITIVE, half).phases}
    assert small.phases[0].ema == recipes.Ema(decay=0.998)
    assert average.decay == pytest.approx(0.998 ** (whole / half))


def test_variants_have_runs_of_their_own_and_members_that_exist() -> None:
    names = {silver.run_name(variant.name, 0) for variant in silver.VARIANTS}
    assert len(names) == len(silver.VARIANTS) == len(silver.BY_NAME)
    assert {member for variant in silver.VARIANTS for member in variant.members} <= {
        variant.name for variant in TRAINED
    }


FIGURES = {
    "fold0_dice": 0.86, "fold0_auc": 0.9, "test_seeds": "0.8600 0.8610", "positive_dice": 0.3,
    "auc": 0.9, "sensitivity": 0.5, "specificity": 0.98, "test_dice": 0.8605, "test_low": 0.83,
    "test_high": 0.88, "presentations": 20123, "seconds": 900,
}  # fmt: skip
MASKED = np.array([True, True, False, False])


def write(name: str, *dices: list[float]) -> None:
    silver.write({"variant": name} | FIGURES, MASKED, [np.array(each) for each in dices])


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silver, "ROWS", tmp_path / "silver.csv")


@pytest.mark.usefixtures("rows")
def test_rows_replace_those_of_their_variant_and_are_compared_image_by_image() -> None:
    write("EMA .998", [1, 1, 1, 1], [1, 1, 1, 1])
    write("base", [0, 0.5, 1, 1], [0.5, 0.5, 1, 1])
    write("EMA .998", [0.5, 0.5, 1, 1], [0.5, 1, 1, 1])
    _, _, *lines = silver.table()
    base, ema = (line.split(" | ") for line in lines)
    assert base[0].endswith("base")
    assert (base[3], base[9], base[10]) == ("0.8605 (0.8300 to 0.8800)", "", "20,123")
    assert ema[9].startswith("+0.1250 (+0.0000 to ")  # 0.25 and 0.25 of two of four images


@pytest.mark.usefixtures("rows")
def test_the_system_is_compared_with_each_baseline_and_with_the_spread_of_seeds() -> None:
    write("small", [0.5, 0.7, 1, 1], [0.7, 0.7, 1, 1])
    write("viel_baseline", [0.2, 0.4, 1, 1], [0.2, 0.4, 0, 1])
    *_, line = silver.table()
    name, dice, positive, spread = line.strip("| ").split(" | ")
    assert (name, positive) == ("viel_baseline", "+0.350")
    assert dice.startswith("+0.3000 (")  # of the four images: 0.4, 0.3, 0.5, 0
    assert spread == "0.2500"  # of all images of viel_baseline: 0.65 and 0.4
