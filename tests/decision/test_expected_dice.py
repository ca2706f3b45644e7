"""The mask of the highest expected Dice, against every mask and every truth of tiny images."""

import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib import artifacts, dataset, metrics, rle
from lib.bootstrap import interval
from lib.decision import deciders, expected_dice, honest, threshold_search
from lib.decision.calibration import (
    GROUPS,
    EmptyClassifier,
    Knots,
    fit_empty_classifier,
    image_features,
    pixel_knots,
    reliability,
    table_of,
)
from lib.decision.expected_dice import Expectation, ExpectedDiceRule
from lib.decision.histograms import Histograms
from lib.decision.threshold_search import PRESETS
from lib.ensemble import auto, decide, evaluation
from lib.ensemble.options import DecisionOptions, parse_options
from lib.errors import InputError
from lib.images import read_png
from lib.layout import Work, map_file
from lib.submit import inputs, submission
from tests import fakes
from tests.bench import expected as bench

NEVER = EmptyClassifier(-700.0, (0.0,) * 2)  # no image is empty
RISING = np.linspace(0, 1, 256)


def knots_of(table: np.ndarray) -> Knots:
    return tuple(enumerate(table.tolist()))


def histogram_of(values: np.ndarray) -> np.ndarray:
    return np.bincount(np.ravel(values), minlength=256)


def image_of(values: np.ndarray) -> Histograms:
    pixels = histogram_of(values)[None]
    return Histograms(np.array(["a"]), pixels, np.zeros_like(pixels))


def constantly(p_empty: float) -> EmptyClassifier:
    return EmptyClassifier(float(np.log(p_empty / (1 - p_empty))), (0.0,) * 2)


def every_subset(count: int) -> np.ndarray:
    return np.array(list(itertools.product([False, True], repeat=count)))


