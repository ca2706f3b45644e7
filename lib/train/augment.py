"""Augmentations by name: each is a function that gives an albumentations pipeline.

Images are gray (H, W) uint8 and masks (H, W) uint8 of 0 and 1; a pipeline moves both together.
Borders are named, since albumentations 2 fills with black where version 1 reflected.
"""

import os

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would look for updates on import

import random
from collections.abc import Callable

import albumentations as A
import cv2
import numpy as np

from lib.errors import InputError

Transforms = list[A.BasicTransform | A.BaseCompose]

# A chest goes on beyond the film: reflecting it is closer to the truth than black.
REFLECT = {"border_mode": cv2.BORDER_REFLECT_101}
BLACK = {"border_mode": cv2.BORDER_CONSTANT, "fill": 0, "fill_mask": 0}


def none(size: int) -> Transforms:
    """Images as they are."""
    return []


def standard(size: int) -> Transforms:
    """Mirror, shift, scale, turn; exposure and contrast; now and then a distortion."""
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
    """Mirror every other image."""
    return [A.HorizontalFlip(p=0.5)]


def exposure(size: int) -> Transforms:
    """Contrast, gamma or brightness, as 1st place has them."""
    changes = [
        A.RandomBrightnessContrast(brightness_limit=0, contrast_limit=0.2),
        A.RandomGamma(gamma_limit=(80, 120)),
        A.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0),
    ]
    return [A.OneOf(changes, p=0.3)]


def distortion(size: int) -> Transforms:
    """Elastic, grid or optical distortion, as 1st place has them.

    Figures are as published, in pixels of the training image at any size. They are for older
    releases of albumentations, whose uniform noise and uneven grids are asked for here; an affine
    part of the elastic one and a shift of the optical one (.5) are no longer to be had.
    """
    distortions = [
        A.ElasticTransform(alpha=120, sigma=6, noise_distribution="uniform", **REFLECT),
        A.GridDistortion(num_steps=5, distort_limit=0.3, normalized=False, **REFLECT),
        A.OpticalDistortion(distort_limit=2, **REFLECT),
    ]
    return [A.OneOf(distortions, p=0.3)]


def sized_crop(size: int) -> Transforms:
    """Now and then a square of at least 69 % of the side, brought back to size: our choice."""
    return _crop(size, smallest=0.69, p=0.25)


def abedalla(size: int) -> Transforms:
    """2ST-UNet: groups A1 to A4 of its Table 9.

    Only names are published: ranges and probabilities are the 1st place's where it has the same,
    and our choice for the crop.
    """
    return [*hflip(size), *exposure(size), *distortion(size), *sized_crop(size)]


def sneddy(size: int) -> Transforms:
    """1st place: mirror, exposure, distortion, and shift, scale and turn."""
    return [*hflip(size), *exposure(size), *distortion(size), *_move(0.0625, 0.1, 45, p=0.5)]


def niu(size: int) -> Transforms:
    """Niu: mirror, turn, colour jitter, crop; without ranges in the paper.

    Mirrored left to right only, as it advises where no picture is upside down. Of colour jitter,
    brightness and contrast are left on gray. Crops are brought back to size, its second way.
    """
    jitter = A.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0.2, p=0.5)
    turn = A.Rotate(limit=15, p=0.5, **REFLECT)
    return [*hflip(size), turn, jitter, *_crop(size, smallest=0.8, p=0.5)]


def zhang(size: int) -> Transforms:
    """Zhang: mirror, contrast, gamma, brightness, and all three distortions.

    Ranges are not published: those of the 1st place, which has the same list.
    """
    return [*hflip(size), *exposure(size), *distortion(size)]


def jakhar(size: int) -> Transforms:
    """Jakhar et al.: a random crop, which cuts off the film's borders, brought back to size.

    How much is not published: up to 15 %, since a pneumothorax may reach the rim of the lung.
    """
    return _crop(size, smallest=0.85, p=1)


def amirassov(size: int) -> Transforms:
    """4th place: shift, scale and turn; how often and the border are not given: .5, reflected."""
    return _move(0.2, 0.2, 20, p=0.5)


def x5(size: int) -> Transforms:
    """2nd place: exposure or local contrast, a blur, mirror, and shift, scale and turn into black.

    Kinds and kernels of the blur and all other probabilities are not given: three kinds of up to
    5 px, and .5.
    """
    exposure = [
        A.RandomGamma(gamma_limit=(60, 120)),
        A.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0.2),
        A.CLAHE(clip_limit=4.0, tile_grid_size=(8, 8)),
    ]
    blurs = [blur(blur_limit=(3, 5)) for blur in (A.Blur, A.MotionBlur, A.MedianBlur)]
    moved = _move(0.2, 0.2, 20, p=0.5, border=BLACK)
    return [A.OneOf(exposure, p=0.5), A.OneOf(blurs, p=0.5), *hflip(size), *moved]


def _move(
    shift: float, scale: float, degrees: float, p: float, border: dict[str, int] = REFLECT
) -> Transforms:
    """Shift by a share of the side, scale and turn, by at most so much either way."""
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
    """A square of at least this share of the side, brought back to size."""
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
}


class Augmentation:
    """A named pipeline whose draws depend on the seed of each call alone."""

    def __init__(self, name: str, size: int, crop: int | None) -> None:
        """Build the pipeline.

        Args:
            name: of the function.
            size: side of the images, in pixels.
            crop: side of a random crop of the augmented image, in pixels; None: no crop.

        Raises:
            InputError: naming the augmentations that there are.
        """
        if name not in AUGMENTATIONS:
            raise InputError(
                f"there is no augmentation {name!r}; there are {', '.join(AUGMENTATIONS)}"
            )
        crops = [A.RandomCrop(crop, crop)] if crop is not None else []
        self.pipeline = A.Compose([*AUGMENTATIONS[name](size), *crops])

    def __call__(
        self, image: np.ndarray, mask: np.ndarray, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Augment an image and its mask alike.

        Args:
            image: (H, W) uint8.
            mask: (H, W) uint8, 0 or 1.
            seed: what decides all draws.
        """
        # One stream for all: set_random_seed would seed every transform alike, and each image would
        # be mirrored, moved and darkened together or not at all.
        self.pipeline.set_random_state(np.random.default_rng(seed), random.Random(seed))
        result = self.pipeline(image=image, mask=mask)
        return result["image"], result["mask"]
