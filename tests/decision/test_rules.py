"""Decision rules of thresholds and areas, on maps worked by hand and against scipy."""

import json
import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from lib.decision.rules import ThresholdRule, to_level
from lib.ensemble.options import parse_params
from lib.errors import InputError
from lib.recipes.published_rules import PUBLISHED

# Thresholds

HALF_DIGIT = 255 * 0.0005  # half a unit of the third decimal, in levels


def test_every_level_survives_the_way_to_a_fraction_and_back() -> None:
    for level in range(255):
        assert to_level(level / 255) == level
        assert ThresholdRule.from_levels(level, level).levels == (level, level)


@given(st.floats(0, 1, exclude_max=True))
def test_a_level_passes_the_pixels_whose_fraction_is_above_the_threshold(p: float) -> None:
    values = np.arange(256)
    # Just above p a fraction may be the one that p was printed for: the next test.
    exact = np.abs(values - 255 * p - HALF_DIGIT / 2) > HALF_DIGIT / 2 + 1e-6
    assert ((values > to_level(p)) == (values / 255 > p))[exact].all()


@given(st.integers(0, 254), st.integers(0, 254), st.integers(0, 10**6))
def test_a_rule_that_is_printed_and_stated_again_has_its_levels(
    level: int, other: int, min_area: int
) -> None:
    rule = ThresholdRule.from_levels(max(level, other), min(level, other), min_area)
    top, area, bottom = str(rule).split(" / ")
    stated = parse_params([f"top={top}", f"min_area={area}", f"bottom={bottom}"])
    assert (stated.levels, stated.min_area) == (rule.levels, min_area)


def test_every_printed_level_is_read_as_that_level() -> None:
    assert [to_level(float(f"{level / 255:.3f}")) for level in range(255)] == list(range(255))


def test_published_thresholds_keep_their_exact_levels() -> None:
    for rule in PUBLISHED.values():
        assert rule.levels == (math.floor(255 * rule.top), math.floor(255 * rule.bottom))


@pytest.mark.parametrize("p", [-0.1, 1, 1.5, float("nan")])
def test_a_threshold_that_no_pixel_passes_is_refused(p: float) -> None:
    with pytest.raises(InputError, match=f"threshold {p:g} is out of range; give"):
        to_level(p)


def test_a_bottom_above_the_top_is_refused() -> None:
    with pytest.raises(InputError, match=r"bottom 0\.5 is above top 0\.3.*swap"):
        ThresholdRule(top=0.3, bottom=0.5).apply(np.zeros((2, 2), np.uint8))


# Masks

MAP = np.array(
    [
        [90, 90, 90, 0, 0, 0],
        [90, 20, 90, 0, 0, 99],
        [90, 90, 90, 0, 60, 0],
        [0, 0, 0, 0, 0, 0],
        [0, 40, 0, 0, 0, 0],
    ],
    np.uint8,
)
LOW = {"top": 0.2, "bottom": 0.15}


@pytest.mark.parametrize(
    ("rule", "pixels"),
    [
        pytest.param(ThresholdRule.from_levels(89, 50), 10, id="mask-above-bottom"),
        pytest.param(ThresholdRule.from_levels(89, 50, 9), 10, id="area-reached"),
        pytest.param(ThresholdRule.from_levels(89, 50, 10), 0, id="one-pixel-too-few"),
        pytest.param(ThresholdRule.from_levels(90, 50, 1), 10, id="any-pixel-above-top"),
        pytest.param(ThresholdRule.from_levels(99, 50, 1), 0, id="the-level-itself-fails"),
        pytest.param(ThresholdRule.from_levels(99, 50, 0), 10, id="no-minimum-area"),
        pytest.param(ThresholdRule(**LOW, component_min_area=2), 10, id="diagonals-connect"),
        pytest.param(ThresholdRule(**LOW, component_min_area=3), 8, id="small-components-go"),
        pytest.param(ThresholdRule(**LOW, component_min_area=9), 0, id="all-components-go"),
        pytest.param(ThresholdRule(**LOW, fill_holes=True), 12, id="a-hole-is-filled"),
        pytest.param(
            ThresholdRule(**LOW, component_min_area=9, fill_holes=True), 0,
            id="components-are-counted-without-their-holes",
        ),
        pytest.param(ThresholdRule(**LOW, class_min=0.5), 11, id="p-at-the-gate-passes"),
        pytest.param(ThresholdRule(**LOW, class_min=0.51), 0, id="p-below-the-gate"),
    ],
)  # fmt: skip
def test_known_masks(rule: ThresholdRule, pixels: int) -> None:
    assert rule.apply(MAP, p_positive=0.5).sum() == pixels


def test_a_notch_at_the_border_is_no_hole() -> None:
    ring = np.full((3, 3), 200, np.uint8)
    ring[1, 1] = ring[0, 1] = 0
    assert ThresholdRule(fill_holes=True).apply(ring).sum() == 7


def test_a_class_gate_needs_p_positive() -> None:
    with pytest.raises(InputError, match=r"class_min 0\.5 needs image probabilities"):
        ThresholdRule(class_min=0.5).apply(MAP)


def mask_by_scipy(rule: ThresholdRule, values: np.ndarray) -> np.ndarray:
    """The mask by other means: scipy's components and holes, fractions instead of levels."""
    p = values / 255 - 1e-9
    if rule.min_area > 0 and (p > rule.top).sum() < rule.min_area:
        return np.zeros(values.shape, bool)
    mask = p > rule.bottom
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    for number in range(1, count + 1):
        if (labels == number).sum() < rule.component_min_area:
            mask = mask & (labels != number)
    return ndimage.binary_fill_holes(mask) if rule.fill_holes else mask


