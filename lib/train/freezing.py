"""Freezing of the encoder or its batch norms: no gradients, fixed statistics."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm  # of any dimension

from lib.errors import InputError
from lib.models import SegmentationNetwork
from lib.recipes import Phase, Recipe


def check_parts(model: SegmentationNetwork, recipe: Recipe) -> None:
    """Check before training that a network has the encoder and decoder that its phases name.

    Raises:
        InputError: for the first phase that names a missing part.
    """
    for index, phase in enumerate(recipe.phases):
        if phase.freeze != "nothing" and model.encoder is None:
            raise InputError(
                f"phases.{index}.freeze = {phase.freeze}, but network {recipe.network.name} has no "
                f"encoder; phases.{index}.freeze = nothing"
            )
        decay = phase.decoder_weight_decay
        if decay is not None and model.decoder is None:
            raise InputError(
                f"phases.{index}.decoder_weight_decay = {decay:g}, but network "
                f"{recipe.network.name} has no separate decoder; give weight_decay alone"
            )


def batch_norms(module: nn.Module) -> list[BatchNorm]:
    """Return the batch norms of a network, or of a part of it."""
    return [part for part in module.modules() if isinstance(part, BatchNorm)]


@contextmanager
def training_mode(model: SegmentationNetwork, phase: Phase, epoch: int) -> Iterator[None]:
    """Put a network into training mode, except the parts that a phase freezes in an epoch.

    Frozen batch norms normalise by their statistics and do not update them, unless parameters alone
    are frozen. On leaving, the frozen parameters require gradients again if they did before.
    """
    model.train()
    frozen = _frozen(model, phase, epoch)
    if phase.freeze != "encoder_parameters":
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
    """Return the parts that are frozen in an epoch of a phase."""
    unfrozen = phase.freeze_epochs is not None and epoch >= phase.freeze_epochs
    if phase.freeze == "nothing" or unfrozen:
        return ()
    assert model.encoder is not None, "check_parts comes first"
    return batch_norms(model.encoder) if phase.freeze == "encoder_norms" else (model.encoder,)
