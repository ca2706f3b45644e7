"""Training of a phase: steps, learning rates, ranking, averages of epochs and of steps."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from lib import device as machine
from lib.artifacts import STATE
from lib.decision.rules import ThresholdRule
from lib.files import remove
from lib.layout import ALL_DATA, Work
from lib.models import build_model, weights
from lib.recipes import Ema, Keep, LossWeights, Phase
from lib.train.checkpoints import Record, epochs_to_keep
from lib.train.dataloaders import CachedImages, loader_options, training_loader
from lib.train.phase import PhaseTraining, batches_of_step
from lib.train.trainer import train_fold
from tests.tiny_runs import SHORT, SIZE, TINY, training_job

State = dict[str, Any]
PHASE = replace(SHORT, lr=1e-2)
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def trained(work: Work, *phases: Phase, **changes: object) -> tuple[Record, dict[str, State]]:
    """The record of a run, and its weights and state by file name; the folder is removed."""
    job = training_job(work, replace(TINY, phases=phases, **changes))
    record = train_fold(job)
    files = [*job.draft.path("weights").glob("*.pt"), job.draft.path(STATE)]
    states = {path.name: weights.load(path) for path in files}
    remove(job.draft.folder)
    job.draft.lock.release()
    return record, states


def test_accumulated_batches_are_one_step(work: Work) -> None:
    """Six images in batches of 3, accumulated by 2."""
    phase = replace(TINY.phases[1], epochs=1, positive_rate=None)
    _, states = trained(work, phase)
    steps = {parameter["step"].item() for parameter in states[STATE]["optimizer"]["state"].values()}
    assert steps == {1}


def test_the_last_step_of_an_epoch_may_have_fewer_batches() -> None:
    assert [batches_of_step(number, 5, 2) for number in range(5)] == [2, 2, 2, 2, 1]
    assert [batches_of_step(number, 2, 3) for number in range(2)] == [2, 2]
    assert batches_of_step(0, 7, 1) == 1


def test_linear_rates_change_within_an_epoch(work: Work) -> None:
    """Two epochs of two steps with rates 0, 1/2, 1, 1/2; the history has the first of each."""
    linear = replace(SHORT, epochs=2, schedule="linear", warmup=0.5, lr=1e-3)
    record, states = trained(work, linear)
    assert [row["lr"] for row in record.history] == pytest.approx([0, 1e-3])
    assert states[STATE]["optimizer"]["param_groups"][0]["lr"] == pytest.approx(5e-4)


def test_epochs_are_ranked_at_the_rule_for_ranking(work: Work) -> None:
    """One rule predicts every pixel and misses all negatives, the other predicts no pixel."""
    everything, nothing = ThresholdRule(0.0, 0, 0.0), ThresholdRule(0.5, 1024**2 + 1024, 0.5)
    last = replace(SHORT, epochs=1, keep=Keep("last"))
    job = training_job(work)
    ids = job.dataset.validation_ids(0)
    negatives = np.mean([not job.dataset.positive(name) for name in ids])
    job.draft.lock.release()
    remove(job.draft.folder)
    at_rule, _ = trained(work, last, rule=everything, select_rule=None)
    assert 0 < at_rule.history[0]["score"] < 1 - negatives
    at_select_rule, _ = trained(work, last, rule=everything, select_rule=nothing)
    assert at_select_rule.history[0]["score"] == pytest.approx(negatives)


def test_epochs_are_ranked_at_the_best_triplet_which_the_history_holds(
    work: Work, capsys: pytest.CaptureFixture[str]
) -> None:
    record, _ = trained(work, SHORT, select="tuned_dice")
    rule = [f"valid_tuned_{name}" for name in ("top", "min_area", "bottom")]
    for row in record.history:
        assert row["score"] == row["valid_tuned_dice"] >= row["valid_dice"]
        assert ThresholdRule(*(row[name] for name in rule)).levels
    assert f"valid tuned dice {record.history[0]['score']:.4f}" in capsys.readouterr().out
    others, _ = trained(work, SHORT, select="dice")
    assert not set(rule) & others.history[0].keys()


def test_positives_alone_train(work: Work) -> None:
    phase = replace(SHORT, epochs=1, positive_rate=1.0, loss=LossWeights(squared_dice=1))
    record, _ = trained(work, phase, select="positive_dice")
    assert record.history[0]["score"] == record.history[0]["valid_positive_dice"]


@pytest.mark.parametrize(
    ("alone", "together"),
    [
        (Keep("last", 2), Keep("swa", 2)),
        (Keep("last", 2), Keep("last", 2, "weights")),
        (Keep("best", 3), Keep("best", 3, "weights", (0.5, 0.3, 0.2))),
        (Keep("last", 3), Keep("swa", 5)),
        (Keep("epochs", 2, epochs=(0, 2)), Keep("epochs", 2, "weights", epochs=(0, 2))),
    ],
    ids=["swa", "last", "best-with-weights", "fewer-epochs-than-count", "named-epochs"],
)
def test_an_average_is_the_mean_of_the_kept_epochs(work: Work, alone: Keep, together: Keep) -> None:
    record, files = trained(work, replace(PHASE, keep=alone), select="loss")
    epochs = [row["epoch"] for row in epochs_to_keep(alone, record.history)]
    states = [files[f"phase0_epoch{epoch:03}.pt"] for epoch in epochs]
    averaged, merged = trained(work, replace(PHASE, keep=together), select="loss")
    assert averaged.history == record.history
    assert merged.keys() == {"phase0_average.pt", STATE}
    coefficients = together.weights or [1 / len(states)] * len(states)
    for name, _ in build_model(TINY).named_parameters():
        terms = (c * state[name] for c, state in zip(coefficients, states, strict=True))
        assert torch.allclose(merged["phase0_average.pt"][name], sum(terms), atol=1e-6), name
    (row,) = averaged.averages
    assert row["epochs"] == " ".join(map(str, epochs))
    assert {"phase", "epochs", "valid_loss", "valid_dice"} <= row.keys()


def test_statistics_of_an_average_are_those_of_the_last_epochs_images(work: Work) -> None:
    """Each norm's inputs are recorded in a second pass: the mean over batches of their moments."""
    _, files = trained(work, replace(PHASE, keep=Keep("swa", 2)), select="loss")
    recipe = replace(TINY, phases=(PHASE,))
    job = training_job(work, recipe)
    model = build_model(recipe)
    model.load_state_dict(files["phase0_average.pt"])
    model.to(memory_format=torch.channels_last).train()
    machine.choose_layer_precision(model, job.device)
    norms = {name: m for name, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)}
    recorded: dict[str, list[torch.Tensor]] = {name: [] for name in norms}
    for name, norm in norms.items():
        norm.register_forward_pre_hook(lambda _, x, name=name: recorded[name].append(x[0]))
    source = CachedImages(job.caches[SIZE], job.dataset, "none")
    ids = job.dataset.training_ids(0)
    loader, batches = training_loader(source, ids, recipe, 0, loader_options(0, job.device))
    batches.epoch = 2
    with torch.no_grad(), machine.autocast(job.device):
        for images, _ in loader:
            model.predict(images)
    assert {len(inputs) for inputs in recorded.values()} == {0, 2}  # TINY uses no deeper layers
    for name, inputs in recorded.items():
        state = {kind: files["phase0_average.pt"][f"{name}.{kind}"] for kind in STATISTICS}
        assert state["num_batches_tracked"] == len(inputs)
        if inputs:
            means = [x.float().mean((0, 2, 3)) for x in inputs]
            variances = [x.float().transpose(0, 1).flatten(1).var(1) for x in inputs]
            assert torch.allclose(state["running_mean"], sum(means) / 2, atol=1e-5), name
            assert torch.allclose(state["running_var"], sum(variances) / 2, rtol=1e-4), name


