"""Published rules against their sources, written out, image by image."""

import cv2
import numpy as np
import pytest
from scipy import ndimage

from lib.recipes.published_rules import PUBLISHED

# As published: minimum p(positive); minimum number of pixels above a threshold; threshold of the
# mask; minimum size of its components, and True if holes are filled.
SOURCES = {
    "abedalla_exp1": (None, (2048, 0.5), 0.5, None),
    "abedalla_exp2": (None, (2048, 0.55), 0.55, None),
    "abedalla_exp3": (None, (2048, 0.55), 0.55, None),
    "abedalla_2st_unet": (None, (2048, 0.75), 0.75, None),
    "sneddy_v1": (None, (800, 0.7), 0.3, (100, True)),
    "sneddy_v2": (None, (1500, 0.75), 0.3, (100, True)),
    "sneddy_select": (None, (2000, 0.75), 0.3, None),
    "x5": (0.65, None, 0.4, None),
    "bestfitting": (None, None, 0.5, None),
    "amirassov": (0.4, (round(800 * (1024 / 768) ** 2), 0.8), 0.4, None),
    "see": (None, (1, 0.72), 0.2, None),
    "viel": (None, None, 0.5, None),
    "niu": (None, None, 0.5, None),
    "zhang": (None, None, 0.5, None),
    "jakhar": (None, None, 0.5, (64 * (1024 // 256) ** 2, False)),
}


def published_mask(name: str, values: np.ndarray, p: float) -> np.ndarray:
    class_min, gate, bottom, components = SOURCES[name]
    empty = np.zeros(values.shape, bool)
    if class_min is not None and p < class_min:
        return empty
    if gate and (values / 255 > gate[1] + 1e-9).sum() < gate[0]:
        return empty
    mask = values / 255 > bottom + 1e-9
    if components is None:
        return mask
    min_area, filled = components
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    for number in range(1, count + 1):
        if (labels == number).sum() < min_area:
            mask = mask & (labels != number)
    return ndimage.binary_fill_holes(mask) if filled else mask


@pytest.mark.parametrize("name", PUBLISHED)
def test_each_rule_gives_the_masks_of_its_source(name: str) -> None:
    masks = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        noise = cv2.GaussianBlur(rng.normal(size=(96, 96)), (0, 0), rng.choice([1, 3, 8]))
        centre = rng.uniform(-2.5, 1.5)
        values = np.clip(127 + 127 * (centre + noise / noise.std()), 0, 255).astype(np.uint8)
        p = rng.random()
        masks.append(PUBLISHED[name].apply(values, p))
        assert (masks[-1] == published_mask(name, values, p)).all()
    not_empty = [mask.any() for mask in masks]
    assert any(not_empty)
    if SOURCES[name][0] is not None or SOURCES[name][1] is not None:
        assert not all(not_empty), "the gate empties no image"
