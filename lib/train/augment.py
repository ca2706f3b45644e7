"""Augmentations by name: each is a function that returns the transforms of albumentations.

    python -m lib.train.augment RECIPE OUT.png [--work WORK] [--image ID]

draws each transform of a recipe on a radiograph of WORK, by default the first positive one.

Images are gray (H, W) uint8 and masks (H, W) uint8 of 0 and 1; a pipeline transforms both alike.
Borders are always given, because albumentations 2 fills them with black and version 1 reflected.
"""

import os

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else it looks for updates on import

import argparse
import random
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import albumentations as A
import cv2
import numpy as np

from lib import csv_files, dataset, images, recipes, rle
from lib.cli import png_file, run_stage
from lib.dataset import Dataset
from lib.drawing import PANEL, Panel, draw_grid, draw_masks
from lib.errors import InputError
from lib.files import write_bytes
from lib.layout import Work, image_file
from lib.recipes import Recipe

Transforms = list[A.BasicTransform | A.BaseCompose]

# A chest continues beyond the film: a reflection resembles it more than black does.
REFLECT = {"border_mode": cv2.BORDER_REFLECT_101}
BLACK = {"border_mode": cv2.BORDER_CONSTANT, "fill": 0, "fill_mask": 0}


def none(size: int) -> Transforms:
    """Return no transform: images stay as they are."""
    return []


def standard(size: int) -> Transforms:
    """Flip, shift, scale, rotate; change exposure and contrast; rarely a distortion."""
    return [
        A.HorizontalFlip(p=0.5),
        A.Affine(
            translate_percent=(-0.06, 0.06), scale=(0.9, 1.1), rotate=(-15, 15), p=0.7, **REFLECT
        ),
        A.OneOf(
            [
                A.RandomGamma(gamma_limit=(80, 120)),
                A.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0.2),
            ],
            p=0.5,
        ),
        A.GridDistortion(num_steps=5, distort_limit=0.2, p=0.1, **REFLECT),
    ]


def hflip(size: int) -> Transforms:
    """Flip left to right with probability .5."""
    return [A.HorizontalFlip(p=0.5)]


def exposure(size: int) -> Transforms:
    """Change contrast, gamma or brightness, as the 1st place does."""
    changes = [
        A.RandomBrightnessContrast(brightness_limit=0, contrast_limit=0.2),
        A.RandomGamma(gamma_limit=(80, 120)),
        A.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0),
    ]
    return [A.OneOf(changes, p=0.3)]


def distortion(size: int, scale: float = 1.0) -> Transforms:
    """Distort elastically, by a grid or optically, as the 1st place does.

    Parameters are as published, for older releases of albumentations; their uniform noise and
    uneven grids are set here. The affine part of the elastic distortion and the shift (.5) of the
    optical one no longer exist.

    Args:
        size: side of the images, in pixels.
        scale: of the elastic distortion, whose parameters are in pixels of the training image; the
            others are in parts of the side.
    """
    sigma = max(1.0, 6 * scale)  # albumentations takes no narrower one
    # A displacement is about alpha / sigma pixels: averages over a wider area are smaller.
    elastic = A.ElasticTransform(
        alpha=120 / 6 * scale * sigma, sigma=sigma, noise_distribution="uniform", **REFLECT
    )
    distortions = [
        elastic,
        A.GridDistortion(num_steps=5, distort_limit=0.3, normalized=False, **REFLECT),
        A.OpticalDistortion(distort_limit=2, **REFLECT),
    ]
    return [A.OneOf(distortions, p=0.3)]


def sized_crop(size: int) -> Transforms:
    """Sometimes crop a square of at least 69 % of the side, resized to the old size: our choice."""
    return _crop(size, smallest=0.69, p=0.25)


def abedalla(size: int) -> Transforms:
    """2ST-UNet: groups A1 to A4 of its Table 9.

    Only names are published. Ranges and probabilities are those of the 1st place, which has the
    same transforms; those of the crop are our choice. The elastic distortion has as many pixels as
    there at 1024 px, so at 256 px it moves four times as large a part of the side.
    """
    return [*hflip(size), *exposure(size), *distortion(size), *sized_crop(size)]


def sneddy(size: int) -> Transforms:
    """1st place: flip, exposure, distortion, and shift, scale and rotation.

    The original augments at 1024 px and resizes last. Here images have the training's size already,
    so the elastic distortion is scaled: at 512 px it moves half as many pixels.
    """
    affine = _affine(0.0625, 0.1, 45, p=0.5)
    return [*hflip(size), *exposure(size), *distortion(size, scale=size / 1024), *affine]


def niu(size: int) -> Transforms:
    """Niu: flip, rotation, colour jitter, crop; the paper gives no ranges.

    Flips are left to right only, as the paper advises if no picture is upside down. On gray images
    colour jitter is brightness and contrast. The paper fits images to the network by a crop (its
    example: 224 of 256 px) or by resizing, which it calls usual. Stage 01 resizes; the crops here
    are resized to the old size: our choice.
    """
    jitter = A.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0.2, p=0.5)
    rotation = A.Rotate(limit=15, p=0.5, **REFLECT)
    return [*hflip(size), rotation, jitter, *_crop(size, smallest=0.8, p=0.5)]


