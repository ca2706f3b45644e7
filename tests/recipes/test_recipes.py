"""Recipes by name, as config, and changed by --set; what is published, in tables by hand."""

import json
import sys

import numpy as np
import pytest

from lib import recipes
from lib.decision.rules import levels
from lib.errors import InputError
from lib.recipes import LossWeights, Recipe, serialize
from lib.recipes.__main__ import main
from lib.recipes.published_rules import PUBLISHED
from lib.train.augment import AUGMENTATIONS
from lib.train.optim import learning_rate
from lib.train.sampling import EpochBatches

ABEDALLA = ["abedalla_exp1", "abedalla_exp2", "abedalla_exp3", "abedalla_exp4", "abedalla_2st_unet"]
STUDY = ["abedalla_aug_" + groups for groups in ("none", "a1", "a2", "a1_a2", "a3", "a4")]
VIEL = [
    "viel_baseline", "viel_lovasz", "viel_aspp", "viel_hypercolumns", "viel_scse",
    "viel_lovasz_aspp", "viel_lovasz_hypercolumns", "viel_lovasz_scse", "viel_aspp_hypercolumns",
    "viel_aspp_scse", "viel_hypercolumns_scse", "viel_lovasz_aspp_hypercolumns",
    "viel_lovasz_aspp_scse", "viel_lovasz_hypercolumns_scse", "viel_aspp_hypercolumns_scse",
    "viel_lovasz_aspp_hypercolumns_scse",
]  # fmt: skip
NIU = ["niu_" + name for name in ("se_resnext50", "densenet121", "resnet50", "resnet101", "vgg16")]
ZHANG = ["zhang_ica_resunet", "zhang_unet", "zhang_albunet", "zhang_chexlocnet"]
SNEDDY = ["sneddy_" + name for name in ("albunet_valid", "albunet_public", "resnet50", "seunet")]
X5_CLASSIFIERS = ["x5_cls_se50", "x5_cls_se101", "x5_cls_effb3"]
X5_SEGMENTERS = ["x5_seg_" + name for name in ("se50", "se101", "effb3", "effb5", "deeplab")]
OURS = ["r34_512", "demo"]
OTHERS = ["jakhar_resnet_unet", "amirassov_r34_768", "see_fpn_r50", "bestfitting_lovasz"]
PAPERS = [
    *ABEDALLA, *STUDY, *VIEL, *NIU, *ZHANG, *SNEDDY, *X5_CLASSIFIERS, *X5_SEGMENTERS, *OTHERS,
]  # fmt: skip


def through_json(recipe: Recipe) -> Recipe:
    return serialize.from_dict(json.loads(json.dumps(serialize.to_dict(recipe))))


def test_every_system_of_the_papers_is_there() -> None:
    assert set(recipes.RECIPES) == {*PAPERS, *OURS}


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_a_recipe_survives_the_way_through_json(name: str) -> None:
    recipe = recipes.get(name)
    assert recipe.name == name
    assert through_json(recipe) == recipe  # and every value is within its limits


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_a_recipe_names_what_exists(name: str) -> None:
    recipe = recipes.get(name)
    assert recipe.augmentation in AUGMENTATIONS
    assert levels(recipe.rule)
    if recipe.select == "class_auc":
        assert recipe.network.image_head


@pytest.mark.parametrize("name", PAPERS)
def test_a_papers_recipe_decides_by_a_published_rule(name: str) -> None:
    assert recipes.get(name).rule in PUBLISHED.values()


def test_all_are_listed_with_source_and_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["recipes"])
    main()
    *lines, last = capsys.readouterr().out.splitlines()
    for recipe, line in zip(recipes.RECIPES.values(), lines, strict=True):
        assert recipe.source
        assert recipe.summary
        assert line.split() == [recipe.name, *recipe.source.split(), *recipe.summary.split()]
    assert len({line.index(recipes.get(line.split()[0]).summary) for line in lines}) == 1
    assert "NAME_demo" in last


def test_one_is_printed_in_full(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["recipes", "sneddy_seunet_demo"])
    main()
    printed = json.loads(capsys.readouterr().out)
    assert serialize.from_dict(printed) == recipes.get("sneddy_seunet_demo")


def test_an_unknown_recipe_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InputError, match="no recipe 'dema'; near it: demo"):
        recipes.get("dema")


