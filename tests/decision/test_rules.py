"""The family of rules and the exact search, against plain loops over images and rules."""

import itertools
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from lib import rle
from lib.decision import (
    bootstrap,
    component_search,
    components,
    gate_search,
    histograms,
    honest,
    plateau,
    rules,
    threshold_search,
)
from lib.decision.histograms import Histograms
from lib.decision.rules import ThresholdRule
from lib.errors import InputError
from lib.images import read_png, write_png

# What a rule is


def test_every_level_survives_the_way_to_a_fraction_and_back() -> None:
    for level in range(255):
        assert rules.level(level / 255) == level
        assert rules.levels(rules.from_levels(level, level)) == (level, level)


@given(st.floats(0, 1, exclude_max=True))
def test_a_level_passes_the_pixels_whose_fraction_is_above_the_threshold(p: float) -> None:
    values = np.arange(256)
    exact = np.abs(values - 255 * p) > 1e-6  # elsewhere the two ways to divide may differ
    assert ((values > rules.level(p)) == (values / 255 > p))[exact].all()


@pytest.mark.parametrize(("p", "level"), [(0, 0), (0.3, 76), (0.5, 127), (0.7, 178), (0.75, 191)])
def test_published_thresholds_are_these_levels(p: float, level: int) -> None:
    assert rules.level(p) == level


@pytest.mark.parametrize("p", [-0.1, 1, 1.5, float("nan")])
def test_refuses_a_threshold_that_no_pixel_or_every_pixel_passes(p: float) -> None:
    with pytest.raises(InputError, match="out of range; give"):
        rules.level(p)


def test_refuses_a_bottom_above_the_top() -> None:
    with pytest.raises(InputError, match=r"bottom 0\.5 is above top 0\.3"):
        rules.apply(ThresholdRule(top=0.3, bottom=0.5), np.zeros((2, 2), np.uint8))


def test_a_rule_is_written_in_levels_and_read_back() -> None:
    rule = ThresholdRule(0.7, 800, 0.3, component_min_area=100, fill_holes=True, class_min=0.4)
    written = rules.to_json(rule)
    assert (written["top"], written["min_area"], written["bottom"]) == (178, 800, 76)
    assert rules.to_json(rules.from_json(written | {"rule": "triplet"})) == written


# What a rule does to a map

BLOBS = np.array(
    [
        [90, 90, 90, 0, 0, 0],
        [90, 20, 90, 0, 0, 99],
        [90, 90, 90, 0, 60, 0],
        [0, 0, 0, 0, 0, 0],
        [0, 40, 0, 0, 0, 0],
    ],
    np.uint8,
)


@pytest.mark.parametrize(
    ("rule", "pixels"),
    [
        pytest.param(rules.from_levels(89, 50), 10, id="mask-above-bottom"),
        pytest.param(rules.from_levels(89, 50, 9), 10, id="as-many-above-top-as-asked-for"),
        pytest.param(rules.from_levels(89, 50, 10), 0, id="one-too-few"),
        pytest.param(rules.from_levels(90, 50, 1), 10, id="any-pixel-above-top"),
        pytest.param(rules.from_levels(99, 50, 1), 0, id="a-pixel-at-the-level-does-not-pass"),
        pytest.param(rules.from_levels(99, 50, 0), 10, id="no-gate"),
        pytest.param(ThresholdRule(0.2, 0, 0.15, component_min_area=2), 10, id="diagonals-join"),
        pytest.param(
            ThresholdRule(0.2, 0, 0.15, component_min_area=3), 8, id="small-components-go"
        ),
        pytest.param(ThresholdRule(0.2, 0, 0.15, component_min_area=9), 0, id="none-left"),
        pytest.param(ThresholdRule(0.2, 0, 0.15, fill_holes=True), 12, id="a-hole-is-filled"),
        pytest.param(
            ThresholdRule(0.2, 0, 0.15, 9, True), 0, id="components-are-counted-with-holes"
        ),
        pytest.param(
            ThresholdRule(0.2, 0, 0.15, class_min=0.5), 11, id="class-passes-at-the-limit"
        ),
        pytest.param(ThresholdRule(0.2, 0, 0.15, class_min=0.51), 0, id="class-below-the-limit"),
    ],
)
def test_known_masks(rule: ThresholdRule, pixels: int) -> None:
    assert rules.apply(rule, BLOBS, class_probability=0.5).sum() == pixels