def zhang(size: int) -> Transforms:
    """Zhang: flip, contrast, gamma, brightness, and all three distortions.

    Ranges are not published; these are those of the 1st place, which has the same list. The elastic
    distortion has as many pixels as there at 1024 px: at 512 px, twice as large a part of the side.
    """
    return [*hflip(size), *exposure(size), *distortion(size)]


def jakhar(size: int) -> Transforms:
    """Jakhar et al.: a random crop, which removes the film's borders, resized to the old size.

    The size of the crop is not published. At most 15 % of the side goes, because a pneumothorax may
    reach the rim of the lung.
    """
    return _crop(size, smallest=0.85, p=1)


def amirassov(size: int) -> Transforms:
    """4th place: shift, scale, rotation; our choice: probability .5, reflected borders."""
    return _affine(0.2, 0.2, 20, p=0.5)


def x5(size: int) -> Transforms:
    """2nd place, segmenters: exposure or local contrast, blur, flip; always an affine transform."""
    return _x5(A.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0.2))


def x5_classifier(size: int) -> Transforms:
    """2nd place, classifiers: brightness and contrast are two of the choices."""
    return _x5(
        A.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0),
        A.RandomBrightnessContrast(brightness_limit=0, contrast_limit=0.2),
    )


def _x5(*changes: A.BasicTransform) -> Transforms:
    """Return the transforms of the 2nd place; borders are black.

    The parameters are those of its code. A blur has 3 px, because the limit there is 4 and kernels
    are odd.
    """
    clahe = A.CLAHE(clip_limit=4.0, tile_grid_size=(4, 4))
    grays = [A.RandomGamma(gamma_limit=(60, 120)), *changes, clahe]
    blurs = [blur(blur_limit=3) for blur in (A.Blur, A.MotionBlur, A.MedianBlur)]
    affine = _affine(0.2, 0.2, 20, p=1, border=BLACK)
    return [A.OneOf(grays, p=0.5), A.OneOf(blurs, p=0.5), A.HorizontalFlip(p=0.5), *affine]


def _affine(
    shift: float, scale: float, degrees: float, p: float, border: dict[str, int] = REFLECT
) -> Transforms:
    """Shift by a fraction of the side, scale and rotate, by at most these amounts both ways."""
    return [
        A.Affine(
            translate_percent=(-shift, shift),
            scale=(1 - scale, 1 + scale),
            keep_ratio=True,
            rotate=(-degrees, degrees),
            p=p,
            **border,
        )
    ]


def _crop(size: int, smallest: float, p: float) -> Transforms:
    """Crop a square of at least the fraction `smallest` of the side, resized to the old size."""
    heights = (round(smallest * size), size)
    return [A.RandomSizedCrop(min_max_height=heights, size=(size, size), p=p)]


AUGMENTATIONS: dict[str, Callable[[int], Transforms]] = {
    "none": none,
    "standard": standard,
    "hflip": hflip,
    "abedalla_a1": hflip,
    "abedalla_a2": exposure,
    "abedalla_a1_a2": lambda size: [*hflip(size), *exposure(size)],
    "abedalla_a3": distortion,
    "abedalla_a4": sized_crop,
    "abedalla": abedalla,
    "sneddy": sneddy,
    "niu": niu,
    "zhang": zhang,
    "jakhar": jakhar,
    "amirassov": amirassov,
    "x5": x5,
    "x5_classifier": x5_classifier,
}


N_DRAWS, N_COLUMNS = 12, 4  # of a picture: random draws of a transform; panels in a row
NOTE = (
    f"Of {N_DRAWS} random draws, the strongest. Percentages: how often training applies "
    "the transform. Blue line: the truth, moved with the image."
)


