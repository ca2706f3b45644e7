"""What a phase does not train: parameters without gradient, statistics that stay."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm  # of any dimension

from lib.errors import InputError
from lib.models import SegmentationNetwork
from lib.recipes import Phase, Recipe


def check_freezable(model: SegmentationNetwork, recipe: Recipe) -> None:
    """Refuse, before anything is trained, to freeze an encoder that is not there.

    Raises:
        InputError: naming the phase.
    """
    for index, phase in enumerate(recipe.phases):
        if phase.freeze != "nothing" and model.encoder is None:
            raise InputError(
                f"phases.{index}.freeze = {phase.freeze}, but network {recipe.network.name} has no "
                f"encoder; phases.{index}.freeze = nothing"
            )


def batch_norms(module: nn.Module) -> list[BatchNorm]:
    """The batch norms of a network, or of a part of it."""
    return [part for part in module.modules() if isinstance(part, BatchNorm)]


@contextmanager
def training_mode(model: SegmentationNetwork, phase: Phase, epoch: int) -> Iterator[None]:
    """Train a network inside, but for what the phase freezes in this epoch.

    Frozen batch norms normalise by their statistics and leave them as they are. Afterwards all
    parameters have a gradient again that had one before.
    """
    model.train()
    frozen = _frozen(model, phase, epoch)
    for norm in (norm for part in frozen for norm in batch_norms(part)):
        norm.eval()
    parameters = [p for part in frozen for p in part.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def _frozen(model: SegmentationNetwork, phase: Phase, epoch: int) -> Sequence[nn.Module]:
    """The parts that are frozen in an epoch of a phase."""
    thawed = phase.freeze_epochs is not None and epoch >= phase.freeze_epochs
    if phase.freeze == "nothing" or thawed:
        return ()
    assert model.encoder is not None, "check_freezable comes first"
    return (model.encoder,) if phase.freeze == "encoder" else batch_norms(model.encoder)
