"""Builders of small samples, and scores of rules by applying them to one map at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from lib import rle
from lib.decision import histograms
from lib.decision.components import ComponentCache
from lib.decision.histograms import Histograms, OofSample
from lib.decision.rules import DecisionRule
from lib.images import write_png

LabelledMap = tuple[np.ndarray, np.ndarray]  # (H, W) uint8 map, (H, W) bool truth
P_OF_VALUE = np.linspace(0, 1, 256)


def dice_by_hand(mask: np.ndarray, truth: np.ndarray) -> float:
    """Dice of one mask, from its definition."""
    total = mask.sum() + truth.sum()
    return 1.0 if total == 0 else float(2 * (mask & truth).sum() / total)


def mean_dice(
    rule: DecisionRule, maps: Sequence[LabelledMap], p_positive: Sequence[float] | None = None
) -> float:
    """Mean Dice of a rule that is applied to one map after the other."""
    known = p_positive if p_positive is not None else [None] * len(maps)
    masks = [rule.apply(values, p) for (values, _), p in zip(maps, known, strict=True)]
    return float(
        np.mean([dice_by_hand(m, truth) for m, (_, truth) in zip(masks, maps, strict=True)])
    )


def count_all(maps: Sequence[LabelledMap]) -> Histograms:
    """Histograms of labelled maps."""
    counts = [histograms.count(values, truth if truth.any() else None) for values, truth in maps]
    pixels, inside = (np.stack(column) for column in zip(*counts, strict=True))
    return Histograms(np.array([f"image{n}" for n in range(len(maps))]), pixels, inside)


def one_image(values: np.ndarray) -> Histograms:
    """The histogram of an unlabelled image."""
    pixels = np.bincount(np.ravel(values), minlength=256)[None]
    return Histograms(np.array(["image0"]), pixels, np.zeros_like(pixels))


def random_maps(
    rng: np.random.Generator, images: int, side: int, values: Sequence[int]
) -> list[LabelledMap]:
    """Maps of few values, so that counts tie; some have a truth."""
    return [
        (
            rng.choice(values, (side, side)).astype(np.uint8),
            (rng.random((side, side)) < rng.random()) & (rng.random() < 0.5),
        )
        for _ in range(images)
    ]


def noisy_sample(images: int = 40, folds: int = 2, seed: int = 0) -> OofSample:
    """Smooth maps that resemble their truth; two images a patient."""
    rng = np.random.default_rng(seed)
    maps = []
    for _ in range(images):
        truth = np.zeros((16, 16), bool)
        if rng.random() < 0.4:
            truth[rng.integers(8) :, rng.integers(8) :] = True
        field = 90 * truth + 60 * cv2.GaussianBlur(rng.normal(size=(16, 16)), (0, 0), 2) * 4 + 60
        maps.append((np.clip(field, 0, 255).astype(np.uint8), truth))
    numbers = np.arange(images)
    return OofSample(count_all(maps), numbers % folds, numbers // 2)


def calibrated_sample(images: int, folds: int = 3, seed: int = 0) -> OofSample:
    """Pixels of value v are in the truth with probability (v / 255)^2, in every second image."""
    rng = np.random.default_rng(seed)
    pixels, inside = [], []
    for number in range(images):
        positive = number % 2 == 0
        shape = rng.dirichlet(np.where(np.arange(256) < (240 if positive else 90), 0.1, 1e-3))
        pixels.append(rng.multinomial(3000, shape))
        inside.append(rng.binomial(pixels[-1], P_OF_VALUE**2) * positive)
    numbers = np.arange(images)
    counts = Histograms(numbers.astype(str), np.stack(pixels), np.stack(inside))
    return OofSample(counts, numbers // 2 % folds, numbers)


@dataclass(frozen=True)
class MappedSample:
    """A sample with the maps that it was counted from."""

    sample: OofSample
    maps: list[LabelledMap]
    p_positive: np.ndarray

    def mean_dice(self, rule: DecisionRule) -> float:
        """Mean Dice of a rule that is applied to one map after the other."""
        return mean_dice(rule, self.maps, self.p_positive)


def mapped_sample(
    folder: Path, seed: int, images: int, side: int = 7, inverted_fold: int | None = None
) -> MappedSample:
    """Small maps of few values in three folds, written as an ensemble holds them.

    Args:
        inverted_fold: a fold whose truths are inverted.
    """
    rng = np.random.default_rng(seed)
    maps = random_maps(rng, images, side, [0, 90, 150, 210])
    p_positive = rng.choice([0.1, 0.3, 0.6, 0.9], images)
    numbers = np.arange(images)
    folds = numbers % 3
    maps = [
        (values, ~truth if fold == inverted_fold else truth)
        for (values, truth), fold in zip(maps, folds, strict=True)
    ]
    counts = count_all(maps)
    codes = {}
    for image_id, (values, truth) in zip(counts.ids, maps, strict=True):
        write_png(folder / f"oof/{image_id}.png", values)
        codes[str(image_id)] = rle.encode(truth)
    components = ComponentCache(folder, codes)
    sample = OofSample(counts, folds, numbers, p_positive[:, None], components)
    return MappedSample(sample, maps, p_positive)