class Augmentation:
    """A named pipeline whose random draws depend only on the seed of each call."""

    def __init__(self, name: str, size: int, crop: int | None) -> None:
        """Build the pipeline.

        Args:
            name: a key of AUGMENTATIONS.
            size: side of the images, in pixels.
            crop: side of a random crop of the augmented image, in pixels; None: no crop.

        Raises:
            InputError: if there is no such augmentation.
        """
        if name not in AUGMENTATIONS:
            raise InputError(
                f"there is no augmentation {name!r}; there are {', '.join(AUGMENTATIONS)}"
            )
        crops = [A.RandomCrop(crop, crop)] if crop is not None else []
        self.transforms = [*AUGMENTATIONS[name](size), *crops]
        self.pipeline = A.Compose(self.transforms)

    def __call__(
        self, image: np.ndarray, mask: np.ndarray, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Augment an image and its mask alike.

        Args:
            image: (H, W) uint8.
            mask: (H, W) uint8, 0 or 1.
            seed: of all random draws.
        """
        # One random stream for all transforms: set_random_seed would give each transform the same
        # seed, so that an image is flipped, shifted and darkened all together or not at all.
        self.pipeline.set_random_state(np.random.default_rng(seed), random.Random(seed))
        result = self.pipeline(image=image, mask=mask)
        return result["image"], result["mask"]


def list_transforms(recipe: Recipe) -> dict[int, list[str]]:
    """Return the transforms of a recipe at each size of its phases, with all their parameters.

    Each line begins with how often training applies the transform.
    """
    lines = {}
    for phase in recipe.phases:
        transforms = Augmentation(recipe.augmentation, phase.size, phase.crop).transforms
        lines[phase.size] = [
            f"{100 * rate:.3g} %: {transform}" for transform, rate in _single_transforms(transforms)
        ]
    return lines


def draw(recipe: Recipe, image: np.ndarray, mask: np.ndarray) -> bytes:
    """Return a PNG of each transform of a recipe's last phase, applied alone to a radiograph.

    Of several random draws, the one is shown that changes the image most.

    Args:
        recipe: with the size, the contrast and the augmentation.
        image: (H, W) uint8.
        mask: (H, W), not 0 inside.
    """
    phase = recipe.phases[-1]
    image = images.CONTRASTS[recipe.input.contrast](images.shrink(image, phase.size))
    mask = images.shrink_mask(mask != 0, phase.size) // 255
    panels = [Panel(draw_masks(image, PANEL, true=mask), "original")]
    transforms = Augmentation(recipe.augmentation, phase.size, phase.crop).transforms
    for transform, rate in _single_transforms(transforms):
        new_image, new_mask = _strongest_draw(transform, image, mask)
        drawn = draw_masks(new_image, PANEL, true=new_mask)
        panels.append(Panel(drawn, f"{_describe(transform)}, {100 * rate:.3g} %"))
    rows = [panels[start : start + N_COLUMNS] for start in range(0, len(panels), N_COLUMNS)]
    return draw_grid(rows, NOTE)


def _single_transforms(
    transforms: Sequence[A.BasicTransform | A.BaseCompose],
) -> Iterator[tuple[A.BasicTransform, float]]:
    """Yield each transform, members of a choice too, and how often it is applied."""
    for transform in transforms:
        if isinstance(transform, A.OneOf):
            total = sum(member.p for member in transform.transforms)
            yield from ((member, transform.p * member.p / total) for member in transform.transforms)
        else:
            yield transform, transform.p


def _strongest_draw(
    transform: A.BasicTransform, image: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    transform.p = 1.0
    pipeline = A.Compose([transform])
    draws = []
    for seed in range(N_DRAWS):
        pipeline.set_random_state(np.random.default_rng(seed), random.Random(seed))
        draws.append(pipeline(image=image, mask=mask))
    side = len(image)
    changes = [
        np.abs(images.shrink(new["image"], side).astype(int) - image).mean() for new in draws
    ]
    strongest = draws[int(np.argmax(changes))]
    return strongest["image"], strongest["mask"]


def _describe(transform: A.BasicTransform) -> str:
    """Return the name of a transform in words; brightness or contrast if it changes one alone."""
    if isinstance(transform, A.RandomBrightnessContrast):
        limits = {"brightness": transform.brightness_limit, "contrast": transform.contrast_limit}
        return " and ".join(name for name, limit in limits.items() if any(limit))
    words = re.findall("[A-Z]+(?![a-z])|[A-Z][a-z]+", type(transform).__name__)
    return " ".join(word if len(word) > 1 and word.isupper() else word.lower() for word in words)


def _read_example(data: Dataset, image_id: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Return a radiograph from the largest cache, and its mask in the RLE frame.

    Args:
        data: the dataset.
        image_id: None: the first positive image.

    Raises:
        InputError: if there is no cache, or no such image in it.
    """
    cache = data.largest_cache()
    if cache is None:
        raise InputError("there is no cache of this dataset to draw; run 01_prepare.py")
    image_id = image_id or next(filter(data.positive, sorted(data.truth)), data.images.index[0])
    image_id = csv_files.match_ids([image_id], data.images.index).get(image_id, image_id)
    if image_file(image_id) not in cache.files:
        raise InputError(f"{cache.location} has no image {image_id}; give another --image ID")
    image = images.read_png(cache.path(image_file(image_id)))
    size = data.rle_size
    return image, rle.decode(data.truth.get(image_id, rle.EMPTY), size, size)


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw each augmentation of a recipe.")
    parser.add_argument("recipe", help="its name")
    parser.add_argument("out", type=png_file, help="PNG to write")
    parser.add_argument("--work", type=Path, default=Path("work"))
    parser.add_argument("--image", metavar="ID", help="default: the first with a pneumothorax")
    args = parser.parse_args()
    recipe = recipes.get(args.recipe)
    image, mask = _read_example(dataset.read(Work(args.work)), args.image)
    write_bytes(args.out, draw(recipe, image, mask))
    print(f"augmentation {recipe.augmentation} -> {args.out}")


if __name__ == "__main__":
    run_stage(main)