def by_enumeration(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All masks of some pixels, and the expected Dice of each over all truths."""
    subsets = every_subset(len(p))
    chance = np.where(subsets, p, 1 - p).prod(axis=1)
    overlap = subsets.astype(int) @ subsets.T.astype(int)
    total = subsets.sum(axis=1)[:, None] + subsets.sum(axis=1)
    dice = np.where(total == 0, 1, 2 * overlap / np.maximum(total, 1))
    return subsets, dice @ chance


def by_poisson_binomial(p: np.ndarray, taken: int) -> float:
    """E[Dice] of the first pixels, from the law of the sum of the others."""
    value = 0.0
    for pixel in range(taken):
        law = np.ones(1)
        for other in np.delete(p, pixel):
            law = np.convolve(law, [1 - other, other])
        value += p[pixel] * np.sum(2 * law / (taken + 1 + np.arange(len(law))))
    return value


def blind(p: np.ndarray, taken: int) -> float:
    """The same by the blind approximation: no pixel is left out of the sum."""
    law = np.ones(1)
    for one in p:
        law = np.convolve(law, [1 - one, one])
    return float(p[:taken].sum() * np.sum(2 * law / (taken + 1 + np.arange(len(law)))))


def distinct_values(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.choice(np.arange(1, 256), count, replace=False)


@pytest.mark.parametrize("seed", range(40))
def test_no_mask_of_a_tiny_image_is_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = distinct_values(rng, rng.integers(1, 11))
    table = RISING ** rng.choice([0.3, 1, 3])
    p = table[values]
    subsets, scores = by_enumeration(p)
    empty = float(np.prod(1 - p))  # what independent pixels say; the masks' share is the rest
    # Where the truth is empty, a mask scores 0: E[Dice] is (1 - empty) E[Dice | not empty].
    best = Expectation(table)(histogram_of(values)).max()
    assert best == pytest.approx(scores[1:].max(), abs=1e-8)
    rule = ExpectedDiceRule(knots_of(table), NEVER)
    mask = values > rule.levels(image_of(values))[0]
    assert scores[(subsets == mask).all(axis=1)].item() == pytest.approx(best, abs=1e-8)
    assert scores.max() == pytest.approx(max(best, empty), abs=1e-8)


@pytest.mark.parametrize("seed", range(40))
def test_no_mask_and_not_the_empty_one_is_better_where_images_may_be_empty(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.append(distinct_values(rng, 8), 255)  # p = 1: no truth is empty by chance
    table, p_empty = RISING ** rng.choice([1, 3]), rng.uniform(0.1, 0.9)
    subsets, scores = by_enumeration(table[values])
    scores *= 1 - p_empty
    assert not subsets[0].any()
    assert scores[0] == 0
    scores[0] = p_empty
    mask = ExpectedDiceRule(knots_of(table), constantly(p_empty)).mask(
        values.astype(np.uint8)[None]
    )[0]
    assert scores[(subsets == mask).all(axis=1)].item() == pytest.approx(scores.max(), abs=1e-8)


@pytest.mark.parametrize("seed", range(10))
def test_the_expectation_of_every_level_is_that_of_the_poisson_binomial_law(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.choice(rng.integers(0, 256, 8), 40)
    table = RISING**2
    p = np.sort(table[values])[::-1]
    found = Expectation(table)(histogram_of(values))
    for level in (0, 50, 128, 200, 254):
        exact = by_poisson_binomial(p, int((values > level).sum()))
        assert found[level] == pytest.approx(exact, abs=1e-8)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-6, 0), st.integers(1, 20))
def test_on_large_images_it_is_what_moments_say(seed: int, log_p: float, exponent: int) -> None:
    # E[1 / (a + S)] to the second order: what is left out is of third order in 1 / E[S].
    rng = np.random.default_rng(seed)
    pixels = rng.multinomial(2**exponent, rng.dirichlet(np.full(256, 0.1)))
    table = 10**log_p * RISING
    found, mean = Expectation(table)(pixels), pixels @ table
    spread = pixels @ (table * (1 - table))
    for level in range(0, 255, 15):
        size = pixels[level + 1 :].sum() + 1 + mean
        overlap = pixels[level + 1 :] @ table[level + 1 :]
        second = 2 * overlap * (1 + spread / size**2) / size
        assert abs(found[level] - second) <= 4 / size + 1e-8


@pytest.mark.parametrize("seed", range(10))
def test_the_blind_approximation_is_as_near_as_the_mask_is_large(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(1, 256, 60)
    table = RISING
    p, found = np.sort(table[values])[::-1], Expectation(table)(histogram_of(values))
    for level in range(0, 255, 25):
        taken = int((values > level).sum())
        if taken:
            assert abs(blind(p, taken) - found[level]) <= 2 / (taken + p.sum())


@pytest.mark.parametrize("seed", range(20))
def test_a_part_of_equal_pixels_is_hardly_ever_better_than_all_or_none(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.choice(distinct_values(rng, 3), 9)
    _, scores = by_enumeration(RISING[values])
    best = Expectation(RISING)(histogram_of(values)).max()
    assert scores[1:].max() - 2e-3 <= best <= scores[1:].max() + 1e-8


def test_a_map_without_a_pixel_has_an_empty_mask_whatever_is_believed() -> None:
    rule = ExpectedDiceRule(knots_of(RISING), NEVER)
    nothing = np.zeros((4, 4), np.uint8)
    assert not rule.mask(nothing).any()
    assert not Expectation(RISING)(histogram_of(nothing)).any()


def test_sure_pixels_are_the_mask() -> None:
    table = np.where(np.arange(256) > 100, 1.0, 0.0)
    values = np.array([[0, 99], [101, 255]], np.uint8)
    rule = ExpectedDiceRule(knots_of(table), NEVER)
    assert Expectation(table)(histogram_of(values)).max() == pytest.approx(1)
    assert rule.mask(values).tolist() == [[False, False], [True, True]]


def test_a_pixel_more_is_taken_where_it_is_likelier_than_half_the_expectation() -> None:
    # With one sure pixel of a thousand, another with p: 2 / 2001 (p < E / 2) or not.
    table = np.zeros(256)
    table[[100, 200]] = 0.49, 1
    sure = np.full(1000, 200)
    for p, taken in ((0.49, False), (0.51, True)):
        table[100] = p
        rule = ExpectedDiceRule(knots_of(table), NEVER)
        assert bool((rule.levels(image_of(np.append(sure, 100))) < 100)[0]) is taken


@pytest.mark.parametrize(("p_empty", "masked"), [(0.2, True), (0.49, True), (0.51, False)])
def test_the_empty_mask_wins_where_it_is_likelier_than_the_other_s_score(
    p_empty: float, masked: bool
) -> None:
    table = np.where(np.arange(256) > 100, 1.0, 0.0)  # E[Dice] is 1, so even odds decide
    rule = ExpectedDiceRule(knots_of(table), constantly(p_empty))
    assert rule.mask(np.full((3, 3), 200, np.uint8)).any() == masked


def test_likelier_emptiness_never_adds_a_mask() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.multinomial(400, rng.dirichlet(np.full(256, 0.05)), size=50)
    images = Histograms(np.arange(50).astype(str), pixels, np.zeros_like(pixels))
    masked = [
        ExpectedDiceRule(knots_of(RISING), constantly(p)).levels(images) < 255
        for p in (0.1, 0.3, 0.5, 0.7)
    ]
    assert all((few <= more).all() for more, few in itertools.pairwise(masked))
    assert masked[0].any()


def test_the_mask_of_a_map_has_the_areas_of_its_histogram() -> None:
    sample = calibrated_sample(30)
    rule = honest.fit(sample, PRESETS["expected"], None).rule
    predicted, _, _ = rule.areas(sample.histograms, None)
    for number, pixels in enumerate(sample.histograms.pixels):
        values = np.repeat(np.arange(256), pixels).astype(np.uint8)[None]
        assert rule.mask(values).sum() == predicted[number]
    assert 0 < (predicted > 0).sum() < 30


def test_an_image_of_the_full_size_takes_under_twenty_milliseconds() -> None:
    rule = ExpectedDiceRule(knots_of(RISING), NEVER)
    pixels = np.random.default_rng(0).multinomial(2**20, np.full(256, 1 / 256), size=20)
    images = Histograms(np.arange(20).astype(str), pixels, np.zeros_like(pixels))
    start = time.process_time()
    rule.levels(images)
    assert (time.process_time() - start) / 20 < 0.02


# Calibration


def calibrated_sample(images: int, folds: int = 3, seed: int = 0) -> honest.OofSample:
    """Pixels of value v are in the truth with probability (v / 255)^2, if the image has one."""
    rng = np.random.default_rng(seed)
    pixels, inside = [], []
    for number in range(images):
        positive = number % 2 == 0
        shape = rng.dirichlet(np.where(np.arange(256) < (240 if positive else 90), 0.1, 1e-3))
        pixels.append(rng.multinomial(3000, shape))
        inside.append(rng.binomial(pixels[-1], RISING**2) * positive)
    numbers = np.arange(images)
    counts = np.stack(pixels), np.stack(inside)
    return honest.OofSample(Histograms(numbers.astype(str), *counts), numbers // 2 % folds, numbers)


def test_the_table_is_what_the_truth_was_drawn_by() -> None:
    table = table_of(pixel_knots(calibrated_sample(400).histograms))
    assert (np.diff(table) >= 0).all()
    assert np.abs(table - RISING**2)[:240].max() < 0.05


def test_knots_by_hand() -> None:
    # 2 and 3 are a group of mean 2.75, 20 and 30 one of 24; the next has less of it inside: pooled.
    pixels, inside = np.zeros((2, 2, 256), np.int64)
    pixels[0, [0, 1, 2, 3, 20, 30, 40]] = 100, 10, 10, 30, 6, 4, 10
    inside[0, [1, 2, 3, 20, 40]] = 1, 4, 4, 6, 4
    found = pixel_knots(Histograms(np.array(["a", "b"]), pixels, inside))
    assert found == tuple((v, pytest.approx(p)) for v, p in
                          [(0, 0), (1, 0.1), (3, 0.2), (24, 0.5), (40, 0.5)])  # fmt: skip
    table = table_of(found)
    assert table[[2, 3]] == pytest.approx([0.15, 0.2])
    assert table[[24, 255]] == pytest.approx(0.5)


def test_there_is_a_line_for_each_group_of_values() -> None:
    knots = pixel_knots(calibrated_sample(60).histograms)
    groups = np.digitize([value for value, _ in knots], GROUPS)
    assert groups.tolist() == list(range(len(GROUPS) + 1))


def test_the_table_knows_positive_images_only() -> None:
    histograms = calibrated_sample(60).histograms
    more = np.where(histograms.positive[:, None], histograms.pixels, 7 * histograms.pixels)
    changed = Histograms(histograms.ids, more, histograms.inside)
    assert pixel_knots(changed) == pixel_knots(histograms)


def test_features_are_the_highest_value_and_the_expected_area_and_the_logit() -> None:
    values = np.array([0, 51, 51, 102, 204])
    found = image_features(image_of(values), RISING, np.array([0.9]))
    assert found.tolist() == [pytest.approx([0.8, np.log(1 + 0.2 + 0.2 + 0.4 + 0.8), np.log(9)])]


def test_emptiness_is_learnt_and_calibrated() -> None:
    histograms = calibrated_sample(200).histograms
    features = image_features(histograms, RISING**2, None)
    p = fit_empty_classifier(features, histograms.positive)(features)
    assert ((p > 0.5) == ~histograms.positive).mean() > 0.9
    assert p.mean() == pytest.approx(0.5, abs=1e-3)  # as logistic regression has it


def test_the_class_probability_is_used_where_there_is_one() -> None:
    histograms = calibrated_sample(60).histograms
    told = np.where(histograms.positive, 0.9, 0.1)
    rule = expected_dice.fit(histograms, told)
    assert rule.empty.wants_class
    p, other = rule.p_empty(histograms, told), rule.p_empty(histograms, 1 - told)
    assert (p < other)[histograms.positive].all()
    with pytest.raises(InputError, match="needs image probabilities"):
        rule.p_empty(histograms)


@pytest.mark.parametrize("kind", [0, 1])
def test_one_kind_of_images_calibrates_nothing(kind: int) -> None:
    histograms = calibrated_sample(20).histograms[np.arange(kind, 20, 2)]
    with pytest.raises(InputError, match="with and without a pneumothorax"):
        pixel_knots(histograms)
    with pytest.raises(InputError, match="with and without a pneumothorax"):
        fit_empty_classifier(np.zeros((10, 2)), histograms.positive)


def test_reliability_by_hand() -> None:
    bins = reliability(np.array([0.02, 0.08, 1.0]), np.array([0, 3, 2]), np.array([6, 3, 2]))
    assert bins == [
        {"predicted": pytest.approx(0.04), "observed": pytest.approx(1 / 3), "count": 9},
        {"predicted": 1.0, "observed": 1.0, "count": 2},
    ]


# What is fitted


def test_a_rule_is_written_and_read_back() -> None:
    sample = calibrated_sample(40)
    rule = honest.fit(sample, PRESETS["expected"], None).rule
    assert isinstance(rule, ExpectedDiceRule)
    text = json.dumps(deciders.to_json(rule), sort_keys=True)
    read = deciders.from_json(json.loads(text))
    assert read == rule
    assert (read.table == rule.table).all()
    assert len(text) < 1000


def test_the_truth_of_a_fold_does_not_touch_the_rule_that_it_is_scored_at() -> None:
    sample = calibrated_sample(60)
    first = honest.cross_fit(sample, PRESETS["expected"], None)
    held = sample.folds == 1
    inside = np.where(held[:, None], sample.histograms.pixels, sample.histograms.inside)
    changed = Histograms(sample.histograms.ids, sample.histograms.pixels, inside)
    again = honest.cross_fit(honest.OofSample(changed, sample.folds, sample.patients),
        PRESETS["expected"], None)  # fmt: skip
    assert again.rules[1] == first.rules[1]
    assert again.rules[0] != first.rules[0]


# The stage


@pytest.fixture
def work(tmp_path: Path) -> Work:
    """Forty images of three folds in an ensemble: good maps, and image probabilities."""
    work, truth = Work(tmp_path / "work"), fakes.masks(40)
    fakes.make_dataset(work, truth, folds=3)
    rng = np.random.default_rng(0)
    maps = {name: fakes.noisy_map(mask, rng, 0.7) for name, mask in truth.items()}
    test = {"test0": maps["image00"], "test1": maps["image01"]}
    p = {name: 0.5 + 0.2 * mask.any() for name, mask in truth.items()}
    classes = p | {"test0": 0.7, "test1": 0.5}
    fakes.make_ensemble(work, "final", {"oof": maps, "test": test}, classes)
    return work


def decided(work: Work, rule: str, gate: tuple[str, ...] = ()) -> dict[str, Any]:
    ensemble, data = artifacts.read(work.ensemble("final")), dataset.read(work)
    asked = DecisionOptions(rule, None if rule == "expected" else "plateau", gate=gate)
    location = work.decision(f"final-{rule}")
    draft = artifacts.begin(location, asked.config, [ensemble, data.artifact])
    assert draft
    decide.decide(draft, ensemble, data, asked)
    return json.loads((location.folder / decide.DECISION).read_bytes())


def submit(work: Work, tag: str) -> str:
    made_from = inputs.read(work, f"final-{tag}")
    location = work.submission(f"final-{tag}")
    draft = artifacts.begin(
        location, submission.config(location, None, True), made_from.inputs, True
    )
    assert draft
    return submission.fill(draft, made_from, None).path("report.html").read_text()


def test_a_decision_holds_all_that_applying_it_takes(work: Work) -> None:
    content = decided(work, "expected")
    assert [content[key] for key in ("top", "bottom", "min_area", "class_min")] == [None] * 4
    rule = deciders.from_json(content)
    scores = []
    for name, truth in fakes.masks(40).items():
        values = read_png(work.ensemble("final").folder / map_file("oof", name))
        mask = deciders.apply(rule, values, 0.5 + 0.2 * truth.any())
        scores.append(float(metrics.dice(*metrics.areas(mask, truth))))
    assert content["oof_dice"] == pytest.approx(np.mean(scores), abs=1e-12)
    assert content["cross_fitted_dice"] > 0.8
    assert (work.decision("final-expected").folder / decide.DECISION).stat().st_size < 20_000
    assert set(content["reliability"]) == {"pixels", "empty"}
    assert sum(one["count"] for one in content["reliability"]["empty"]) == 40


def test_it_is_submitted_and_reported(work: Work) -> None:
    decided(work, "expected")
    page = submit(work, "expected")  # refuses if the maps do not give the score that was stated
    for phrase in (
        "Probabilities calibrated on out-of-fold images make a mask",
        "highest expected Dice",
        "Calibration out of fold, each fold by",
        "The probability of a pneumothorax is the members",
    ):
        assert phrase in page, phrase
    rows = (work.submission("final-expected").folder / "submission.csv").read_text().split("\n")
    codes = dict(row.split(",") for row in rows[1:-1])
    assert codes["test1"] == rle.EMPTY
    assert codes["test0"] != rle.EMPTY


def scoring(triplet: float, gain: float, error: float) -> Callable[..., Any]:
    """A refit by which expected has this much more than triplet, with this standard error."""
    spread = error * np.sqrt(40) * np.resize([1.0, -1.0], 40)

    def refit(
        sample: honest.OofSample, preset: threshold_search.Preset, *how: object
    ) -> honest.CrossFit:
        more = gain + spread if preset.extension == "expected" else 0
        return honest.CrossFit({}, np.full(40, triplet) + more)

    return refit


@pytest.mark.parametrize(
    ("triplet", "gain", "rule", "said"),
    [
        (0.9, 0.021, "expected", "more than the paired standard error of 0.0200; both beat"),
        (0.9, 0.019, "triplet", "not more than the paired standard error of 0.0200; both beat"),
        (0.9, -0.7, "triplet", "not more than the paired standard error of 0.0200; only triplet"),
        (0.3, 0.021, "triplet", "more than the paired standard error of 0.0200; neither beats"),
        (0.3, 0.6, "expected", "more than the paired standard error of 0.0200; only expected"),
        (0.3, -0.1, "triplet", "not more than the paired standard error of 0.0200; neither beats"),
    ],
)
def test_auto_asks_for_more_than_a_standard_error_and_than_an_empty_answer(
    work: Work, monkeypatch: pytest.MonkeyPatch, triplet: float, gain: float, rule: str, said: str
) -> None:
    empty = 1 - np.mean([mask.any() for mask in fakes.masks(40).values()])
    assert 0.33 < empty < 0.9
    monkeypatch.setattr(auto, "cross_fit", scoring(triplet, gain, 0.02))
    content = decided(work, "auto")
    assert content["rule"] == "auto"
    assert content["auto"]["rule"] == rule
    assert content["auto"]["standard_error"] == pytest.approx(0.02)
    assert content["auto"]["cross_fitted_dice"]["all_empty"] == pytest.approx(empty)
    assert f"gains {gain:+.4f} cross-fitted on triplet, {said}" in content["auto"]["reason"]
    assert (content["expected"] is None) == (rule == "triplet")
    assert (content["reliability"] is None) == (rule == "triplet")
    assert f"of {rule}: expected gains" in evaluation.summary(content, dataset.read(work))
    assert f"“{rule}”: expected gains" in submit(work, "auto")


def test_auto_is_one_of_the_two(work: Work) -> None:
    content = decided(work, "auto")
    same = decided(work, content["auto"]["rule"])
    for key in ("oof_dice", "cross_fitted_dice", "top", "expected"):
        assert content[key] == same[key]


def test_with_one_fold_auto_is_the_triplet() -> None:
    sample = calibrated_sample(20, folds=1)
    wish, said = auto.choose_rule(sample, DecisionOptions("auto", "plateau"))
    assert wish.rule == "triplet"
    assert said
    assert "one fold" in said["reason"]


def test_one_fold_is_calibrated_on_itself_and_says_so(tmp_path: Path) -> None:
    work, truth = Work(tmp_path), fakes.masks(20)
    fakes.make_dataset(work, truth, folds=1)
    rng = np.random.default_rng(0)
    maps = {name: fakes.noisy_map(mask, rng, 0.7) for name, mask in truth.items()}
    fakes.make_ensemble(work, "final", {"oof": maps, "test": {}})
    content = decided(work, "expected")
    assert content["cross_fitted_dice"] is None
    assert "one fold" in content["cross_fitted_reason"]
    assert content["reliability"]
    assert not deciders.from_json(content).empty.wants_class  # no member has an image head


def test_the_rule_does_not_need_image_heads_and_has_nothing_to_choose() -> None:
    made = SimpleNamespace(out_of_fold=["a"], classes=pd.DataFrame())
    asked = parse_options([made], "expected", "plateau", None)
    assert asked.wants_classes
    assert not asked.needs_classes
    assert asked.choose is None
    assert parse_options([made], "auto", "best", None).choose == "best"


# The benchmark


@pytest.mark.parametrize("kind", ["heights vary", "half with a sure core"])
def test_it_beats_the_tuned_triplet_where_images_differ_in_how_sure_they_are(kind: str) -> None:
    sample, _ = bench.simulate(600, bench.KINDS[kind], seed=2)
    new, _ = bench.simulate(3000, bench.KINDS[kind], seed=3)
    ours, theirs = (
        new.dice(honest.fit(sample, PRESETS[name], "best").rule) for name in ("expected", "triplet")
    )
    low, _ = interval(ours - theirs, new.patients)
    assert low > 0


def test_the_benchmark_measures_a_few_images(capsys: pytest.CaptureFixture[str]) -> None:
    bench.main(["--images", "50"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 4 * 4 + 2
    assert "| heights vary | expected |" in "\n".join(lines)
    assert lines[-1].startswith("From a histogram to a mask")
