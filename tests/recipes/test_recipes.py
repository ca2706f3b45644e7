"""Recipes by name: they name what exists, and train as published."""

import numpy as np
import pytest

from lib import recipes
from lib.errors import InputError
from lib.recipes import LossWeights
from lib.recipes.published_rules import PUBLISHED
from lib.train.augment import AUGMENTATIONS
from lib.train.optim import learning_rate
from lib.train.sampling import EpochBatches


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_a_recipe_names_what_exists(name: str) -> None:
    recipe = recipes.get(name)
    assert recipe.augmentation in AUGMENTATIONS
    assert recipe.rule.levels
    assert recipe.rule in PUBLISHED.values() or recipe.source == "this project"
    if recipe.select == "class_auc":
        assert recipe.network.image_head


def test_an_unknown_recipe_is_refused_with_similar_names() -> None:
    with pytest.raises(InputError, match="'dema'; similar names: demo"):
        recipes.get("dema")


@pytest.mark.parametrize(
    "name",
    [
        "r34_512",
        *(f"sneddy_{n}" for n in ("albunet_valid", "albunet_public", "resnet50", "seunet")),
    ],
)
def test_a_tuned_rule_ranks_the_checkpoints_of_the_default_and_of_the_1st_place(name: str) -> None:
    assert recipes.get(name).select == "tuned_dice"
    assert recipes.get(name).ranks_checkpoints  # as decision.json says of its folds


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_of_the_papers_only_2st_unet_flips_at_test_time_and_not_the_2nd_places_segmenters(
    name: str,
) -> None:
    without = ("niu_", "zhang_", "viel_", "jakhar_", "x5_seg_")
    assert recipes.get(name).tta == ("none" if name.startswith(without) else "flip")


# Learning rates by epoch, of (recipe, phase), if all epochs have equal scores.
RATES = {
    ("abedalla_2st_unet", 0): {0: 1e-3, 25: 8.535534e-4, 50: 5e-4, 75: 1.464466e-4},
    ("abedalla_2st_unet", 1): {0: 1e-3, 35: 5e-4},
    ("abedalla_aug_a4", 0): {0: 1e-4, 10: 5.5e-5},
    ("abedalla_exp1", 0): {0: 1e-3, 6: 1e-3, 7: 2e-4, 12: 2e-4, 13: 4e-5},
    ("viel_baseline", 0): {0: 5e-4, 1: 4e-4, 2: 2e-4},
    ("viel_lovasz", 1): {0: 5e-4, 20: 2.75e-4},
    ("niu_resnet50", 0): {0: 1e-3},
    ("niu_resnet50", 1): {0: 1e-5},
    ("jakhar_resnet_unet", 0): {0: 1e-4, 39: 1e-4},
    ("sneddy_seunet", 0): {0: 1e-4, 3: 1e-4, 4: 1e-5, 7: 1e-6, 10: 1e-7, 13: 1e-7},
    ("sneddy_seunet", 3): {0: 1e-4, 4: 1e-5},
    ("sneddy_albunet_valid", 1): {0: 1e-5, 4: 5.05e-6, 8: 1e-7, 12: 5.05e-6, 16: 1e-5, 24: 1e-7},
    ("sneddy_albunet_valid", 6): {0: 1e-5, 8: 1e-7},
    ("sneddy_seunet", 6): {0: 1e-5, 8: 1e-8, 16: 1e-5},
    ("x5_seg_se50", 0): {0: 5e-4, 5: 5e-4, 10: 2.5e-4, 15: 5e-4, 25: 2.5e-4, 35: 5e-4},
    ("x5_seg_se50", 1): {0: 1e-5, 1: 1e-5, 2: 5e-6, 3: 5e-6},
    ("amirassov_r34_768", 0): {0: 7.5e-5, 4: 3.8e-5, 8: 1e-6, 16: 7.5e-5},
    ("bestfitting_lovasz", 0): {0: 1e-4, 24: 1e-4, 25: 5e-5, 34: 5e-5, 35: 1e-5, 39: 1e-5},
    # up within the first epoch, then down: 19 epochs for 1e-4
    ("see_fpn_r50", 0): {0: 0, 0.5: 5e-5, 1: 1e-4, 10.5: 5e-5, 20: 0},
}


@pytest.mark.parametrize(("name", "phase"), RATES)
def test_learning_rates_run_as_published(name: str, phase: int) -> None:
    settings, published = recipes.get(name).phases[phase], RATES[name, phase]
    rates = {at: learning_rate(settings, at, [0.5] * int(at)) for at in published}
    assert rates == pytest.approx(published, rel=1e-6, abs=1e-12)


# Negatives by epoch, of each phase, on 2,400 positives and 9,000 negatives.
NEGATIVES = {
    "abedalla_exp2": [{0: 9000}],
    "viel_scse": [{0: 2400}, {0: 2400}],
    "niu_vgg16": [{0: 600}, {0: 1600}, {0: 3600}],
    "zhang_unet": [{0: 1200, 19: 1200, 20: 2400, 59: 2400}],
    "sneddy_albunet_valid": [{0: n} for n in (600, 1600, 3600, 600, 1600, 3600, 3600)],
    "sneddy_albunet_public": [{0: n} for n in (600, 3600, 1600, 600, 3600, 1600, 3600)],
    "sneddy_resnet50": [{0: n} for n in (600, 1600, 3600, 2400)],
    "sneddy_seunet": [{0: n} for n in (600, 1600, 3600, 600, 1600, 3600, 2400)],
    "x5_cls_se50": [{0: 9000}, {0: 9000}],
    "x5_seg_deeplab": [{0: 0, 39: 0}, {0: 0}],
    "amirassov_r34_768": [{0: 600, 59: 8509}],  # from .8 to .22
    "bestfitting_lovasz": [{0: 2400}],
}


@pytest.mark.parametrize("name", NEGATIVES)
def test_each_epoch_has_the_published_positive_rate(name: str) -> None:
    positive = np.arange(11_400) < 2400
    for phase, published in zip(recipes.get(name).phases, NEGATIVES[name], strict=True):
        batches = EpochBatches(positive, phase, key=(0,))
        for epoch, negatives in published.items():
            batches.epoch = epoch
            sample = positive[[index for batch in batches for _, index in batch]]
            assert (sample.sum(), (~sample).sum()) == (2400, negatives)


def test_the_ablation_has_all_combinations_of_four_options() -> None:
    combinations = set()
    for name, recipe in recipes.RECIPES.items():
        if name.startswith("viel"):
            options = {
                "lovasz": recipe.phases[1].loss.lovasz_elu > 0,
                "aspp": recipe.network.centre == "aspp",
                "hypercolumns": recipe.network.hypercolumns,
                "scse": recipe.network.attention == "scse",
            }
            enabled = [option for option, value in options.items() if value]
            assert name == "viel_" + ("_".join(enabled) or "baseline")
            # lambda_cls is .1 with BCE and .01 with Lovasz (4.1)
            # The authors' code: elu + 1 in the hinge, weight decays, norms that train while frozen.
            bce = LossWeights(bce=1, image_bce=0.1)
            lovasz = LossWeights(lovasz_elu=1, image_bce=0.01)
            for phase in recipe.phases:
                assert phase.loss == (lovasz if options["lovasz"] else bce)
                assert (phase.weight_decay, phase.decoder_weight_decay) == (1e-4, 1e-2)
            assert [phase.freeze for phase in recipe.phases] == ["encoder_parameters", "nothing"]
            combinations.add(tuple(enabled))
    assert len(combinations) == 16
