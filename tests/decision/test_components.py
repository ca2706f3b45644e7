"""Connected components of masks, against applying a rule to the mask."""

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.decision import components
from lib.decision.rules import ThresholdRule
from tests.decision.samples import mapped_sample


def nested_mask(rng: np.random.Generator) -> np.ndarray:
    """Rings in rings, some with gaps, and specks: components in holes of components."""
    mask = np.zeros((24, 26), bool)
    for _ in range(rng.integers(1, 6)):
        top, left = rng.integers(0, 16, 2)
        side = rng.integers(1, 9)
        mask[top : top + side, left : left + side] ^= True
        if side > 2:
            mask[top + 1 : top + side - 1, left + 1 : left + side - 1] ^= True
    return mask ^ (rng.random(mask.shape) < rng.choice([0, 0.03, 0.3]))


@settings(max_examples=300)
@given(st.integers(0, 2**32 - 1), st.integers(0, 60), st.booleans())
def test_intervals_give_the_areas_of_the_rule_s_mask(seed: int, area: int, fill: bool) -> None:
    rng = np.random.default_rng(seed)
    mask, truth = nested_mask(rng), nested_mask(rng)
    rule = ThresholdRule(component_min_area=area, fill_holes=fill)
    expected = rule.apply(np.where(mask, 255, 0).astype(np.uint8))
    rows = components.describe(mask, truth)
    assert (rows[:, [0, 2]] > 0).all()
    intervals = components.to_intervals(np.zeros(len(rows), int), rows, fill)
    predicted, overlap = intervals.areas(area, 1)
    assert (predicted[0], overlap[0]) == (expected.sum(), (expected & truth).sum())


def test_a_filled_component_includes_all_that_it_encloses() -> None:
    mask = np.zeros((9, 9), bool)
    mask[1:8, 1:8] = True
    mask[2:7, 2:7] = False
    mask[3:6, 3:6] = True
    mask[4, 4] = False
    # A ring of 24 around a hole of 16, in which a ring of 8 lies around a hole of 1.
    rows = {tuple(row) for row in components.describe(mask, mask)}
    assert rows == {(24, 24, 49, 32, 0), (8, 8, 9, 8, 24)}


def test_a_labelled_mask_is_kept_without_its_map(tmp_path: Path) -> None:
    sample = mapped_sample(tmp_path, 0, 6).sample
    ids, cache = sample.histograms.ids, sample.components
    cache.label({89: ids})
    for path in tmp_path.glob("oof/*.png"):
        path.unlink()
    cache.label({89: ids[2:4]})
    intervals = cache.intervals(89, ids[[4, 1]], fill_holes=False)
    predicted, overlap = intervals.areas(0, 2)
    assert (predicted == sample.histograms.above[[4, 1], 89]).all()
    assert (overlap == sample.histograms.overlap[[4, 1], 89]).all()
