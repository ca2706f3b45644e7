"""Augmentations move image and mask together, and depend on the seed of a call alone."""

import random
import sys
from dataclasses import replace
from pathlib import Path

import albumentations as A
import cv2
import numpy as np
import pytest

from lib.drawing import GAP, LINE, PANEL, TRUE
from lib.errors import InputError
from lib.layout import Work
from lib.recipes import RECIPES
from lib.recipes.schema import Recipe
from lib.train import augment
from lib.train.augment import AUGMENTATIONS, Augmentation
from tests import fakes

SIZE = 96
# The possible effects of each on an image: flip it, change its gray values, move its pixels.
EFFECTS = {
    "none": "",
    "hflip": "flip",
    "abedalla_a1": "flip",
    "abedalla_a2": "gray",
    "abedalla_a1_a2": "flip gray",
    "abedalla_a3": "move",
    "abedalla_a4": "move",
    "jakhar": "move",
    "amirassov": "move",
    **dict.fromkeys(["standard", "abedalla", "sneddy", "niu", "zhang"], "flip gray move"),
    **dict.fromkeys(["x5", "x5_classifier"], "move"),  # always, which hides the others
}
# Those that show pixels beyond the border, and the filling there.
BORDERS = {
    **dict.fromkeys(["standard", "abedalla", "sneddy", "niu", "zhang", "amirassov"], "reflected"),
    **dict.fromkeys(["x5", "x5_classifier"], "black"),
}


