"""Recipes by name: they name what exists, and train as published."""

import numpy as np
import pytest
import torch

from lib import recipes
from lib.errors import InputError
from lib.models import SegmentationNetwork
from lib.recipes import LossWeights
from lib.recipes.published_rules import PUBLISHED
from lib.train.augment import AUGMENTATIONS
from lib.train.checkpoints import epochs_to_keep, is_over
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


@pytest.mark.parametrize("name", ["albunet_valid", "albunet_public", "resnet50", "seunet"])
def test_only_one_network_of_the_first_place_has_normalised_input(name: str) -> None:
    """Gray / 255 on three channels; ImageNet's mean and deviation for resnet50 alone."""
    gray = torch.tensor([0, 51, 255], dtype=torch.uint8).view(3, 1, 1, 1)
    scaled = SegmentationNetwork(recipes.get(f"sneddy_{name}").input).normalise(gray)
    expected = torch.tensor([0, 0.2, 1]).view(3, 1, 1, 1).expand(3, 3, 1, 1)
    if name == "resnet50":
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        expected = (expected - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    assert torch.allclose(scaled, expected)


@pytest.mark.parametrize(
    ("name", "loss", "smooth"),
    [
        ("sneddy_albunet_valid", "batch_dice", 1e-6),
        ("sneddy_albunet_public", "batch_dice", 1e-6),
        ("sneddy_resnet50", "batch_dice", 1e-6),
        ("sneddy_seunet", "batch_dice", 1e-6),
        ("x5_seg_se50", "squared_dice", 0.01),
        ("x5_seg_deeplab", "squared_dice", 0.01),
    ],
)
def test_dice_losses_are_smoothed_as_published(name: str, loss: str, smooth: float) -> None:
    losses = [phase.loss for phase in recipes.get(name).phases]
    assert all(getattr(weights, loss) > 0 for weights in losses)
    assert {weights.dice_smooth for weights in losses} == {smooth}


@pytest.mark.parametrize(
    ("part", "early_stopping"), [(0, 10), (1, 12), (2, 12), (3, 10), (4, 12), (5, 12), (6, 12)]
)
def test_the_first_place_stops_after_more_than_its_early_stopping(
    part: int, early_stopping: int
) -> None:
    """The best epoch, as many epochs as the file says, and one more: 14 if it says 12."""
    phase = recipes.get("sneddy_seunet").phases[part]
    epochs = [{"score": 0.5}] + [{"score": 0.4}] * (early_stopping + 1)
    assert not is_over(phase, epochs[:-1])
    assert is_over(phase, epochs)


def test_the_first_place_draws_negatives_with_replacement() -> None:
    for name, recipe in recipes.RECIPES.items():
        expected = {name.startswith("sneddy_")}
        assert {phase.replacement for phase in recipe.phases} == expected, name


@pytest.mark.parametrize(
    ("kind", "epochs", "averaged"),
    [("seg", 44, (34, 39, 43)), ("cls", 34, (24, 29, 30, 31, 32, 33))],
)
def test_networks_of_the_second_place_average_named_epochs_and_are_augmented_by_kind(
    kind: str, epochs: int, averaged: tuple[int, ...]
) -> None:
    for name, recipe in recipes.RECIPES.items():
        if name.startswith(f"x5_{kind}_"):
            (phase,) = recipe.phases
            kept = epochs_to_keep(phase.keep, [{"epoch": epoch} for epoch in range(phase.epochs)])
            assert phase.epochs == epochs
            assert sorted(row["epoch"] for row in kept) == list(averaged)
            assert phase.keep.merges
            assert not recipe.ranks_checkpoints
            assert recipe.augmentation == ("x5" if kind == "seg" else "x5_classifier")


@pytest.mark.parametrize(
    ("name", "network", "encoder", "size", "batch"),
    [
        ("cls_se50_768", "unet", "se_resnext50_32x4d", 768, 16),
        ("cls_se50_1024", "unet", "se_resnext50_32x4d", 1024, 8),
        ("cls_effb3", "unet", "efficientnet-b3", 1024, 16),
        ("seg_se50", "unet", "se_resnext50_32x4d", 1024, 4),
        ("seg_se101", "unet", "se_resnext101_32x4d", 1024, 4),
        ("seg_effb3", "unet", "efficientnet-b3", 1024, 6),
        ("seg_effb5", "unet", "efficientnet-b5", 768, 4),
        ("seg_deeplab", "deeplabv3plus", "se_resnext50_32x4d", 1024, 4),
    ],
)
def test_networks_of_the_second_place_have_their_sizes_and_batches(
    name: str, network: str, encoder: str, size: int, batch: int
) -> None:
    recipe = recipes.get(f"x5_{name}")
    (phase,) = recipe.phases
    assert (recipe.network.name, recipe.network.encoder) == (network, encoder)
    assert (phase.size, phase.batch) == (size, batch)
    assert f"{size} px" in recipe.summary


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
    # down to 1e-6 (classifiers: 1e-5) in each 5 epochs, then two small rates
    ("x5_seg_se50", 0): {
        0: 5e-4,
        4: 4.865026e-5,
        5: 5e-4,
        10: 5e-4,
        39: 4.865026e-5,
        40: 1e-5,
        41: 1e-5,
        42: 5e-6,
        43: 5e-6,
    },
    ("x5_cls_effb3", 0): {
        0: 5e-4,
        4: 5.6790836e-5,
        15: 5e-4,
        25: 5e-4,
        29: 5.6790836e-5,
        30: 1e-5,
        31: 1e-5,
        32: 5e-6,
        33: 5e-6,
    },
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
    "x5_cls_effb3": [{0: 9000, 33: 9000}],
    "x5_seg_deeplab": [{0: 0, 43: 0}],
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
            sample = positive[[index for batch in batches for _, index, _ in batch]]
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
