"""Several epochs as one network: whose mean it is, its statistics, and the moving average."""

import dataclasses
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn

from lib import artifacts, recipes
from lib import device as machine
from lib.files import remove
from lib.layout import ALL_DATA, Fold, Work
from lib.models import build_model, weights
from lib.recipes import Ema, Keep, Phase
from lib.train import loop, phase
from lib.train.checkpoints import chosen
from lib.train.dataloaders import CachedImages, epoch_batches, loading, training_loader
from lib.train.weight_averaging import MovingAverage, fresh_statistics, mean_weights
from tests.test_train import SIZE, TINY, job_of, one_thread, work  # noqa: F401

State = dict[str, torch.Tensor]
PHASE = Phase(size=SIZE, epochs=3, batch=3, lr=1e-2, positive_rate=0.5)
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def trained(
    work: Work,  # noqa: F811
    *phases: Phase,
    select: str = "loss",
    fold: Fold = 0,
) -> tuple[loop.Record, dict[str, State], Path]:
    """The record of a run, what it kept by file name, and its folder."""
    recipe = dataclasses.replace(TINY, phases=phases, select=select)
    job = job_of(work, recipe, fold)
    record = loop.train_fold(job)
    files = sorted(job.draft.path("weights").glob("*.pt"))
    return record, {path.name: weights.load(path) for path in files}, job.draft.folder


def of(keep: Keep, **settings: object) -> Phase:
    return dataclasses.replace(PHASE, keep=keep, **settings)


@pytest.mark.parametrize(
    ("epochs", "count", "averaged"),
    [(100, 5, [99, 98, 97, 96, 95]), (70, 3, [69, 68, 67]), (4, 5, [3, 2, 1, 0])],
)
@pytest.mark.parametrize("what", ["swa", "last"])
def test_the_last_epochs_of_2st_unets_phases_are_averaged(
    what: str, epochs: int, count: int, averaged: list[int]
) -> None:
    rows = [{"phase": 0, "epoch": epoch, "score": 0.0} for epoch in range(epochs)]
    assert [row["epoch"] for row in chosen(Keep(what, count), rows)] == averaged


def test_a_mean_by_hand() -> None:
    states = [{"w": torch.tensor([value, 1.0]), "n": torch.tensor(7)} for value in (1.0, 2.0, 6.0)]
    equal = mean_weights(states)
    assert equal["w"].tolist() == [3, 1]
    assert equal["n"] == 7
    assert mean_weights(states, (0.5, 0.3, 0.2))["w"].tolist() == pytest.approx([2.3, 1])
    assert mean_weights(states, (5, 3, 2))["w"].tolist() == pytest.approx([2.3, 1])


def test_shares_are_scaled_to_the_states_that_there_are() -> None:
    states = [{"w": torch.tensor([1.0])}, {"w": torch.tensor([9.0])}]
    assert mean_weights(states, (0.5, 0.3, 0.2))["w"].item() == pytest.approx(3.2 / 0.8)


@pytest.mark.parametrize(
    ("alone", "together"),
    [
        (Keep("last", 2), Keep("swa", 2)),
        (Keep("last", 2), Keep("last", 2, "weights")),
        (Keep("best", 3), Keep("best", 3, "weights", (0.5, 0.3, 0.2))),
        (Keep("last", 3), Keep("swa", 5)),
    ],
    ids=["swa", "last", "best-with-shares", "fewer-epochs-than-asked"],
)
def test_an_average_is_the_mean_of_the_kept_epochs(
    work: Work,  # noqa: F811
    alone: Keep,
    together: Keep,
) -> None:
    record, files, folder = trained(work, of(alone))
    epochs = [row["epoch"] for row in chosen(alone, record.history)]
    states = [files[f"phase0_epoch{epoch:03}.pt"] for epoch in epochs]
    remove(folder)
    averaged, merged, folder = trained(work, of(together))
    assert averaged.history == record.history
    assert merged.keys() == {"phase0_average.pt"}
    shares = together.weights or [1 / len(states)] * len(states)
    for name, value in merged["phase0_average.pt"].items():
        if not name.endswith(STATISTICS):
            parts = (share * state[name] for share, state in zip(shares, states, strict=True))
            assert torch.allclose(value, sum(parts), atol=1e-6), name
    table = pd.read_csv(folder / "averages.csv")
    assert list(table["epochs"].astype(str)) == [" ".join(map(str, epochs))]
    assert {"phase", "epochs", "valid_loss", "valid_dice"} <= set(table.columns)
    assert table["valid_loss"][0] == pytest.approx(averaged.averages[0]["valid_loss"])


def test_statistics_of_an_average_are_those_of_the_last_epochs_images(work: Work) -> None:  # noqa: F811
    """Every norm's input, recorded in a pass of our own: the mean over batches of its moments."""
    _, files, folder = trained(work, of(Keep("swa", 2)))
    remove(folder)
    recipe = dataclasses.replace(TINY, phases=(PHASE,))
    job = job_of(work, recipe)
    model = build_model(recipe)
    model.load_state_dict(files["phase0_average.pt"])
    model.to(memory_format=torch.channels_last).train()
    norms = {name: m for name, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)}
    seen: dict[str, list[torch.Tensor]] = {name: [] for name in norms}
    for name, norm in norms.items():
        norm.register_forward_pre_hook(lambda _, inputs, name=name: seen[name].append(inputs[0]))
    source = CachedImages(job.caches[SIZE], job.dataset, "none")
    ids = job.dataset.training_ids(0)
    batches = epoch_batches(source, ids, recipe, 0)
    batches.epoch = 2
    with torch.no_grad(), machine.autocast(job.device):
        how = loading(0, job.device)
        for images, _ in training_loader(source, ids, recipe, 0, batches, how):
            model.predict(images)
    assert {len(inputs) for inputs in seen.values()} == {0, 2}  # some layers are too deep for it
    for name, inputs in seen.items():
        state = {kind: files["phase0_average.pt"][f"{name}.{kind}"] for kind in STATISTICS}
        assert state["num_batches_tracked"] == len(inputs)
        if inputs:
            means = [x.float().mean((0, 2, 3)) for x in inputs]
            variances = [x.float().transpose(0, 1).flatten(1).var(1) for x in inputs]
            assert torch.allclose(state["running_mean"], sum(means) / 2, atol=1e-5), name
            assert torch.allclose(state["running_var"], sum(variances) / 2, rtol=1e-4), name


