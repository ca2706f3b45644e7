"""What a recipe asks of a network that cannot be, said before anything is trained."""

from segmentation_models_pytorch.encoders import get_encoder_names

from lib.errors import InputError
from lib.recipes import Recipe


def require_encoder(name: str) -> None:
    """Refuse a name that segmentation-models-pytorch does not know.

    Raises:
        InputError: naming where the names are.
    """
    if name not in get_encoder_names():
        raise InputError(
            f"there is no encoder {name!r}; "
            "smp.encoders.get_encoder_names() lists those of segmentation-models-pytorch"
        )


def require_divisible_sides(recipe: Recipe, stride: int) -> None:
    """Refuse images whose side does not halve down to the network's deepest maps.

    Validation and inference see whole images, training perhaps crops.

    Raises:
        InputError: naming the side and the stride.
    """
    for phase in recipe.phases:
        for what, side in (("size", phase.size), ("crop", phase.crop or phase.size)):
            if side % stride:
                raise InputError(f"{what} {side} must be a multiple of {stride} for this network")


def require_normalisable_batches(recipe: Recipe) -> None:
    """Refuse batches in which a pooled image could stand alone before a batch norm.

    An epoch is cut into nearly equal batches: of two at most, one may have a single image.

    Raises:
        InputError: naming the batch.
    """
    for phase in recipe.phases:
        if phase.batch < 3:
            raise InputError(
                f"batch {phase.batch}: ASPP normalises pooled images over the batch; give 3 or more"
            )
