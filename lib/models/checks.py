"""Checks of a recipe against its network, made before any training."""

from lib.errors import InputError
from lib.recipes import Recipe


def require_divisible_sides(recipe: Recipe, stride: int) -> None:
    """Check that all sides can be halved down to the network's deepest maps.

    Validation and inference use whole images, training perhaps crops.

    Raises:
        InputError: for the first side that is no multiple of the stride.
    """
    for phase in recipe.phases:
        for key, side in (("size", phase.size), ("crop", phase.crop or phase.size)):
            if side % stride:
                raise InputError(f"{key} {side} must be a multiple of {stride} for this network")


def require_normalisable_batches(recipe: Recipe) -> None:
    """Check that no batch has a single image, which a batch norm after pooling cannot normalise.

    An epoch is split into nearly equal batches: with a batch of 2, one may have a single image.

    Raises:
        InputError: if a phase has a batch below 3.
    """
    for phase in recipe.phases:
        if phase.batch < 3:
            raise InputError(
                f"batch {phase.batch}: ASPP normalises pooled images over the batch; give 3 or more"
            )
