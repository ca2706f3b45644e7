"""Augmentations move image and mask together, and depend on the seed of a call alone."""

import cv2
import numpy as np
import pytest

from lib.errors import InputError
from lib.train.augment import AUGMENTATIONS, Augmentation


def phantom(size: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """A bright disc on a gradient, and the disc as mask."""
    y, x = np.mgrid[:size, :size]
    mask = ((x - 30) ** 2 + (y - 50) ** 2 < 15**2).astype(np.uint8)
    image = (40 + 0.3 * x + 150 * mask).astype(np.uint8)
    return image, mask


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_masks_stay_binary_and_move_with_the_image(name: str) -> None:
    image, mask = phantom()
    augment = Augmentation(name)
    for seed in range(30):
        moved, where = augment(image, mask, seed)
        assert moved.shape == where.shape == image.shape
        assert moved.dtype == where.dtype == np.uint8
        assert set(np.unique(where)) <= {0, 1}
        core = cv2.erode(where, np.ones((5, 5), np.uint8)).astype(bool)
        around = ~cv2.dilate(where, np.ones((5, 5), np.uint8)).astype(bool)
        if core.sum() > 50:
            assert moved[core].mean() > moved[around].mean() + 50


@pytest.mark.parametrize("name", sorted(set(AUGMENTATIONS) - {"none"}))
def test_a_seed_gives_the_same_image_whatever_came_before(name: str) -> None:
    image, mask = phantom()
    one, two = Augmentation(name), Augmentation(name)
    for seed in range(5):
        two(image, mask, seed)  # history must not matter
    results = [augment(image, mask, 7)[0] for augment in (one, two)]
    assert np.array_equal(*results)
    assert len({one(image, mask, seed)[0].tobytes() for seed in range(8)}) > 4


def test_borders_are_reflected_not_black() -> None:
    image = np.full((64, 64), 200, np.uint8)
    augment = Augmentation("standard")
    darkest = min(augment(image, image * 0, seed)[0].min() for seed in range(40))
    assert darkest > 90


def test_an_unknown_augmentation_is_refused() -> None:
    with pytest.raises(InputError, match="no augmentation 'winers'"):
        Augmentation("winers")