def test_a_moving_average_takes_the_place_of_the_weights_from_its_start(work: Work) -> None:
    """One step an epoch: epoch 0 keeps its weights, later ones the average since then."""
    phase = replace(PHASE, batch=6, positive_rate=None, keep=Keep("last", 3))
    _, plain = trained(work, phase)
    _, averaged = trained(work, replace(phase, ema=Ema(0.9, start=1)))
    files = [f"phase0_epoch{epoch:03}.pt" for epoch in range(3)]
    name = next(key for key in plain[files[0]] if key.endswith("weight"))
    expected = plain[files[0]][name]
    assert torch.equal(averaged[files[0]][name], expected)
    for file in files[1:]:
        expected = 0.9 * expected + 0.1 * plain[file][name]
        assert torch.allclose(averaged[file][name], expected, atol=1e-7)
    assert torch.equal(averaged[STATE]["model"][name], plain[files[2]][name])
    assert torch.equal(averaged[STATE]["ema"][name], averaged[files[2]][name])


class HostReads(TorchDispatchMode):
    """Counts operators that take a value from a tensor to the host: a GPU would be waited for."""

    NAMES = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "equal")

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # noqa: ANN001, ANN204
        self.count += any(name in func.name() for name in self.NAMES)
        return func(*args, **(kwargs or {}))


class HostCopies(TorchFunctionMode):
    """Counts methods that copy a tensor to the host."""

    METHODS = (torch.Tensor.cpu, torch.Tensor.numpy, torch.Tensor.tolist)

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_function__(
        self, func: Callable, types: object, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        self.count += func in self.METHODS
        return func(*args, **(kwargs or {}))


# Of RAdam torch counts the steps on the host: it reads them, but they are on no GPU.
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_a_training_step_reads_no_value_from_the_device(work: Work, optimizer: str) -> None:
    """An epoch of six batches takes as many values to the host as one of two."""
    losses = LossWeights(*[1.0] * len(fields(LossWeights)))
    settings = replace(
        SHORT, clip=1.0, positive_rate=None, loss=losses, optimizer=optimizer, ema=Ema(0.9)
    )
    batches, reads = [], []
    for batch in (6, 2):
        recipe = replace(TINY, phases=(replace(settings, batch=batch),))
        job = training_job(work, recipe, fold=ALL_DATA)
        training = PhaseTraining(job, build_model(recipe), 0)
        with HostReads() as operators, HostCopies() as methods:
            training.epoch(0, [])
        batches.append(len(training.batches))
        reads.append(operators.count + methods.count)
        remove(job.draft.folder)
        job.draft.lock.release()
    assert batches == [2, 6]
    assert reads[0] == reads[1] > 0
