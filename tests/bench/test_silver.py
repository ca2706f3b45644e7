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


def test_variants_have_runs_of_their_own_and_members_that_exist() -> None:
    names = {silver.run_name(variant.name, 0) for variant in silver.VARIANTS}
    assert len(names) == len(silver.VARIANTS) == len(silver.BY_NAME)
    assert {member for variant in silver.VARIANTS for member in variant.members} <= {
        variant.name for variant in TRAINED
    }


def test_rows_replace_those_of_their_variant_and_are_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silver, "ROWS", tmp_path / "silver.csv")
    figures = {
        "fold0_dice": 0.86, "fold0_auc": 0.9, "test_seeds": "0.8600 0.8610", "positive_dice": 0.3,
        "auc": 0.9, "sensitivity": 0.5, "specificity": 0.98, "test_dice": 0.8605,
        "test_low": 0.83, "test_high": 0.88, "gain": 0.01, "gain_low": -0.01, "gain_high": 0.03,
        "presentations": 20123, "seconds": 900,
    }  # fmt: skip
    silver.write_rows([{"variant": "base"} | figures, {"variant": "r34_512"} | figures])
    silver.write_rows([{"variant": "base"} | figures | {"test_dice": 0.9}])
    _, _, *lines = silver.table()
    default, base = (line.split(" | ") for line in lines)
    assert default[0].endswith("r34_512")
    assert (default[3], base[3]) == ("0.8605 (0.8300 to 0.8800)", "0.9000 (0.8300 to 0.8800)")
    assert base[9] == "+0.0100 (-0.0100 to +0.0300)"
    assert base[10] == "20,123"
