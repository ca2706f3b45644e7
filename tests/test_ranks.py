"""Two processes on one task do what one does: on CPUs, joined as torchrun would join them."""

import dataclasses
import multiprocessing
import os
import socket
import time
from collections.abc import Callable
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
from lib.files import Journal, remove
from lib.infer import predict
from lib.layout import Work
from lib.models import build_model
from lib.recipes import Ema, Keep, LossWeights, Phase, Recipe
from lib.train import checkpoints, trainer
from lib.train.freezing import batch_norms
from lib.train.sampling import EpochBatches
from tests.tiny_runs import SIZE, TINY, hashes, inference_job, training_job

# Six images in batches of 3, so that shares of a batch are uneven; 4 at the positive rate.
PHASE = Phase(
    size=SIZE, epochs=2, batch=3, lr=0.01, optimizer="sgd", clip=1.0, accumulate=2,
    loss=LossWeights(bce=1, dice=1, image_bce=1), positive_rate=0.5, freeze="encoder",
    freeze_epochs=1,
)  # fmt: skip
THAWED = dataclasses.replace(
    PHASE, positive_rate=None, freeze="nothing", freeze_epochs=None, accumulate=1
)
AVERAGED = dataclasses.replace(THAWED, keep=Keep("swa", 2))
FOLLOWED = dataclasses.replace(THAWED, keep=Keep("last"), ema=Ema(0.9, start=1))
RECIPE = dataclasses.replace(TINY, phases=(PHASE, AVERAGED, FOLLOWED))


@pytest.fixture
def work(tiny_work: Work) -> Work:
    return tiny_work


def as_rank(rank: int, count: int, port: int, task: Callable[[], None]) -> None:
    """What torchrun and a stage do for a process."""
    torch.set_num_threads(1)
    os.environ.update(
        RANK=str(rank), WORLD_SIZE=str(count), LOCAL_RANK=str(rank),
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port),
    )  # fmt: skip
    with distributed.process_group("cpu"):
        task()


