"""Augmentations move image and mask together, and depend on the seed of a call alone."""

import cv2
import numpy as np
import pytest

from lib.errors import InputError
from lib.train.augment import AUGMENTATIONS, Augmentation

SIZE = 96
# What each may do to an image: mirror it, change its gray values, move its pixels.
DOES = {
    "none": "",
    "hflip": "mirror",
    "abedalla_a1": "mirror",
    "abedalla_a2": "gray",
    "abedalla_a1_a2": "mirror gray",
    "abedalla_a3": "move",
    "abedalla_a4": "move",
    "jakhar": "move",
    "amirassov": "move",
    **dict.fromkeys(["standard", "abedalla", "sneddy", "niu", "zhang", "x5"], "mirror gray move"),
}
# Those that look beyond the border, and what is there.
BORDERS = {
    **dict.fromkeys(["standard", "abedalla", "sneddy", "niu", "zhang", "amirassov"], "reflected"),
    "x5": "black",
}


def phantom() -> tuple[np.ndarray, np.ndarray]:
    """A bright disc on a gradient, and the disc as mask."""
    y, x = np.mgrid[:SIZE, :SIZE]
    mask = ((x - 30) ** 2 + (y - 50) ** 2 < 15**2).astype(np.uint8)
    image = (40 + 0.3 * x + 150 * mask).astype(np.uint8)
    return image, mask


def test_every_augmentation_is_tested() -> None:
    assert set(DOES) == set(AUGMENTATIONS)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_masks_stay_binary_and_move_with_the_image(name: str) -> None:
    image, mask = phantom()
    augment = Augmentation(name, SIZE, crop=None)
    for seed in range(30):
        moved, where = augment(image, mask, seed)
        assert moved.shape == where.shape == image.shape
        assert moved.dtype == where.dtype == np.uint8
        assert set(np.unique(where)) <= {0, 1}
        core = cv2.erode(where, np.ones((5, 5), np.uint8)).astype(bool)
        around = ~cv2.dilate(where, np.ones((5, 5), np.uint8)).astype(bool)
        if core.sum() > 50:
            assert moved[core].mean() > moved[around].mean() + 50


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_it_does_what_its_source_says_and_no_more(name: str) -> None:
    mask = np.random.default_rng(0).integers(0, 2, (SIZE, SIZE), np.uint8)  # any move changes it
    image = 50 + 100 * mask
    augment = Augmentation(name, SIZE, crop=None)
    seen = set()
    for seed in range(150):
        moved, where = augment(image, mask, seed)
        if np.array_equal(where, mask[:, ::-1]):
            seen.add("mirror")
        elif not np.array_equal(where, mask):
            seen.add("move")
        elif not np.array_equal(moved, image):
            seen.add("gray")
    assert seen == set(DOES[name].split())


@pytest.mark.parametrize("name", sorted(set(AUGMENTATIONS) - {"none"}))
def test_a_seed_gives_the_same_image_whatever_came_before(name: str) -> None:
    image, mask = phantom()
    one, two = (Augmentation(name, SIZE, crop=None) for _ in range(2))
    for seed in range(5):
        two(image, mask, seed)  # history must not matter
    results = [augment(image, mask, 7)[0] for augment in (one, two)]
    assert np.array_equal(*results)
    drawn = {one(image, mask, seed)[0].tobytes() for seed in range(40)}
    assert len(drawn) >= (2 if DOES[name] == "mirror" else 5)


def test_transforms_of_one_image_are_drawn_independently() -> None:
    """Mirrored with p .5 and darkened or brightened with p .3: 120, 120, 51 and 51 of 400."""
    image, mask = phantom()
    augment = Augmentation("abedalla_a1_a2", SIZE, crop=None)
    drawn = [augment(image, mask, seed) for seed in range(400)]
    mirrored = np.array([not np.array_equal(where, mask) for _, where in drawn])
    plain = [
        np.array_equal(moved, image[:, :: -1 if m else 1])
        for (moved, _), m in zip(drawn, mirrored, strict=True)
    ]
    changed = ~np.array(plain)
    # three standard deviations of each count
    assert abs((mirrored & changed).sum() - 400 * 0.5 * 0.3) < 22
    assert abs((mirrored & ~changed).sum() - 400 * 0.5 * 0.7) < 29
    assert abs((~mirrored & changed).sum() - 400 * 0.5 * 0.3) < 22


@pytest.mark.parametrize("name", BORDERS)
def test_what_is_beyond_the_border_is_named(name: str) -> None:
    image, nothing = np.full((SIZE, SIZE), 200, np.uint8), np.zeros((SIZE, SIZE), np.uint8)
    augment = Augmentation(name, SIZE, crop=None)
    augmented = [augment(image, nothing, seed) for seed in range(60)]
    darkest = min(moved.min() for moved, _ in augmented)
    assert darkest == 0 if BORDERS[name] == "black" else darkest > 90
    assert not any(where.any() for _, where in augmented)


@pytest.mark.parametrize("size", [64, 128])
@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_the_size_given_comes_out(name: str, size: int) -> None:
    image = np.zeros((size, size), np.uint8)
    augment = Augmentation(name, size, crop=None)
    assert {augment(image, image, seed)[0].shape for seed in range(5)} == {(size, size)}


def test_a_crop_is_a_random_part_of_image_and_mask_alike() -> None:
    image, mask = phantom()
    augment = Augmentation("none", SIZE, crop=32)
    parts = [augment(image, mask, seed) for seed in range(20)]
    assert {part.shape for pair in parts for part in pair} == {(32, 32)}
    assert all(((moved > 150) == where).all() for moved, where in parts)
    assert len({moved.tobytes() for moved, _ in parts}) > 15


def test_an_unknown_augmentation_is_refused() -> None:
    with pytest.raises(InputError, match="no augmentation 'winers'; there are none, standard"):
        Augmentation("winers", SIZE, crop=None)