def phantom(size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """A bright disc on a gradient, and the disc as mask."""
    y, x = np.mgrid[:size, :size]
    mask = ((x - 30) ** 2 + (y - 50) ** 2 < 15**2).astype(np.uint8)
    image = (40 + 0.3 * x + 150 * mask).astype(np.uint8)
    return image, mask


@pytest.mark.parametrize("size", [64, 96, 128])
@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_masks_stay_binary_and_move_with_the_image(name: str, size: int) -> None:
    image, mask = phantom(size)
    augment = Augmentation(name, size, crop=None)
    for seed in range(20):
        new_image, new_mask = augment(image, mask, seed)
        assert new_image.shape == new_mask.shape == image.shape
        assert new_image.dtype == new_mask.dtype == np.uint8
        assert set(np.unique(new_mask)) <= {0, 1}
        inside = cv2.erode(new_mask, np.ones((5, 5), np.uint8)).astype(bool)
        outside = ~cv2.dilate(new_mask, np.ones((5, 5), np.uint8)).astype(bool)
        if inside.sum() > 50:
            assert new_image[inside].mean() > new_image[outside].mean() + 50


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_it_has_the_effects_of_its_source_and_no_others(name: str) -> None:
    mask = np.random.default_rng(0).integers(0, 2, (SIZE, SIZE), np.uint8)  # any move changes it
    image = 50 + 100 * mask
    augment = Augmentation(name, SIZE, crop=None)
    effects = set()
    for seed in range(150):
        new_image, new_mask = augment(image, mask, seed)
        if np.array_equal(new_mask, mask[:, ::-1]):
            effects.add("flip")
        elif not np.array_equal(new_mask, mask):
            effects.add("move")
        elif not np.array_equal(new_image, image):
            effects.add("gray")
    assert effects == set(EFFECTS[name].split())


@pytest.mark.parametrize("name", sorted(set(AUGMENTATIONS) - {"none"}))
def test_a_seed_gives_the_same_image_after_any_other_seeds(name: str) -> None:
    image, mask = phantom()
    fresh, used = (Augmentation(name, SIZE, crop=None) for _ in range(2))
    for seed in range(5):
        used(image, mask, seed)
    results = [augment(image, mask, 7)[0] for augment in (fresh, used)]
    assert np.array_equal(*results)
    variants = {fresh(image, mask, seed)[0].tobytes() for seed in range(40)}
    assert len(variants) >= (2 if EFFECTS[name] == "flip" else 5)


def test_transforms_of_one_image_are_drawn_independently() -> None:
    """Flipped with p .5, gray values changed with p .3: both 60 times of 400, one 140 or 60."""
    image, mask = phantom()
    augment = Augmentation("abedalla_a1_a2", SIZE, crop=None)
    results = [augment(image, mask, seed) for seed in range(400)]
    flipped = np.array([not np.array_equal(new_mask, mask) for _, new_mask in results])
    same_grays = [
        np.array_equal(new_image, image[:, :: -1 if flip else 1])
        for (new_image, _), flip in zip(results, flipped, strict=True)
    ]
    changed = ~np.array(same_grays)
    # three standard deviations of each count
    assert abs((flipped & changed).sum() - 400 * 0.5 * 0.3) < 22
    assert abs((flipped & ~changed).sum() - 400 * 0.5 * 0.7) < 29
    assert abs((~flipped & changed).sum() - 400 * 0.5 * 0.3) < 22


@pytest.mark.parametrize("name", BORDERS)
def test_pixels_beyond_the_border_are_reflected_or_black(name: str) -> None:
    image, empty = np.full((SIZE, SIZE), 200, np.uint8), np.zeros((SIZE, SIZE), np.uint8)
    augment = Augmentation(name, SIZE, crop=None)
    results = [augment(image, empty, seed) for seed in range(60)]
    darkest = min(new_image.min() for new_image, _ in results)
    assert darkest == 0 if BORDERS[name] == "black" else darkest > 90
    assert not any(new_mask.any() for _, new_mask in results)


def displacement(name: str, size: int) -> float:
    """Root mean square of the elastic displacement across, as a part of the side.

    Near the middle column the gray values rise by 8 with each pixel, so that they show moves of
    less than one pixel.
    """
    (elastic,) = elastic_transforms(name, size)
    ramp = np.clip(128 + 8.0 * (np.arange(size) - size // 2), 0, 255).astype(np.uint8)
    image, middle = np.tile(ramp, (size, 1)), slice(size // 2 - 3, size // 2 + 4)
    moves = []
    for seed in range(12):
        pipeline = A.Compose([elastic])
        pipeline.set_random_state(np.random.default_rng(seed), random.Random(seed))
        moved = pipeline(image=image)["image"]
        if not np.array_equal(moved, image):
            moves.append((moved[:, middle].astype(float) - image[:, middle]) / 8 / size)
    return float(np.sqrt(np.mean(np.square(moves))))


def elastic_transforms(name: str, size: int) -> list[A.ElasticTransform]:
    choices = [t for t in AUGMENTATIONS[name](size) if isinstance(t, A.OneOf)]
    transforms = [transform for choice in choices for transform in choice.transforms]
    return [transform for transform in transforms if isinstance(transform, A.ElasticTransform)]


@pytest.mark.parametrize(
    ("size", "alpha", "sigma"), [(1024, 120, 6), (512, 30, 3), (128, 2.5, 1), (64, 1.25, 1)]
)
def test_the_first_place_distorts_at_1024_px_before_it_resizes(
    size: int, alpha: float, sigma: float
) -> None:
    (elastic,) = elastic_transforms("sneddy", size)
    assert (elastic.alpha, elastic.sigma) == pytest.approx((alpha, sigma))


def test_elastic_moves_of_the_first_place_are_the_same_part_of_the_side_at_512_px() -> None:
    assert displacement("sneddy", 512) == pytest.approx(displacement("sneddy", 1024), rel=0.1)
    assert displacement("abedalla_a3", 512) == pytest.approx(
        2 * displacement("sneddy", 512), rel=0.1
    )


@pytest.mark.parametrize("name", ["x5", "x5_classifier"])
def test_the_second_place_has_its_parameters(name: str) -> None:
    grays, blurs, flip, affine = AUGMENTATIONS[name](SIZE)
    assert (grays.p, blurs.p, flip.p, affine.p) == (0.5, 0.5, 0.5, 1)
    gamma, *changes, clahe = grays.transforms
    assert gamma.gamma_limit == (60, 120)
    assert (clahe.clip_limit, clahe.tile_grid_size) == ((1, 4), (4, 4))
    assert {blur.blur_limit for blur in blurs.transforms} == {(3, 3)}
    limits = [(change.brightness_limit, change.contrast_limit) for change in changes]
    none, some = (0, 0), (-0.2, 0.2)
    assert limits == ([(some, none), (none, some)] if name != "x5" else [(some, some)])
    assert affine.translate_percent == {"x": (-0.2, 0.2), "y": (-0.2, 0.2)}
    assert affine.scale == {"x": (0.8, 1.2), "y": (0.8, 1.2)}
    assert affine.rotate == (-20, 20)


def test_a_crop_is_a_random_part_of_image_and_mask_alike() -> None:
    image, mask = phantom()
    augment = Augmentation("none", SIZE, crop=32)
    parts = [augment(image, mask, seed) for seed in range(20)]
    assert {part.shape for pair in parts for part in pair} == {(32, 32)}
    assert all(((new_image > 150) == new_mask).all() for new_image, new_mask in parts)
    assert len({new_image.tobytes() for new_image, _ in parts}) > 15


def test_an_unknown_augmentation_is_refused() -> None:
    with pytest.raises(InputError, match="'winers'; there are none, standard"):
        Augmentation("winers", SIZE, crop=None)


def draw_panels(recipe: Recipe, count: int) -> list[np.ndarray]:
    """Return the panels of the picture of a recipe's transforms, drawn on the phantom."""
    image, mask = phantom()
    png = np.frombuffer(augment.draw(recipe, image, mask), np.uint8)
    picture = cv2.imdecode(png, cv2.IMREAD_COLOR)[..., ::-1]
    rows, columns = -(-count // 4), min(count, 4)
    step, top = PANEL + GAP + LINE, GAP + LINE
    assert (picture.shape[0] - GAP - rows * step) in range(LINE, 5 * LINE, LINE)  # of the note
    assert picture.shape[1] == GAP + columns * (PANEL + GAP)
    corners = [divmod(number, 4) for number in range(4 * rows)]
    panels = [
        picture[top + row * step :, GAP + column * (PANEL + GAP) :][:PANEL, :PANEL]
        for row, column in corners
        if column < columns
    ]
    assert all((panel == 255).all() for panel in panels[count:])
    return panels[:count]


def centre(panel: np.ndarray) -> tuple[float, float]:
    """Return the centre (row, column) of the outlined mask, in parts of the panel's side."""
    rows, columns = np.nonzero((panel == TRUE).all(axis=2))
    return rows.mean() / PANEL, columns.mean() / PANEL


def test_every_transform_of_a_recipe_has_a_panel_with_the_mask_where_it_moved() -> None:
    original, flip, *grays = draw_panels(RECIPES["abedalla_aug_a1_a2"], 5)
    row, column = centre(original)
    assert (row, column) == pytest.approx((50.5 / SIZE, 30.5 / SIZE), abs=0.01)
    assert centre(flip) == pytest.approx((row, 1 - column), abs=0.01)
    for gray in grays:
        assert centre(gray) == pytest.approx((row, column), abs=0.001)
        assert (gray != original).any()


def test_all_transforms_of_a_choice_and_a_crop_are_drawn() -> None:
    assert len(draw_panels(RECIPES["zhang_ica_resunet"], 8)) == 8
    recipe = RECIPES["abedalla_aug_none"]
    phase = recipe.phases[-1]
    cropped = replace(recipe, phases=(replace(phase, crop=phase.size // 2),))
    original, crop = draw_panels(cropped, 2)
    assert (original != crop).any()


def test_a_recipe_without_augmentation_shows_the_original() -> None:
    draw_panels(RECIPES["abedalla_aug_none"], 1)


def test_the_command_draws_the_first_positive_image_of_a_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def picture(*flags: str) -> bytes:
        path = tmp_path / "out.png"
        words = ["augment", "abedalla_aug_a1", str(path), "--work", str(work.root), *flags]
        monkeypatch.setattr(sys, "argv", words)
        augment.main()
        return path.read_bytes()

    work = Work(tmp_path / "work")
    truth = fakes.masks(8)  # the first and the fourth are positive
    truth["image00"], truth["image05"] = truth["image05"], truth["image00"]
    fakes.make_dataset(work, truth)
    with pytest.raises(InputError, match=r"no cache .*01_prepare.py"):
        picture()
    fakes.make_cache(work, truth, fakes.FRAME)
    assert picture() == picture("--image", "image03") != picture("--image", "image00")
    with pytest.raises(InputError, match="no image nowhere; .*--image"):
        picture("--image", "nowhere")