def in_processes(task: Callable[[], None], count: int = 2) -> list[int]:
    """Run a task in two processes, or more; their exit codes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    fork = multiprocessing.get_context("fork")
    processes = [
        fork.Process(target=as_rank, args=(rank, count, port, task)) for rank in range(count)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        process.kill()
    return [process.exitcode for process in processes]


def exact(recipe: Recipe) -> nn.Module:
    """A network in float64 that sees each image alone: then shares of a batch add up to it."""
    model = build_model(recipe).double()
    for part in model.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    for norm in batch_norms(model):
        norm.eval()
        norm.train = lambda mode=True, norm=norm: norm
    model._float_logits = lambda images: model.logits(model.normalise(images))
    return model


@pytest.fixture
def exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "build_model", exact)
    monkeypatch.setattr(machine, "precision", lambda device: torch.float32)


def train_together(work: Work, recipe: Recipe) -> None:
    trainer.train_fold(job_of_first(work, recipe))


def job_of_first(work: Work, recipe: Recipe) -> trainer.TrainingJob:
    return distributed.run_on_main(lambda: training_job(work, recipe))


def tables_of(folder: Path) -> pd.DataFrame:
    return pd.concat([pd.read_csv(folder / f"{name}.csv") for name in ("history", "averages")])


def assert_same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(found, expected, rtol=0, atol=1e-6)


@pytest.fixture
def alone(work: Work, exactly: None) -> pd.DataFrame:
    """What one process finds; its folder is gone."""
    job = training_job(work, RECIPE)
    trainer.train_fold(job)
    found = tables_of(job.draft.folder)
    remove(job.draft.folder)
    job.draft.lock.release()
    return found


def test_two_processes_follow_the_losses_and_figures_of_one(
    work: Work,
    alone: pd.DataFrame,
) -> None:
    """Uneven shares, accumulation, clipping, a frozen encoder, averages of both kinds."""
    assert in_processes(lambda: train_together(work, RECIPE)) == [0, 0]
    folder = work.run("tiny", 0).partial
    assert_same(tables_of(folder), alone)
    assert len((folder / "log" / "times.csv").read_text().splitlines()) == 6


@pytest.mark.parametrize("first", [1, 2])
def test_a_training_goes_on_with_another_number_of_processes(
    work: Work,
    alone: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
    first: int,
) -> None:
    """Stopped after epoch 2 of 6, with the momentum of one and for the other."""

    def stopped(*args: object) -> None:
        commit(*args)
        if len(args[2].history) == 3:
            raise KeyboardInterrupt

    commit = checkpoints.commit
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "commit", stopped)
        if first == 2:
            assert in_processes(lambda: train_together(work, RECIPE)) == [1, 1]
        else:
            job = training_job(work, RECIPE)
            with pytest.raises(KeyboardInterrupt):
                trainer.train_fold(job)
            job.draft.lock.release()
    if first == 2:
        trainer.train_fold(training_job(work, RECIPE))
    else:
        assert in_processes(lambda: train_together(work, RECIPE)) == [0, 0]
    assert_same(tables_of(work.run("tiny", 0).partial), alone)


def test_norms_that_see_their_own_share_end_with_one_set_of_statistics(work: Work) -> None:
    def task() -> None:
        job = job_of_first(work, dataclasses.replace(TINY, phases=(FOLLOWED, AVERAGED)))
        record = trainer.train_fold(job)
        everyone = distributed.all_gather([record])
        assert everyone[0] == everyone[1]
        commits = [job.draft.path(STATE).stat().st_mtime_ns]
        assert distributed.all_gather(commits)[0] == commits[0]

    assert in_processes(task) == [0, 0]


def test_two_processes_make_the_maps_of_one_and_go_on_with_what_one_left(
    work: Work,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trained = training_job(work, dataclasses.replace(TINY, phases=TINY.phases[1:]))
    trainer.train_fold(trained)
    run = trained.draft.finish()
    whole = inference_job(work, run, batch=3)
    predict.infer_fold(whole)
    records = whole.draft.journal.read()
    whole.draft.journal.path.unlink()
    expected = hashes(whole.draft.folder)
    remove(whole.draft.folder)
    whole.draft.lock.release()

    def task() -> None:
        predict.infer_fold(distributed.run_on_main(lambda: inference_job(work, run, batch=3)))

    journal = whole.draft.journal
    for already_there in ([], records[:3]):
        assert journal.read() == already_there
        assert in_processes(task) == [0, 0]
        assert sorted(r["ImageId"] for r in journal.read()) == sorted(r["ImageId"] for r in records)
        journal.path.unlink()
        assert hashes(whole.draft.folder) == expected
        for path in whole.draft.folder.glob("*/*.png"):
            if path.stem not in {record["ImageId"] for record in records[:3]}:
                path.unlink()
        Journal(journal.path).append(records[:3])


def test_what_was_dealt_out_is_gathered_in_its_order() -> None:
    def task() -> None:
        for length in range(5):
            items = [(number, np.full(number, number)) for number in range(length)]
            gathered = distributed.all_gather(distributed.shard(items))
            assert [item[0] for item in gathered] == list(range(length))

    assert in_processes(task) == [0, 0]
    assert distributed.all_gather(distributed.shard([3, 1, 2])) == [3, 1, 2]


def test_sums_and_means_are_of_all_processes_in_place() -> None:
    def task() -> None:
        own = float(distributed.rank() + 1)
        tensors = [torch.tensor(own), torch.full((2, 3), own), torch.empty(0)]
        distributed.all_reduce(tensors)
        assert [tensor.unique().tolist() for tensor in tensors] == [[3.0], [3.0], []]
        distributed.all_reduce_mean(tensors[:1])
        assert tensors[0] == 3
        tensors[0].fill_(own)
        distributed.all_reduce_mean(tensors[:1])
        assert tensors[0] == 1.5

    assert in_processes(task) == [0, 0]


def test_what_the_first_one_refuses_ends_the_others_without_a_word(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def refuse() -> None:
        raise InputError("no such thing")

    assert in_processes(lambda: distributed.run_on_main(refuse)) == [1, 2]
    assert capfd.readouterr().err.count("InputError: no such thing") == 1


def test_a_process_that_loses_another_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    def task() -> None:
        if distributed.is_main():
            os._exit(9)
        distributed.barrier()

    assert in_processes(task) == [9, 1]
    assert "InputError: process 1 lost another one" in capfd.readouterr().err


def test_the_first_one_waits_for_the_last_of_eight(tmp_path: Path) -> None:
    def task() -> None:
        if distributed.rank() == 7:
            time.sleep(0.5)
            (tmp_path / "written").touch()
        distributed.barrier()
        assert (tmp_path / "written").exists()

    assert in_processes(task, count=8) == [0] * 8


def test_one_gpu_for_all_processes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with (
        pytest.raises(InputError, match="--device cuda:0 is one GPU for all"),
        distributed.process_group("cuda:0"),
    ):
        pass


def test_only_the_first_ones_lines_are_shown(capfd: pytest.CaptureFixture[str]) -> None:
    assert in_processes(lambda: print("here", flush=True)) == [0, 0]
    assert capfd.readouterr().out == "here\n"


def test_shares_of_a_batch_are_the_batch_and_none_is_empty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    positive = np.arange(20) % 4 == 0
    batches = EpochBatches(positive, dataclasses.replace(PHASE, batch=6, positive_rate=None), (0,))
    whole = list(batches)
    monkeypatch.setattr(distributed, "world_size", lambda: 4)
    dealt, weights = [], []
    for rank in range(4):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        dealt.append(list(batches))
        weights.append(batches.shard_fractions())
    assert [sorted(sum(parts, [])) for parts in zip(*dealt, strict=True)] == list(
        map(sorted, whole)
    )
    assert np.sum(weights, 0) == pytest.approx(np.ones(len(whole)))
    monkeypatch.setattr(distributed, "world_size", lambda: 6)
    with pytest.raises(InputError, match="a batch of 5 images cannot be shared by 6 processes"):
        list(batches)
