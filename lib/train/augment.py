"""Augmentations by name: each is a function that gives an albumentations pipeline.

Images are gray (H, W) uint8 and masks (H, W) uint8 of 0 and 1; a pipeline moves both together.
Borders are named, since albumentations 2 fills with black where version 1 reflected.
"""

import os

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would look for updates on import

from collections.abc import Callable

import albumentations as A
import cv2
import numpy as np

from lib.errors import InputError

# A chest goes on beyond the film: reflecting it is closer to the truth than black.
BORDER = {"border_mode": cv2.BORDER_REFLECT_101, "interpolation": cv2.INTER_LINEAR}


def none() -> A.Compose:
    """Images as they are."""
    return A.Compose([])


def standard() -> A.Compose:
    """Mirror, shift, scale, turn; exposure and contrast; now and then a distortion."""
    return A.Compose(
        [
            A.HorizontalFlip(p=0.5),
            A.Affine(
                translate_percent=(-0.06, 0.06),
                scale=(0.9, 1.1),
                rotate=(-15, 15),
                border_mode=cv2.BORDER_REFLECT_101,
                p=0.7,
            ),
            A.OneOf(
                [
                    A.RandomGamma(gamma_limit=(80, 120)),
                    A.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0.2),
                ],
                p=0.5,
            ),
            A.GridDistortion(num_steps=5, distort_limit=0.2, p=0.1, **BORDER),
        ]
    )


AUGMENTATIONS: dict[str, Callable[[], A.Compose]] = {
    function.__name__: function for function in (none, standard)
}


class Augmentation:
    """A named pipeline whose draws depend on the seed of each call alone."""

    def __init__(self, name: str) -> None:
        """Build the pipeline.

        Raises:
            InputError: naming the augmentations that there are.
        """
        if name not in AUGMENTATIONS:
            raise InputError(
                f"there is no augmentation {name!r}; there are {', '.join(AUGMENTATIONS)}"
            )
        self.pipeline = AUGMENTATIONS[name]()

    def __call__(
        self, image: np.ndarray, mask: np.ndarray, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Augment an image and its mask alike.

        Args:
            image: (H, W) uint8.
            mask: (H, W) uint8, 0 or 1.
            seed: what decides all draws.
        """
        self.pipeline.set_random_seed(seed % 2**32)
        result = self.pipeline(image=image, mask=mask)
        return result["image"], result["mask"]
