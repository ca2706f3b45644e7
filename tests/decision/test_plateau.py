"""The plateau of a searched surface and its middle."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from lib.decision.plateau import Plateau, find_plateau
from lib.decision.threshold_search import PRESETS, search
from tests.decision.samples import count_all, noisy_sample


def plateau_of(preset: str, seed: int = 0) -> Plateau:
    sample = noisy_sample(seed=seed)
    return find_plateau(search(sample.histograms, PRESETS[preset]), sample.patients)


@pytest.mark.parametrize("preset", ["duplet", "triplet"])
def test_the_middle_is_farthest_from_the_edge(preset: str) -> None:
    plateau = plateau_of(preset)
    score = plateau.surface.score
    inside = score >= score.max() - plateau.standard_error - 1e-12
    line = preset == "duplet"
    outside = {
        (top, bottom)
        for top, bottom in itertools.product(range(-1, 256), range(-1, 256))
        if not (0 <= top < 255 and 0 <= bottom < 255 and inside[top, bottom])
        and (top == bottom or not line)
    }

    def distance(top: int, bottom: int) -> int:
        return min(max(abs(top - t), abs(bottom - b)) for t, b in outside)

    middle = plateau.pair
    assert distance(*middle) == plateau.depth[middle] == plateau.depth.max()
    pairs = list(zip(*np.nonzero(inside), strict=True))
    for pair in pairs[:: max(1, len(pairs) // 50)]:
        assert distance(*pair) == plateau.depth[pair] <= plateau.depth[middle]


@pytest.mark.parametrize("preset", ["single", "duplet", "triplet"])
@pytest.mark.parametrize("seed", range(5))
def test_the_middle_is_within_one_standard_error_of_the_best(preset: str, seed: int) -> None:
    plateau = plateau_of(preset, seed)
    lowest, highest = plateau.areas
    rule = plateau.middle
    assert rule.histogram_dice(plateau.surface.histograms).mean() >= plateau.floor
    assert lowest <= rule.min_area <= highest
    assert rule.min_area == round(np.sqrt(max(lowest, 1) * highest))


def test_a_narrow_peak_loses_to_a_broad_plateau() -> None:
    score = np.full((255, 255), -np.inf)
    score[200, 100] = 0.9
    score[100:121, 40:61] = 0.85
    surface = replace(plateau_of("triplet").surface, score=score)
    assert Plateau(surface, 0.1).pair == (110, 50)
    assert Plateau(surface, 0.01).pair == (200, 100)


def test_emptying_every_image_is_off_the_plateau_of_weak_maps_that_gain() -> None:
    # Masks of Dice 2/11 in ten of a hundred images. Their gain is three standard errors, but less
    # than one standard error of the score itself.
    values, truth, nothing = np.zeros((3, 10, 10), np.uint8)
    values[0] = 200
    truth[0, 0] = 1
    maps = [(values, truth > 0)] * 10 + [(nothing, nothing > 0)] * 90
    counts = count_all(maps)
    plateau = find_plateau(search(counts, PRESETS["triplet"]), np.arange(100))
    assert plateau.inside[150, 100]
    assert not plateau.inside[220, 210], "no pixel passes"
    assert plateau.areas == (0, 10)