@settings(max_examples=200)
@given(st.data())
def test_masks_are_those_of_a_plain_implementation(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    noise = rng.integers(0, 256, (24, 20)).astype(np.uint8)
    values = cv2.GaussianBlur(noise, (0, 0), data.draw(st.sampled_from([0.3, 0.8, 1.5])))
    bottom, top = sorted(data.draw(st.tuples(*[st.integers(60, 190)] * 2)))
    rule = ThresholdRule(
        top / 255, data.draw(st.integers(0, 200)), bottom / 255,
        data.draw(st.integers(0, 30)), data.draw(st.booleans()),
    )  # fmt: skip
    assert (rule.apply(values) == mask_by_scipy(rule, values)).all()


# Texts

ALL_PARTS = ThresholdRule(0.7, 800, 0.3, component_min_area=100, fill_holes=True, class_min=0.4)


def test_a_rule_is_written_in_levels_and_read_back() -> None:
    content = json.loads(json.dumps(ALL_PARTS.to_json()))
    assert content == {
        "top": 0.698, "min_area": 800, "bottom": 0.298, "component_min_area": 100,
        "fill_holes": True, "class_min": 0.4, "expected": None,
    }  # fmt: skip
    assert ThresholdRule.from_json(content | {"rule": "triplet"}).to_json() == content


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (ThresholdRule(0.7, 800, 0.3), "0.698 / 800 / 0.298"),
        (ALL_PARTS, "0.698 / 800 / 0.298, components 100, filled, class 0.400"),
    ],
)
def test_a_rule_in_a_table(rule: ThresholdRule, text: str) -> None:
    assert str(rule) == text


@pytest.mark.parametrize(
    ("rule", "sentences"),
    [
        (ThresholdRule(), ["The mask is every pixel above 0.500."]),
        (
            ThresholdRule(0.7, 1, 0.3),
            ["without any pixel above 0.700 is empty", "every pixel above 0.300"],
        ),
        (
            ALL_PARTS,
            [
                "probability of a pneumothorax is below 0.400 is empty",
                "fewer than 800 of its 1024 × 1024 pixels above 0.700 is empty",
                "every pixel above 0.300",
                "fewer than 100 pixels are removed",
                "Holes are filled",
            ],
        ),
    ],
)
def test_a_rule_in_sentences(rule: ThresholdRule, sentences: list[str]) -> None:
    for sentence, part in zip(rule.explain(1024), sentences, strict=True):
        assert part in sentence


def test_areas_of_the_competition_s_frame_are_brought_to_another() -> None:
    """At half the side, a quarter of the pixels."""
    rule = ThresholdRule(0.7, 800, 0.3, component_min_area=101, fill_holes=True, class_min=0.4)
    assert rule.in_frame(1024) == rule
    assert rule.in_frame(512) == replace(rule, min_area=200, component_min_area=25)


def test_all_levels_come_back_from_json() -> None:
    for level in range(255):
        rule = ThresholdRule.from_levels(254, level)
        assert ThresholdRule.from_json(json.loads(json.dumps(rule.to_json()))) == rule


# The margin

FEW_PIXELS = np.array([[10, 200, 150], [100, 50, 0]], np.uint8)


@pytest.mark.parametrize(
    ("rule", "p_positive", "level"),
    [
        pytest.param({"min_area": 2}, None, 150, id="the-second-highest-value"),
        pytest.param({"min_area": 6}, None, 0, id="the-lowest"),
        pytest.param({"min_area": 7}, None, 0, id="more-pixels-than-there-are"),
        pytest.param({"min_area": 2}, 0.3, 150, id="p-positive-is-not-used"),
    ],
)
def test_the_margin_is_that_of_the_pixel_that_decides(
    rule: dict[str, int], p_positive: float | None, level: int
) -> None:
    margin = ThresholdRule(top=120 / 255, bottom=0.1, **rule).margin(FEW_PIXELS, p_positive)
    assert margin == pytest.approx((level - 120.5) / 255)


def test_without_a_minimum_area_the_margin_is_of_the_lower_threshold() -> None:
    assert ThresholdRule(0.9, 0, 60 / 255).margin(FEW_PIXELS) == pytest.approx((200 - 60.5) / 255)


def test_a_class_gate_can_be_the_closer_boundary() -> None:
    rule = ThresholdRule(top=120 / 255, min_area=2, bottom=0.1, class_min=0.6)
    assert rule.margin(FEW_PIXELS, 0.65) == pytest.approx(0.05)
    assert rule.margin(FEW_PIXELS, 0.2) == pytest.approx(-0.4)
    assert rule.margin(FEW_PIXELS, 1) == pytest.approx(29.5 / 255)


@given(st.integers(0, 2**32), st.integers(0, 254), st.integers(0, 254), st.integers(0, 40))
def test_the_margin_is_above_0_exactly_with_a_mask(
    seed: int, level: int, other: int, min_area: int
) -> None:
    values = np.random.default_rng(seed).integers(0, 256, (6, 6)).astype(np.uint8)
    rule = ThresholdRule.from_levels(max(level, other), min(level, other), min_area)
    assert (rule.margin(values) > 0) == rule.apply(values).any()