def test_frozen_norms_keep_their_statistics_and_all_their_momentum() -> None:
    net = nn.Sequential(nn.BatchNorm2d(1), nn.BatchNorm2d(1, momentum=0.3)).train()
    net[0].eval()
    net[0].running_mean.fill_(5)
    with fresh_statistics(net):
        net(torch.full((2, 1, 2, 2), 3.0))
    assert net[0].running_mean.item() == 5
    assert net[1].running_mean.item() == pytest.approx(-2.0, rel=1e-4)
    assert [norm.momentum for norm in net] == [0.1, 0.3]


def test_the_next_phase_starts_from_the_average(work: Work) -> None:  # noqa: F811
    swa = of(Keep("swa", 2))
    _, files, folder = trained(work, swa)
    remove(folder)
    still = of(Keep("last"), epochs=1, lr=1e-30, optimizer="sgd")
    record, after, _ = trained(work, swa, still)
    assert after.keys() == {"phase1_epoch000.pt"}
    assert [row["phase"] for row in record.averages] == [0]
    for name, value in files["phase0_average.pt"].items():
        if not name.endswith(STATISTICS):
            assert torch.equal(after["phase1_epoch000.pt"][name], value)


def test_an_average_is_told_like_an_epoch(work: Work, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    recipe = dataclasses.replace(TINY, phases=(of(Keep("swa", 2)),))
    job = job_of(work, recipe)
    record = loop.train_fold(job)
    line = capsys.readouterr().out.splitlines()[-1]
    figure = record.averages[0]["valid_dice"]
    assert (
        f"phase 1/1  average of epochs 3 2  valid loss {record.averages[0]['valid_loss']:.4f}"
        in line
    )
    assert loop.summary(job, record) == f"fold 0: valid dice {figure:.4f} in average of epochs 3 2"


def test_an_average_on_all_data_has_no_figures(work: Work) -> None:  # noqa: F811
    record, files, _ = trained(work, of(Keep("swa", 2)), fold=ALL_DATA)
    assert record.averages == [{"phase": 0, "epochs": "2 1"}]
    assert files.keys() == {"phase0_average.pt"}


def test_a_moving_average_by_hand() -> None:
    """Decay .9: .9 (.9 x 0 + .1 x 1) + .1 x 2; whole numbers are copied."""
    model = nn.BatchNorm1d(1)
    with torch.no_grad():
        model.weight.fill_(0)
        average = MovingAverage(model, decay=0.9)
        for step in (1.0, 2.0):
            model.weight.fill_(step)
            model.running_mean.fill_(10 * step)
            model.num_batches_tracked.fill_(int(step))
            average.update()
    assert average.model.weight.item() == pytest.approx(0.29)
    assert average.model.running_mean.item() == pytest.approx(2.9)
    assert average.model.num_batches_tracked.item() == 2
    assert model.weight.item() == 2


def test_a_moving_average_takes_the_place_of_the_weights_from_its_start(
    work: Work,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Epoch 0 keeps the weights themselves; epoch 1 their average, step by step from there."""
    weight_after_step, step = [], phase.PhaseTraining._step

    def watched(self: phase.PhaseTraining, rate: float) -> None:
        step(self, rate)
        weight_after_step.append(next(self.model.parameters()).detach().clone())

    monkeypatch.setattr(phase.PhaseTraining, "_step", watched)
    _, files, folder = trained(work, of(Keep("last", 2), epochs=2, ema=Ema(0.9, start=1)))
    name = next(key for key in files["phase0_epoch000.pt"] if key.endswith("weight"))
    half = len(weight_after_step) // 2
    expected = weight_after_step[half - 1]
    assert torch.equal(files["phase0_epoch000.pt"][name], expected)
    for following in weight_after_step[half:]:
        expected = 0.9 * expected + 0.1 * following
    assert torch.allclose(files["phase0_epoch001.pt"][name], expected, atol=1e-7)
    state = weights.load(folder / artifacts.STATE)
    assert torch.equal(state["model"][name], weight_after_step[-1])
    assert torch.equal(state["ema"][name], files["phase0_epoch001.pt"][name])


@pytest.mark.parametrize(
    ("settings", "ranked"),
    [
        ({"keep": Keep("swa", 2)}, False),
        ({"keep": Keep("last")}, False),
        ({"keep": Keep("best", 3)}, False),
        ({"keep": Keep("best", 2)}, True),
        ({"keep": Keep("last"), "early_stop": 2}, True),
        ({"keep": Keep("last"), "schedule": "plateau"}, True),
    ],
)
def test_checkpoints_are_ranked_where_validation_chose_anything(
    settings: dict, ranked: bool
) -> None:
    chosen_by = dataclasses.replace(PHASE, **settings)
    recipe = dataclasses.replace(recipes.get("demo"), phases=(chosen_by,))
    assert recipe.ranks_checkpoints == ranked
