"""Training in several processes gives the losses and scores of one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from lib import device as machine
from lib import distributed
from lib.artifacts import STATE
from lib.errors import InputError
from lib.files import remove
from lib.layout import Work
from lib.models import build_model
from lib.recipes import Ema, Keep, LossWeights, Phase, Recipe
from lib.train import checkpoints, trainer
from lib.train.freezing import batch_norms
from lib.train.sampling import EpochBatches
from lib.train.trainer import TrainingJob
from tests.processes import run_in_processes
from tests.tiny_runs import SIZE, TINY, training_job

# Six images in batches of 3, so that shards of a batch are uneven; 4 at the positive rate.
PHASE = Phase(
    size=SIZE, epochs=2, batch=3, lr=0.01, optimizer="sgd", clip=1.0, accumulate=2,
    loss=LossWeights(bce=1, dice=1, image_bce=1), positive_rate=0.5, freeze="encoder",
    freeze_epochs=1,
)  # fmt: skip
THAWED = replace(PHASE, positive_rate=None, freeze="nothing", freeze_epochs=None, accumulate=1)
AVERAGED = replace(THAWED, keep=Keep("swa", 2))
FOLLOWED = replace(THAWED, keep=Keep("last"), ema=Ema(0.9, start=1))
RECIPE = replace(TINY, phases=(PHASE, AVERAGED, FOLLOWED), select="tuned_dice")


def build_exact(recipe: Recipe) -> nn.Module:
    """A network in float64 that sees each image alone: shards of a batch then add up to it."""
    model = build_model(recipe).double()
    for part in model.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    for norm in batch_norms(model):
        norm.eval()
        norm.train = lambda mode=True, norm=norm: norm
    return model


@pytest.fixture
def exact_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "build_model", build_exact)
    monkeypatch.setattr(machine, "precision", lambda device: torch.float32)


def shared_job(work: Work, recipe: Recipe) -> TrainingJob:
    return distributed.run_on_main(lambda: training_job(work, recipe))


def read_tables(folder: Path) -> pd.DataFrame:
    return pd.concat([pd.read_csv(folder / f"{name}.csv") for name in ("history", "averages")])


def assert_equal(tables: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(tables, expected, rtol=0, atol=1e-6)


@pytest.fixture
def expected(work: Work, exact_network: None) -> pd.DataFrame:
    """Tables of one process; its folder is removed."""
    job = training_job(work, RECIPE)
    trainer.train_fold(job)
    tables = read_tables(job.draft.folder)
    remove(job.draft.folder)
    job.draft.lock.release()
    return tables


def test_two_processes_have_the_losses_and_scores_of_one(
    work: Work, expected: pd.DataFrame
) -> None:
    """Uneven shards, accumulation, clipping, a frozen encoder, averages of both kinds."""
    assert run_in_processes(lambda: trainer.train_fold(shared_job(work, RECIPE))) == [0, 0]
    folder = work.run("tiny", 0).partial
    assert_equal(read_tables(folder), expected)
    assert len((folder / "log" / "times.csv").read_text().splitlines()) == 6


@pytest.mark.parametrize("first_count", [1, 2])
def test_training_continues_with_another_number_of_processes(
    work: Work, expected: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, first_count: int
) -> None:
    """Stopped after epoch 2 of 6, so that the momentum is handed over too."""
    commit = checkpoints.commit

    def commit_and_stop(*args: object) -> None:
        commit(*args)
        if len(args[2].history) == 3:
            raise KeyboardInterrupt

    def train() -> None:
        trainer.train_fold(shared_job(work, RECIPE))

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "commit", commit_and_stop)
        assert run_in_processes(train, first_count) == [1] * first_count
    second_count = 3 - first_count
    assert run_in_processes(train, second_count) == [0] * second_count
    assert_equal(read_tables(work.run("tiny", 0).partial), expected)


def test_norms_of_different_shards_end_with_the_same_statistics(work: Work) -> None:
    def task() -> None:
        job = shared_job(work, replace(TINY, phases=(FOLLOWED, AVERAGED)))
        record = trainer.train_fold(job)
        records = distributed.all_gather([record])
        assert records[0] == records[1]
        commits = [job.draft.path(STATE).stat().st_mtime_ns]
        assert distributed.all_gather(commits)[0] == commits[0]

    assert run_in_processes(task) == [0, 0]


def test_shards_of_a_batch_are_the_batch_and_none_is_empty() -> None:
    positive = np.arange(20) % 4 == 0
    batches = EpochBatches(positive, replace(PHASE, batch=6, positive_rate=None), (0,))
    whole = list(batches)

    def task() -> None:
        shards = distributed.all_gather([list(batches)])
        assert [sorted(sum(parts, [])) for parts in zip(*shards, strict=True)] == list(
            map(sorted, whole)
        )
        fractions = distributed.all_gather([batches.shard_fractions()])
        assert np.sum(fractions, 0) == pytest.approx(np.ones(len(whole)))

    assert run_in_processes(task, count=4) == [0] * 4


def test_a_batch_of_fewer_images_than_processes_is_refused() -> None:
    batches = EpochBatches(np.ones(20), replace(PHASE, batch=5, positive_rate=None), (0,))

    def task() -> None:
        with pytest.raises(InputError, match="a batch of 5 images cannot be shared by 6 proc"):
            list(batches)

    assert run_in_processes(task, count=6) == [0] * 6