def test_settings_reach_nested_keys_and_take_their_types() -> None:
    changed = serialize.override(
        recipes.get("demo"),
        [
            "phases.0.epochs=2",
            "phases.0.clip=null",
            "network.encoder=resnet34",
            "input.mean=[0.1]",
            "input.std=[0.2]",
        ],
    )
    assert changed.phases[0].epochs == 2
    assert changed.phases[0].clip is None
    assert changed.network.encoder == "resnet34"
    assert changed.input.mean == (0.1,)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        pytest.param("phases.0.epoch=2", "no 'epoch'; there is size, epochs", id="misspelt"),
        pytest.param("phases.7.lr=1", "no '7'; there is 0", id="no-such-phase"),
        pytest.param("name.x=1", "no 'x'; there is nothing", id="inside-a-text"),
        pytest.param("phases.0.epochs=two", "valid integer", id="not-a-number"),
        pytest.param("phases.0.epochs=0", "greater than or equal to 1", id="no-epochs"),
        pytest.param("phases.0.schedule=cosin", "'constant', 'cosine', 'restarts'", id="choice"),
        pytest.param("phases.0.epochs", "write key=value", id="no-value"),
        pytest.param("phases.0.crop=160", "crop 160 is larger than size 128", id="crop"),
        pytest.param("phases.0.schedule=steps", "steps and schedule steps", id="no-steps"),
        pytest.param("phases.0.schedule=restarts", "needs a period", id="restarts-of-what"),
        pytest.param("phases.0.warmup=0.1", "cosine has no warmup", id="ignored-warmup"),
        pytest.param("phases.0.freeze_epochs=2", "something to freeze", id="ignored-freeze"),
        pytest.param("phases.0.positive_rate=[[1, 0.5]]", "the first 0", id="rate-from-where"),
        pytest.param("phases.0.lr=Infinity", "finite number", id="endless-rate"),
        pytest.param("phases.0.lr=1e999", "finite number", id="rate-too-large-to-write"),
        pytest.param("phases.0.weight_decay=Infinity", "finite number", id="endless-decay"),
        pytest.param("phases.0.clip=Infinity", "finite number", id="endless-clip"),
        pytest.param("phases.0.loss.bce=NaN", "loss.bce = nan: .* finite number", id="no-weight"),
        pytest.param("phases.0.steps=[[1, Infinity]]", "finite number", id="endless-step"),
        pytest.param("input.mean=[NaN, 0, 0]", "finite number", id="no-mean"),
        pytest.param("input.mean=[0.5, 0.5]", "mean has 2 entries, std 1", id="means-and-stds"),
        pytest.param("input.mean=[]", "at least 1 item", id="no-channel"),
        pytest.param("input.std=[0]", "greater than 0", id="no-spread"),
        pytest.param(f"seed={10**30}", "less than 9223372036854775808", id="long-seed"),
        pytest.param("seed=-1", "greater than or equal to 0", id="negative-seed"),
        pytest.param("phases=[]", "at least 1 item", id="no-phase"),
        pytest.param("phases.².epochs=1", "there is no '²'; there is 0", id="raised-digit"),
        pytest.param(f"phases.{'9' * 5000}.lr=1", "there is no '999", id="5000-digits"),
        pytest.param("network.decoder_channels=[8, -1]", "or equal to 1", id="channels"),
        pytest.param("phases.0.keep.weights=[0.5]", "strategy best, average weights", id="shares"),
    ],
)
def test_a_bad_setting_is_refused(setting: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        serialize.override(recipes.get("demo"), [setting])


def test_facts_with_an_unknown_key_are_refused() -> None:
    with pytest.raises(InputError, match="network.encodr"):
        serialize.from_dict(
            serialize.to_dict(recipes.get("demo"))
            | {"network": {"name": "unet", "encodr": "resnet34"}}
        )


# Phases as (epochs, side, batch).
SAID_PHASES = {
    # 2ST-UNet, Table 4 and the end of 5.1
    "abedalla_exp1": [(50, 256, 40)],
    "abedalla_exp2": [(35, 256, 40)],
    "abedalla_exp3": [(35, 256, 40), (10, 512, 14)],
    "abedalla_exp4": [(60, 256, 40), (29, 512, 14)],
    "abedalla_2st_unet": [(100, 256, 64), (70, 512, 16)],
    **dict.fromkeys(STUDY, [(20, 256, 64)]),
    # Viel and Orhan, Table 1
    **dict.fromkeys(VIEL, [(3, 256, 32), (40, 256, 32)]),
    # configurations of the 1st place: three parts at 512, three at 1024, the second stage
    **dict.fromkeys(SNEDDY, [(50, 512, 2)] * 3 + [(50, 1024, 2)] * 3 + [(40, 1024, 2)]),
    "sneddy_resnet50": [(50, 1024, 2)] * 3 + [(40, 1024, 2)],
    "x5_seg_se50": [(40, 1024, 4), (4, 1024, 4)],
    "x5_seg_effb5": [(40, 768, 4), (4, 768, 4)],
    "x5_cls_se50": [(30, 768, 8), (4, 768, 8)],
    "amirassov_r34_768": [(60, 768, 8)],
    "see_fpn_r50": [(20, 768, 16)],
}


@pytest.mark.parametrize("name", SAID_PHASES)
def test_phases_are_as_published(name: str) -> None:
    phases = recipes.get(name).phases
    assert [(phase.epochs, phase.size, phase.batch) for phase in phases] == SAID_PHASES[name]


SWA = {
    **dict.fromkeys([*ABEDALLA[2:]], [5, 3]),
    "abedalla_exp2": [5],
    **dict.fromkeys([*X5_CLASSIFIERS, *X5_SEGMENTERS], [0, 3]),
}


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_weights_of_the_last_epochs_are_averaged_where_published(name: str) -> None:
    keeps = [phase.keep for phase in recipes.get(name).phases]
    counts = [keep.count if keep.strategy == "swa" else 0 for keep in keeps]
    assert counts == SWA.get(name, [0] * len(counts))


# Learning rates by (recipe, phase): of these epochs, with equal scores in all of them.
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
    settings, said = recipes.get(name).phases[phase], RATES[name, phase]
    rates = {at: learning_rate(settings, at, [0.5] * int(at)) for at in said}
    assert rates == pytest.approx(said, rel=1e-6, abs=1e-12)


# Of 2,400 positives and 9,000 negatives, negatives drawn in these epochs of each phase.
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
def test_each_epoch_draws_the_published_share(name: str) -> None:
    positive = np.arange(11_400) < 2400
    for phase, said in zip(recipes.get(name).phases, NEGATIVES[name], strict=True):
        batches = EpochBatches(positive, phase, key=(0,))
        for epoch, negatives in said.items():
            batches.epoch = epoch
            drawn = positive[[index for batch in batches for _, index in batch]]
            assert (drawn.sum(), (~drawn).sum()) == (2400, negatives)


# (BCE, batch Dice, focal), and by phase: early stop, checkpoints kept.
SNEDDY_LOSSES = {
    "sneddy_albunet_valid": (3, 1, 4),
    "sneddy_albunet_public": (1, 1, 1),
    "sneddy_resnet50": (2, 1, 2),
    "sneddy_seunet": (3, 1, 4),
}
SNEDDY_PARTS = [(10, 5), (12, 3), (12, 3)]


@pytest.mark.parametrize("name", SNEDDY)
def test_the_winners_parts_are_as_in_its_files(name: str) -> None:
    recipe = recipes.get(name)
    bce, dice, focal = SNEDDY_LOSSES[name]
    assert {p.loss for p in recipe.phases} == {LossWeights(bce=bce, batch_dice=dice, focal=focal)}
    parts = SNEDDY_PARTS * (1 if name == "sneddy_resnet50" else 2)
    kept = [(phase.early_stop, phase.keep.count) for phase in recipe.phases]
    assert kept == [*parts, (12, 3)]
    assert {(p.clip, p.optimizer) for p in recipe.phases} == {(0.1, "adam")}
    decays = [phase.weight_decay for phase in recipe.phases]
    assert decays[:-1] == [5e-6] * (len(decays) - 1)
    assert decays[-1] == (5e-7 if name == "sneddy_seunet" else 5e-6)
    frozen = [index for index, phase in enumerate(recipe.phases) if phase.freeze == "encoder"]
    assert frozen == ([] if name == "sneddy_resnet50" else [3])
    assert recipe.select_rule == PUBLISHED["sneddy_select"]


def test_the_ablation_has_all_combinations_of_four_switches() -> None:
    ablation = [recipe for name, recipe in recipes.RECIPES.items() if name.startswith("viel")]
    switched = [
        (
            recipe.phases[1].loss.lovasz > 0,
            recipe.network.centre == "aspp",
            recipe.network.hypercolumns,
            recipe.network.attention == "scse",
        )
        for recipe in ablation
    ]
    assert len(set(switched)) == len(ablation) == 16
    names = ("lovasz", "aspp", "hypercolumns", "scse")
    for recipe, switches in zip(ablation, switched, strict=True):
        on = [name for name, switch in zip(names, switches, strict=True) if switch]
        assert recipe.name == "viel_" + ("_".join(on) or "baseline")
        # lambda_cls is .1 with BCE and .01 with Lovasz (4.1)
        expected = (
            LossWeights(lovasz=1, image_bce=0.01)
            if switches[0]
            else LossWeights(bce=1, image_bce=0.1)
        )
        assert {phase.loss for phase in recipe.phases} == {expected}
        assert recipe.phases[0].freeze == "encoder"


DEMOS = [recipes.get(name + "_demo") for name in recipes.RECIPES]


NOT_SCALED = (
    "optimizer", "schedule", "warmup", "factor", "positive_rate_end", "clip", "freeze", "loss",
    "weight_decay",
)  # fmt: skip


@pytest.mark.parametrize("demo", DEMOS, ids=lambda demo: demo.name)
def test_a_shrunk_recipe_is_the_same_system(demo: Recipe) -> None:
    whole = recipes.get(demo.name.removesuffix("_demo"))
    assert through_json(demo) == demo
    assert "shrunk" in demo.summary
    assert demo.network.encoder_weights == "none"
    network, own = serialize.to_dict(whole)["network"], serialize.to_dict(demo)["network"]
    assert own == network | {"encoder_weights": "none"}
    keys = ("input", "augmentation", "select", "rule", "select_rule", "seed")
    assert all(getattr(demo, key) == getattr(whole, key) for key in keys)
    for small, large in zip(demo.phases, whole.phases, strict=True):
        assert all(getattr(small, key) == getattr(large, key) for key in NOT_SCALED)
        assert small.keep.strategy == large.keep.strategy
        assert small.lr / demo.phases[0].lr == pytest.approx(large.lr / whole.phases[0].lr)
        assert small.min_lr * large.lr == pytest.approx(large.min_lr * small.lr)


@pytest.mark.parametrize("demo", DEMOS, ids=lambda demo: demo.name)
def test_a_shrunk_recipe_is_small(demo: Recipe) -> None:
    assert 20 <= sum(phase.epochs for phase in demo.phases) <= 34
    assert demo.phases[0].lr == pytest.approx(1e-3)
    for phase in demo.phases:
        assert phase.epochs >= 2
        assert phase.keep.count <= phase.epochs
        assert phase.size in (64, 128)
        assert phase.batch <= 4
        assert phase.ema is None or phase.ema.start < phase.epochs
        assert phase.early_stop is None or phase.early_stop >= 2


def test_what_counts_in_epochs_and_pixels_shrinks_in_proportion() -> None:
    phases = recipes.get("sneddy_seunet_demo").phases
    assert [phase.size for phase in phases] == [64, 64, 64, 128, 128, 128, 128]
    assert [phase.epochs for phase in phases] == [5, 5, 5, 5, 5, 5, 4]
    assert [phase.period for phase in phases] == [None, 1, 1, None, 1, 1, 1]
    assert phases[3].freeze_epochs == 1
    (crops,) = recipes.get("amirassov_r34_768_demo").phases
    assert (crops.size, crops.crop, crops.period) == (128, 96, 4)  # 512 / 768 of 128 is 85
    (weights,) = recipes.get("bestfitting_lovasz_demo").phases  # 32 epochs of 40
    assert weights.steps == ((20, pytest.approx(5e-4)), (28, pytest.approx(1e-4)))
    assert weights.ema.start == 6
    assert weights.keep.weights == (0.5, 0.3, 0.2)
    (sliding,) = recipes.get("zhang_unet_demo").phases  # 32 of 60
    assert sliding.positive_rate == ((0, 2 / 3), (11, 0.5))
    restarts, small_rates = recipes.get("x5_seg_se50_demo").phases
    assert (restarts.epochs, restarts.period, small_rates.epochs) == (29, 4, 3)
    assert small_rates.steps == ((2, pytest.approx(1e-5)),)
