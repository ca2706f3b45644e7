"""Demo variants: the same system, small, in proportion."""

from dataclasses import asdict, replace

import pytest

from lib import recipes
from lib.recipes import Keep, Recipe, serialize
from lib.recipes.demo_variant import demo_variant

DEMOS = [recipes.get(name + "_demo") for name in recipes.RECIPES]
NOT_SCALED = (
    "optimizer", "schedule", "warmup", "factor", "positive_rate_end", "clip", "freeze", "loss",
    "weight_decay", "decoder_weight_decay",
)  # fmt: skip


@pytest.mark.parametrize("demo", DEMOS, ids=lambda demo: demo.name)
def test_a_shrunk_recipe_is_the_same_system_and_small(demo: Recipe) -> None:
    whole = recipes.get(demo.name.removesuffix("_demo"))
    assert serialize.from_dict(asdict(demo)) == demo
    assert "shrunk" in demo.summary
    assert demo.network == replace(whole.network, encoder_weights="none")
    keys = ("input", "augmentation", "select", "rule", "select_rule", "tta", "seed")
    assert all(getattr(demo, key) == getattr(whole, key) for key in keys)
    for small, large in zip(demo.phases, whole.phases, strict=True):
        assert all(getattr(small, key) == getattr(large, key) for key in NOT_SCALED)
        assert small.keep.strategy == large.keep.strategy
        assert small.lr / demo.phases[0].lr == pytest.approx(large.lr / whole.phases[0].lr)
        assert small.min_lr * large.lr == pytest.approx(large.min_lr * small.lr)
    assert 20 <= sum(phase.epochs for phase in demo.phases) <= 34
    assert demo.phases[0].lr == pytest.approx(1e-3)
    for phase in demo.phases:
        assert phase.epochs >= 2
        assert phase.keep.count <= phase.epochs
        assert phase.size == 64
        assert phase.batch == 4
        assert phase.ema is None or phase.ema.start < phase.epochs
        assert phase.early_stop is None or phase.early_stop >= 2


def test_epochs_and_crops_shrink_in_proportion() -> None:
    phases = recipes.get("sneddy_seunet_demo").phases
    assert [phase.epochs for phase in phases] == [5, 5, 5, 5, 5, 5, 4]
    assert [phase.period for phase in phases] == [None, 1, 1, None, 1, 1, 1]
    assert phases[3].freeze_epochs == 1
    (crops,) = recipes.get("amirassov_r34_768_demo").phases
    assert (crops.crop, crops.period) == (32, 4)  # 512 / 768 of 64 is 43
    (weights,) = recipes.get("bestfitting_lovasz_demo").phases  # 32 epochs of 40
    assert weights.steps == ((20, pytest.approx(5e-4)), (28, pytest.approx(1e-4)))
    assert weights.ema.start == 6
    assert weights.keep.weights == (0.5, 0.3, 0.2)
    (sliding,) = recipes.get("zhang_unet_demo").phases  # 32 of 60
    assert sliding.positive_rate == ((0, 2 / 3), (11, 0.5))
    (restarts,) = recipes.get("x5_seg_se50_demo").phases  # 32 of 44
    assert (restarts.epochs, restarts.period) == (32, 4)
    assert restarts.steps == ((29, pytest.approx(2e-5)), (31, pytest.approx(1e-5)))
    assert (restarts.keep.epochs, restarts.keep.count) == ((24, 28, 31), 3)


def test_named_epochs_that_become_the_same_one_count_once() -> None:
    keep = Keep("epochs", 3, "weights", epochs=(96, 97, 99))
    phase = replace(recipes.get("demo").phases[0], epochs=100, early_stop=None, keep=keep)
    (small,) = demo_variant(replace(recipes.get("demo"), phases=(phase,))).phases
    assert (small.epochs, small.keep.epochs, small.keep.count) == (32, (30, 31), 2)