def test_a_notch_at_the_border_is_no_hole() -> None:
    ring = np.full((3, 3), 200, np.uint8)
    ring[1, 1] = ring[0, 1] = 0
    assert rules.apply(ThresholdRule(fill_holes=True), ring).sum() == 7


def test_a_class_gate_needs_a_class_probability() -> None:
    with pytest.raises(InputError, match=r"class_min 0\.5 needs image probabilities"):
        rules.apply(ThresholdRule(class_min=0.5), BLOBS)


def naive_mask(rule: ThresholdRule, values: np.ndarray) -> np.ndarray:
    """The rule by other means: scipy instead of OpenCV, fractions instead of levels."""
    p = values / 255 - 1e-9
    if rule.min_area > 0 and (p > rule.top).sum() < rule.min_area:
        return np.zeros(values.shape, bool)
    mask = p > rule.bottom
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    for number in range(1, count + 1):
        if (labels == number).sum() < rule.component_min_area:
            mask = mask & (labels != number)
    return ndimage.binary_fill_holes(mask) if rule.fill_holes else mask


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_every_rule_of_the_family_agrees_with_a_plain_implementation(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    noise = rng.integers(0, 256, (24, 20)).astype(np.uint8)
    values = cv2.GaussianBlur(noise, (0, 0), data.draw(st.sampled_from([0.3, 0.8, 1.5])))
    bottom, top = sorted(data.draw(st.tuples(*[st.integers(60, 190)] * 2)))
    rule = ThresholdRule(
        top / 255, data.draw(st.integers(0, 200)), bottom / 255,
        data.draw(st.integers(0, 30)), data.draw(st.booleans()),
    )  # fmt: skip
    assert (rules.apply(rule, values) == naive_mask(rule, values)).all()


# Histograms


def random_maps(
    rng: np.random.Generator, images: int, size: int, values: list[int]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Maps of few values, so that counts tie, some with a truth."""
    return [
        (
            rng.choice(values, (size, size)).astype(np.uint8),
            (rng.random((size, size)) < rng.random()) & (rng.random() < 0.5),
        )
        for _ in range(images)
    ]


def count_all(maps: list[tuple[np.ndarray, np.ndarray]]) -> Histograms:
    counts = [histograms.count(values, truth if truth.any() else None) for values, truth in maps]
    pixels, inside = (np.stack(column) for column in zip(*counts, strict=True))
    return Histograms(np.array([f"image{n}" for n in range(len(maps))]), pixels, inside)


def naive_dice(rule: ThresholdRule, values: np.ndarray, truth: np.ndarray) -> float:
    mask = rules.apply(rule, values)
    total = mask.sum() + truth.sum()
    return 1.0 if total == 0 else 2 * (mask & truth).sum() / total


def test_histograms_count_each_value_inside_the_truth_and_everywhere() -> None:
    values = np.array([[0, 7, 7], [255, 7, 0]], np.uint8)
    truth = np.array([[0, 1, 0], [1, 1, 0]], bool)
    pixels, inside = histograms.count(values, truth)
    assert {v: int(n) for v, n in enumerate(pixels) if n} == {0: 2, 7: 3, 255: 1}
    assert {v: int(n) for v, n in enumerate(inside) if n} == {7: 2, 255: 1}
    assert histograms.count(values, None)[1].sum() == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 254), st.integers(0, 254), st.integers(0, 40))
def test_histograms_know_the_dice_of_a_rule(seed: int, one: int, other: int, area: int) -> None:
    maps = random_maps(np.random.default_rng(seed), 5, 6, list(range(0, 256, 15)))
    rule = rules.from_levels(max(one, other), min(one, other), area)
    expected = [naive_dice(rule, *pair) for pair in maps]
    assert count_all(maps).dice(rule) == pytest.approx(expected, abs=1e-12)


def test_equal_histograms_are_equal_bytes_and_read_back(tmp_path: Path) -> None:
    counted = count_all(random_maps(np.random.default_rng(0), 4, 8, [0, 9, 200]))
    for name in ("a.npz", "b.npz"):
        counted.save(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}, "no clock in it"
    again = histograms.load(tmp_path / "a.npz")
    for field in ("ids", "pixels", "inside"):
        assert (getattr(again, field) == getattr(counted, field)).all()


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "h.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"h\.npz cannot be read"):
        histograms.load(tmp_path / "h.npz")


# The search


def brute_force(
    maps: list[tuple[np.ndarray, np.ndarray]], preset: str
) -> tuple[float, ThresholdRule]:
    """The first of the best rules in the order top, bottom, area, one image at a time.

    Levels between two values that occur make the same masks; the first of them stands for all.
    """
    values = {int(value) for pixels, _ in maps for value in pixels.ravel()}
    candidates = sorted({0} | values - {255})
    scored = []
    for top, bottom in itertools.product(candidates, candidates):
        if bottom > top or (preset != "triplet" and bottom < top):
            continue
        for area in range(1 if preset == "single" else maps[0][0].size + 2):
            rule = rules.from_levels(top, bottom, area)
            scored.append((float(np.mean([naive_dice(rule, *pair) for pair in maps])), rule))
    best = max(score for score, _ in scored)
    return best, next(rule for score, rule in scored if score >= best - 1e-12)


@pytest.mark.parametrize("preset", ["single", "duplet", "triplet"])
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    images=st.integers(1, 7),
    values=st.lists(st.integers(0, 255), min_size=1, max_size=4, unique=True),
)
def test_the_search_finds_what_brute_force_finds(
    preset: str, seed: int, images: int, values: list[int]
) -> None:
    maps = random_maps(np.random.default_rng(seed), images, 3, values)
    score, rule = brute_force(maps, preset)
    surface = threshold_search.search(count_all(maps), threshold_search.PRESETS[preset])
    assert surface.score.max() == pytest.approx(score, abs=1e-12)
    assert surface.best == rule
    assert np.mean([naive_dice(surface.best, *pair) for pair in maps]) >= score - 1e-12


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 254), st.integers(0, 254))
def test_every_pair_has_its_best_area_and_its_whole_curve(seed: int, one: int, other: int) -> None:
    top, bottom = max(one, other), min(one, other)
    maps = random_maps(np.random.default_rng(seed), 5, 4, list(range(0, 256, 17)))
    surface = threshold_search.search(count_all(maps), threshold_search.PRESETS["triplet"])
    scores = [
        np.mean([naive_dice(rules.from_levels(top, bottom, area), *pair) for pair in maps])
        for area in range(18)
    ]
    curve = surface.curve(top, bottom)
    for lowest, highest, score in zip(curve.lowest, curve.highest, curve.score[:, 0], strict=True):
        assert scores[lowest : highest + 1] == pytest.approx([score] * (highest + 1 - lowest))
    assert (curve.lowest[1:] == curve.highest[:-1] + 1).all()
    assert curve.score[-1, 0] == pytest.approx(scores[17]), "more than all pixels: nobody"
    assert surface.score[top, bottom] == pytest.approx(max(scores), abs=1e-12)
    first = next(area for area in range(18) if scores[area] >= max(scores) - 1e-12)
    assert surface.rule(top, bottom) == rules.from_levels(top, bottom, first)


def test_pairs_with_the_bottom_above_the_top_are_not_searched() -> None:
    counted = count_all(random_maps(np.random.default_rng(0), 3, 4, [0, 100, 200]))
    score = threshold_search.search(counted, threshold_search.PRESETS["triplet"]).score
    assert (np.isfinite(score) == np.tri(255, dtype=bool)).all()
    score = threshold_search.search(counted, threshold_search.PRESETS["duplet"]).score
    assert (np.isfinite(score) == np.eye(255, dtype=bool)).all()


def test_where_nothing_can_be_found_everything_is_emptied() -> None:
    values = np.full((4, 4), 200, np.uint8)
    surface = threshold_search.search(
        count_all([(values, np.zeros((4, 4), bool))] * 3), threshold_search.PRESETS["triplet"]
    )
    assert surface.score.max() == 1
    assert surface.best == rules.from_levels(0, 0, 17)


# The choice


def noisy_sample(images: int = 40, folds: int = 2, seed: int = 0) -> honest.OofSample:
    rng = np.random.default_rng(seed)
    maps = []
    for _ in range(images):
        truth = np.zeros((16, 16), bool)
        if rng.random() < 0.4:
            truth[rng.integers(8) :, rng.integers(8) :] = True
        field = 90 * truth + 60 * cv2.GaussianBlur(rng.normal(size=(16, 16)), (0, 0), 2) * 4 + 60
        maps.append((np.clip(field, 0, 255).astype(np.uint8), truth))
    numbers = np.arange(images)
    return honest.OofSample(count_all(maps), numbers % folds, numbers // 2)


@pytest.mark.parametrize("preset", ["duplet", "triplet"])
def test_the_plateau_s_middle_is_farthest_from_its_edge(preset: str) -> None:
    sample = noisy_sample()
    surface = threshold_search.search(sample.histograms, threshold_search.PRESETS[preset])
    found = plateau.find_plateau(surface, sample.patients)
    inside = surface.score >= surface.score.max() - found.standard_error - 1e-12
    line = preset == "duplet"
    outside = {
        (top, bottom)
        for top, bottom in itertools.product(range(-1, 256), range(-1, 256))
        if not (0 <= top < 255 and 0 <= bottom < 255 and inside[top, bottom])
        and (top == bottom or not line)
    }

    def distance(top: int, bottom: int) -> int:
        return min(max(abs(top - t), abs(bottom - b)) for t, b in outside)

    middle = found.pair
    assert distance(*middle) == found.depth[middle] == found.depth.max()
    pairs = list(zip(*np.nonzero(inside), strict=True))
    for pair in pairs[:: max(1, len(pairs) // 50)]:
        assert distance(*pair) == found.depth[pair] <= found.depth[middle]


@pytest.mark.parametrize("preset", ["single", "duplet", "triplet"])
@pytest.mark.parametrize("seed", range(5))
def test_the_chosen_rule_is_within_one_standard_error_of_the_best(preset: str, seed: int) -> None:
    sample = noisy_sample(seed=seed)
    surface = threshold_search.search(sample.histograms, threshold_search.PRESETS[preset])
    found = plateau.find_plateau(surface, sample.patients)
    lowest, highest = found.areas
    rule = found.middle
    assert sample.histograms.dice(rule).mean() >= found.floor
    assert lowest <= rule.min_area <= highest
    assert rule.min_area == round(np.sqrt(max(lowest, 1) * highest))


def test_a_narrow_peak_loses_to_a_broad_plateau() -> None:
    score = np.full((255, 255), -np.inf)
    score[200, 100] = 0.9
    score[100:121, 40:61] = 0.85
    preset, area = threshold_search.PRESETS["triplet"], np.zeros((255, 255), int)
    surface = threshold_search.Surface(None, preset, None, score, area)
    assert plateau.Plateau(surface, 0.1).pair == (110, 50)
    assert plateau.Plateau(surface, 0.01).pair == (200, 100)


# How sure


def test_the_standard_error_is_the_usual_one_where_every_image_has_its_own_patient() -> None:
    dice = np.random.default_rng(0).random(50)
    usual = dice.std() / np.sqrt(50)
    assert bootstrap.standard_error(dice, np.arange(50)) == pytest.approx(usual)


def test_an_image_that_is_there_twice_tells_nothing_new() -> None:
    dice = np.random.default_rng(0).random(50)
    twice, patients = np.tile(dice, 2), np.tile(np.arange(50), 2)
    once = bootstrap.standard_error(dice, np.arange(50))
    assert bootstrap.standard_error(twice, patients) == pytest.approx(once)
    assert bootstrap.interval(twice, patients) == pytest.approx(
        bootstrap.interval(dice, np.arange(50))
    )


def test_the_interval_is_two_standard_errors_wide_on_each_side() -> None:
    dice = np.random.default_rng(0).random(400)
    error = bootstrap.standard_error(dice, np.arange(400))
    low, high = bootstrap.interval(dice, np.arange(400))
    assert low == pytest.approx(dice.mean() - 1.96 * error, abs=error / 4)
    assert high == pytest.approx(dice.mean() + 1.96 * error, abs=error / 4)
    assert bootstrap.interval(dice, np.arange(400)) == (low, high)


# Honest numbers


@pytest.mark.parametrize("choose", ["best", "plateau"])
def test_every_fold_is_scored_at_the_rule_of_the_others(choose: str) -> None:
    sample, preset = noisy_sample(folds=3), threshold_search.PRESETS["triplet"]
    refitted = honest.cross_fit(sample, preset, choose)
    for fold in range(3):
        held = sample.folds == fold
        rule = honest.fit(sample[~held], preset, choose).rule
        assert refitted.rules[fold] == rule
        assert (refitted.dice[held] == sample.histograms[held].dice(rule)).all()


def test_the_truth_of_a_fold_does_not_touch_the_rule_that_it_is_scored_at() -> None:
    sample, preset = noisy_sample(), threshold_search.PRESETS["triplet"]
    other = Histograms(
        sample.histograms.ids,
        sample.histograms.pixels,
        np.where((sample.folds == 0)[:, None], 0, sample.histograms.inside),
    )
    changed = honest.OofSample(other, sample.folds, sample.patients)
    before, after = (honest.cross_fit(one, preset, "plateau").rules for one in (sample, changed))
    assert before[0] == after[0]
    assert before[1] != after[1]


def test_choosing_by_the_best_is_optimistic_on_average() -> None:
    optimism = []
    for seed in range(20):
        sample, preset = noisy_sample(seed=seed), threshold_search.PRESETS["triplet"]
        tuned = honest.fit(sample, preset, "best").dice(sample)
        optimism.append(tuned.mean() - honest.cross_fit(sample, preset, "best").dice.mean())
    assert np.mean(optimism) > 0


# Components


def nested_mask(rng: np.random.Generator) -> np.ndarray:
    """Rings in rings, with gaps here and there, and specks: components in holes of components."""
    mask = np.zeros((24, 26), bool)
    for _ in range(rng.integers(1, 6)):
        top, left = rng.integers(0, 16, 2)
        side = rng.integers(1, 9)
        mask[top : top + side, left : left + side] ^= True
        if side > 2:
            mask[top + 1 : top + side - 1, left + 1 : left + side - 1] ^= True
    return mask ^ (rng.random(mask.shape) < rng.choice([0, 0.03, 0.3]))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 60), st.booleans())
def test_spans_know_what_applying_the_rule_does(seed: int, area: int, fill: bool) -> None:
    rng = np.random.default_rng(seed)
    mask, truth = nested_mask(rng), nested_mask(rng)
    rule = ThresholdRule(0.5, 0, 0.5, component_min_area=area, fill_holes=fill)
    expected = rules.apply(rule, np.where(mask, 255, 0).astype(np.uint8))
    rows = components.describe(mask, truth)
    assert [(row > 0).all() for row in rows[:, [0, 2]]] == [True] * len(rows)
    spans = components.to_spans(np.zeros(len(rows), int), rows, fill)
    predicted, overlap = spans.areas(area, 1)
    assert (predicted[0], overlap[0]) == (expected.sum(), (expected & truth).sum())


def test_what_a_component_encloses_is_its_own_once_filled() -> None:
    mask = np.zeros((9, 9), bool)
    mask[1:8, 1:8] = True
    mask[2:7, 2:7] = False
    mask[3:6, 3:6] = True
    mask[4, 4] = False
    # A ring of 24 around a hole of 16, in which a ring of 8 lies around a hole of 1.
    rows = {tuple(row) for row in components.describe(mask, mask)}
    assert rows == {(24, 24, 49, 32, 0), (8, 8, 9, 8, 24)}


def shaped_sample(folder: Path, seed: int, images: int, side: int = 7) -> honest.OofSample:
    """Small maps of few values, written where `Shapes` finds them."""
    rng = np.random.default_rng(seed)
    maps = random_maps(rng, images, side, [0, 90, 150, 210])
    counted = count_all(maps)
    codes = {}
    for name, (values, truth) in zip(counted.ids, maps, strict=True):
        write_png(folder / f"oof/{name}.png", values)
        codes[str(name)] = rle.encode(truth)
    numbers = np.arange(images)
    known = components.ComponentCache(folder, codes, counted.ids)
    classes = rng.choice([0.1, 0.3, 0.6, 0.9], (images, 1))
    return honest.OofSample(counted, numbers % 2, numbers, classes, known)


def by_applying(sample: honest.OofSample, rule: ThresholdRule) -> float:
    """The mean Dice of a rule, one map at a time."""
    scores = []
    for name, p in zip(sample.histograms.ids, sample.features[:, 0], strict=True):
        values = read_png(sample.shapes.folder / f"oof/{name}.png")
        truth = rle.decode(sample.shapes.truth[name], *values.shape)
        mask = rules.apply(rule, values, p)
        total = mask.sum() + truth.sum()
        scores.append(2 * (mask & truth).sum() / total if total else 1.0)
    return float(np.mean(scores))


def same_masks(rule: ThresholdRule) -> tuple[int, int, int]:
    """What is equal for rules that make the same masks of the maps of `shaped_sample`."""
    top, bottom = (sum(value <= level for value in (90, 150, 210)) for level in rules.levels(rule))
    return top, rule.min_area, bottom


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 6))
def test_the_component_search_finds_what_brute_force_finds(seed: int, images: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        sample = shaped_sample(Path(folder), seed, images)
        found = honest.search_preset(sample, threshold_search.PRESETS["components"], None)
        triplets = component_search.candidates(found.plateau.surface)
        grown = [
            replace(triplet, component_min_area=area, fill_holes=fill)
            for triplet in {same_masks(triplet): triplet for triplet in triplets}.values()
            for area in range(51)
            for fill in (False, True)
        ]
        scores = [by_applying(sample, rule) for rule in grown]
        assert by_applying(sample, found.best) == pytest.approx(max(scores), abs=1e-12)
        assert sample.dice(found.best).mean() == pytest.approx(max(scores), abs=1e-12)
        assert max(scores) >= found.plateau.surface.score.max() - 1e-12


def test_the_candidates_are_the_best_triplets_of_the_best_bottoms(tmp_path: Path) -> None:
    surface = threshold_search.search(
        noisy_sample().histograms, threshold_search.PRESETS["triplet"]
    )
    triplets = component_search.candidates(surface)
    bottoms = [rules.levels(rule)[1] for rule in triplets]
    assert len(set(bottoms)) == component_search.CANDIDATES
    assert triplets[0].min_area == surface.best.min_area
    for rule, bottom in zip(triplets, bottoms, strict=True):
        score = surface.histograms.dice(rule).mean()
        assert score == pytest.approx(surface.score[:, bottom].max(), abs=1e-12)
        others = np.delete(surface.score.max(axis=0), bottoms)
        assert score >= others.max() - 1e-12


@pytest.mark.parametrize("fill", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_a_component_curve_is_the_score_at_every_area(
    tmp_path: Path, seed: int, fill: bool
) -> None:
    sample = shaped_sample(tmp_path, seed, 6)
    triplet = rules.from_levels(149, 89, 3)
    curve = component_search.area_curve(sample, triplet, fill)
    for area in range(51):
        step = np.searchsorted(curve.lowest, area, side="right") - 1
        rule = replace(triplet, component_min_area=area, fill_holes=fill)
        assert curve.score[step, 0] == pytest.approx(by_applying(sample, rule), abs=1e-12)
    assert (curve.lowest[1:] == curve.highest[:-1] + 1).all()


def test_a_map_is_labelled_once_a_level(tmp_path: Path) -> None:
    sample = shaped_sample(tmp_path, 0, 6)
    sample.shapes.label({89: sample.histograms.ids})
    rows = sample.shapes.rows[89]
    for path in tmp_path.glob("oof/*.png"):
        path.unlink()
    sample.shapes.label({89: sample.histograms.ids[2:4]})
    assert (sample.shapes.rows[89] == rows).all()
    part = sample.shapes.spans(89, sample.histograms.ids[[4, 1]], fill_holes=False)
    assert set(part.image) <= {0, 1}
    areas = part.areas(0, 2)[0]
    assert list(areas) == list(sample.histograms.above[[4, 1], 89])


# The class gate


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_the_class_gate_of_one_threshold_is_what_brute_force_finds(seed: int, images: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        sample = shaped_sample(Path(folder), seed, images, side=4)
        counted, classes = sample.histograms, sample.features[:, 0]
        curves = gate_search.class_curves(counted.gain, counted, classes)
        for bottom in (0, 89, 149, 209):
            for class_min in (0, 0.1, 0.2, 0.3, 0.6, 0.9):
                if class_min > classes.max():
                    continue
                rule = replace(rules.from_levels(bottom, bottom), class_min=class_min)
                step = np.searchsorted(curves.highest, class_min)
                expected = by_applying(sample, rule)
                assert curves.score[step, bottom] == pytest.approx(expected, abs=1e-12)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 6))
def test_the_gated_rule_is_the_best_in_its_row_and_its_column(seed: int, images: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        sample = shaped_sample(Path(folder), seed, images, side=4)
        classes = sample.features[:, 0]
        best = honest.search_preset(
            sample, threshold_search.PRESETS["gated"], lambda f: f[:, 0]
        ).best
        score = by_applying(sample, best)
        assert sample.dice(best, classes).mean() == pytest.approx(score, abs=1e-12)
        gates = [by_applying(sample, replace(best, class_min=p)) for p in (0, *classes)]
        triplets = [
            by_applying(sample, replace(rules.from_levels(top, bottom, area), class_min=c))
            for c in (best.class_min, 0.0)
            for top in (0, 89, 149, 209)
            for bottom in (0, 89, 149, 209)
            if bottom <= top
            for area in range(18)
        ]
        assert score >= max(gates + triplets) - 1e-12


@pytest.mark.parametrize("preset", ["components", "gated"])
@pytest.mark.parametrize("seed", range(4))
def test_the_middle_of_what_is_more_than_histograms_stays_on_the_plateau(
    tmp_path: Path, preset: str, seed: int
) -> None:
    sample = shaped_sample(tmp_path, seed, 12)
    found = honest.search_preset(sample, threshold_search.PRESETS[preset], lambda f: f[:, 0])
    for rule in (found.best, found.middle):
        dice = sample.dice(rule, sample.features[:, 0]).mean()
        assert dice == pytest.approx(by_applying(sample, rule), abs=1e-12)
        assert dice >= found.plateau.floor - 1e-12


@pytest.mark.parametrize("preset", ["triplet", "components", "gated"])
@pytest.mark.parametrize("choose", ["best", "plateau"])
def test_nothing_of_a_fold_s_truth_leaks_into_what_it_is_scored_at(
    tmp_path: Path, preset: str, choose: str
) -> None:
    def sample(flipped: int | None) -> honest.OofSample:
        """The same maps; a fold's truth is turned inside out."""
        folder = tmp_path / str(flipped)
        one = shaped_sample(folder, 3, 12)
        if flipped is None:
            return one
        inside = one.histograms.inside.copy()
        turned = one.folds == flipped
        inside[turned] = one.histograms.pixels[turned] - inside[turned]
        codes = dict(one.shapes.truth)
        for name in one.histograms.ids[turned]:
            codes[name] = rle.encode(~rle.decode(codes[name], 7, 7))
        counted = Histograms(one.histograms.ids, one.histograms.pixels, inside)
        known = components.ComponentCache(folder, codes, counted.ids)
        return honest.OofSample(counted, one.folds, one.patients, one.features, known)

    before, after = (
        honest.cross_fit(sample(flipped), threshold_search.PRESETS[preset], choose)
        for flipped in (None, 0)
    )
    assert before.rules[0] == after.rules[0]
    assert before.rules[1] != after.rules[1]


def test_where_weights_were_searched_each_fold_is_seen_at_those_found_without_it() -> None:
    own, other = noisy_sample(seed=0), noisy_sample(seed=1)
    heldout = {0: other.histograms, 1: own.histograms}
    sample = replace(own, heldout_histograms=heldout.__getitem__)
    preset, held = threshold_search.PRESETS["triplet"], own.folds == 0
    refitted = honest.cross_fit(sample, preset, "best")
    rule = honest.fit(other[~held], preset, "best").rule
    assert refitted.rules[0] == rule
    assert (refitted.dice[held] == other.histograms[held].dice(rule)).all()
    assert refitted.rules[1] == honest.fit(own[held], preset, "best").rule
