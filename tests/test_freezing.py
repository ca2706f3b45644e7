"""What is frozen stays where it was, to the last bit, and thaws when it should."""

import dataclasses

import pytest
import torch
from torch import nn

from lib.errors import InputError
from lib.files import remove
from lib.layout import Work
from lib.models import SegmentationNetwork, build_model, weights
from lib.recipes import Input, Keep, LossWeights, Phase
from lib.train import loop
from lib.train.freezing import check_freezable, training_mode
from tests.test_train import SIZE, TINY, job_of, one_thread, work  # noqa: F401

PHASE = Phase(
    size=SIZE, epochs=2, batch=4, lr=1e-2, keep=Keep("last", 2), optimizer="adamw",
    weight_decay=0.1, clip=0.5, loss=LossWeights(bce=1, image_bce=1),
)  # fmt: skip


def moved(work: Work, **settings: object) -> list[set[str]]:  # noqa: F811
    """The tensors that each of two epochs changed."""
    recipe = dataclasses.replace(TINY, phases=(dataclasses.replace(PHASE, **settings),))
    job = job_of(work, recipe)
    loop.train_fold(job)
    files = sorted(job.draft.path("weights").glob("*.pt"))
    states = [build_model(recipe).state_dict(), *map(weights.load, files)]
    remove(job.draft.folder)
    assert len(states) == 3
    return [
        {name for name in after if not torch.equal(before[name], after[name])}
        for before, after in zip(states, states[1:], strict=False)
    ]


def names(kind: str) -> set[str]:
    """The tensors of the encoder, or of its batch norms."""
    model = build_model(TINY)
    norms = {name for name, part in model.named_modules() if isinstance(part, nn.BatchNorm2d)}
    keys = {key for key in model.state_dict() if key.startswith("net.encoder.")}
    return keys if kind == "encoder" else {key for key in keys if key.rpartition(".")[0] in norms}


def test_what_is_frozen_does_not_move_and_the_rest_does(work: Work) -> None:  # noqa: F811
    everything, _ = moved(work, freeze="nothing")
    for frozen in ("encoder", "encoder_norms"):
        assert everything & names(frozen)
        assert moved(work, freeze=frozen) == [everything - names(frozen)] * 2
    assert moved(work, freeze="encoder", freeze_epochs=1) == [
        everything - names("encoder"),
        everything,
    ]


def test_the_next_phase_is_not_frozen(work: Work) -> None:  # noqa: F811
    frozen = dataclasses.replace(PHASE, epochs=1, freeze="encoder", keep=Keep("last"))
    recipe = dataclasses.replace(TINY, phases=(frozen, PHASE))
    job = job_of(work, recipe)
    loop.train_fold(job)
    start = build_model(recipe).state_dict()
    last = weights.load(job.draft.path("weights/phase1_epoch001.pt"))
    stem = "net.encoder.features.0.0.weight"
    assert not torch.equal(start[stem], last[stem])


def test_what_a_network_froze_itself_stays_frozen() -> None:
    model = build_model(TINY)
    own = next(model.encoder.parameters())
    own.requires_grad_(False)
    with training_mode(model, dataclasses.replace(PHASE, freeze="encoder"), 0):
        assert not any(parameter.requires_grad for parameter in model.encoder.parameters())
        assert not any(m.training for m in model.encoder.modules() if isinstance(m, nn.BatchNorm2d))
        assert model.training
    assert [p for p in model.parameters() if not p.requires_grad] == [own]


def test_a_network_without_an_encoder_has_none_to_freeze() -> None:
    phases = (PHASE, dataclasses.replace(PHASE, freeze="encoder_norms"))
    scratch = SegmentationNetwork(Input())
    with pytest.raises(InputError, match="phases.1.freeze = encoder_norms, but .* no encoder"):
        check_freezable(scratch, dataclasses.replace(TINY, phases=phases))
    check_freezable(scratch, dataclasses.replace(TINY, phases=phases[:1]))
