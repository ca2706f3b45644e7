"""Histograms of maps: counts, the Dice of a rule, and the file; selection from a sample."""

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.decision import histograms
from lib.decision.rules import ThresholdRule
from lib.errors import InputError
from tests.decision.samples import count_all, dice_by_hand, noisy_sample, random_maps


def test_pixels_are_counted_by_value_in_the_whole_image_and_in_the_truth() -> None:
    values = np.array([[0, 7, 7], [255, 7, 0]], np.uint8)
    truth = np.array([[0, 1, 0], [1, 1, 0]], bool)
    pixels, inside = histograms.count(values, truth)
    assert {v: int(n) for v, n in enumerate(pixels) if n} == {0: 2, 7: 3, 255: 1}
    assert {v: int(n) for v, n in enumerate(inside) if n} == {7: 2, 255: 1}
    assert histograms.count(values, None)[1].sum() == 0


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(0, 254), st.integers(0, 254), st.integers(0, 40))
def test_histograms_give_the_dice_of_a_rule(seed: int, a: int, b: int, area: int) -> None:
    maps = random_maps(np.random.default_rng(seed), 5, 6, range(0, 256, 15))
    rule = ThresholdRule.from_levels(max(a, b), min(a, b), area)
    expected = [dice_by_hand(rule.apply(values), truth) for values, truth in maps]
    assert rule.histogram_dice(count_all(maps)) == pytest.approx(expected, abs=1e-12)


def test_equal_histograms_are_equal_bytes_and_are_read_back(tmp_path: Path) -> None:
    counts = count_all(random_maps(np.random.default_rng(0), 4, 8, [0, 9, 200]))
    for name in ("a.npz", "b.npz"):
        counts.save(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}, "no clock in it"
    loaded = histograms.load(tmp_path / "a.npz")
    for field in ("ids", "pixels", "inside"):
        assert (getattr(loaded, field) == getattr(counts, field)).all()


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "h.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"h\.npz cannot be read.*--replace"):
        histograms.load(tmp_path / "h.npz")


def test_a_sample_is_split_by_fold() -> None:
    sample = replace(noisy_sample(images=7, folds=3), features=np.arange(7)[:, None])
    parts = sample.by_fold()
    assert [len(part) for part in parts.values()] == [3, 2, 2]
    assert parts[1].histograms.ids.tolist() == ["image1", "image4"]
    assert parts[1].features[:, 0].tolist() == [1, 4]
    assert parts[1].patients.tolist() == [0, 2]
