"""Frozen parts keep every bit, and train again afterwards."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from lib.errors import InputError
from lib.files import remove
from lib.layout import Work
from lib.models import SegmentationNetwork, build_model, weights
from lib.recipes import Input, Keep, LossWeights, Phase
from lib.train.freezing import check_parts, training_mode
from lib.train.trainer import train_fold
from tests.tiny_runs import SIZE, TINY, training_job

PHASE = Phase(
    size=SIZE, epochs=2, batch=4, lr=1e-2, keep=Keep("last", 2), optimizer="adamw",
    weight_decay=0.1, clip=0.5, loss=LossWeights(bce=1, image_bce=1),
)  # fmt: skip


def changed_tensors(work: Work, **settings: object) -> list[set[str]]:
    """The names of the tensors that each of two epochs changed."""
    recipe = replace(TINY, phases=(replace(PHASE, **settings),))
    job = training_job(work, recipe)
    train_fold(job)
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


def test_frozen_tensors_do_not_change_and_all_others_do(work: Work) -> None:
    everything, _ = changed_tensors(work, freeze="nothing")
    for frozen in ("encoder", "encoder_norms"):
        assert everything & names(frozen)
        assert changed_tensors(work, freeze=frozen) == [everything - names(frozen)] * 2
    parameters = {name for name, _ in build_model(TINY).named_parameters()}
    expected = [everything - (names("encoder") & parameters)] * 2
    assert everything & (names("encoder") - parameters)  # the statistics of its batch norms
    assert changed_tensors(work, freeze="encoder_parameters") == expected
    assert changed_tensors(work, freeze="encoder", freeze_epochs=1) == [
        everything - names("encoder"),
        everything,
    ]


def test_the_next_phase_is_not_frozen(work: Work) -> None:
    frozen = replace(PHASE, epochs=1, freeze="encoder", keep=Keep("last"))
    recipe = replace(TINY, phases=(frozen, PHASE))
    job = training_job(work, recipe)
    train_fold(job)
    start = build_model(recipe).state_dict()
    last = weights.load(job.draft.path("weights/phase1_epoch001.pt"))
    stem = "net.encoder.features.0.0.weight"
    assert not torch.equal(start[stem], last[stem])


def test_parameters_that_a_network_froze_itself_stay_frozen() -> None:
    model = build_model(TINY)
    frozen = next(model.encoder.parameters())
    frozen.requires_grad_(False)
    with training_mode(model, replace(PHASE, freeze="encoder"), 0):
        assert not any(parameter.requires_grad for parameter in model.encoder.parameters())
        assert not any(m.training for m in model.encoder.modules() if isinstance(m, nn.BatchNorm2d))
        assert model.training
    assert [p for p in model.parameters() if not p.requires_grad] == [frozen]


def test_freezing_a_missing_encoder_names_the_phase() -> None:
    phases = (PHASE, replace(PHASE, freeze="encoder_norms"))
    scratch = SegmentationNetwork(Input())
    with pytest.raises(InputError, match="phases.1.freeze = encoder_norms"):
        check_parts(scratch, replace(TINY, phases=phases))
    check_parts(scratch, replace(TINY, phases=phases[:1]))


def test_the_weight_decay_of_a_missing_decoder_names_the_phase() -> None:
    phases = (PHASE, replace(PHASE, decoder_weight_decay=0.1))
    with pytest.raises(InputError, match="phases.1.decoder_weight_decay = 0.1"):
        check_parts(SegmentationNetwork(Input()), replace(TINY, phases=phases))
