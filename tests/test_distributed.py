"""Collectives over several processes, on CPUs, and alone."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from lib import distributed
from lib.errors import InputError
from tests.processes import run_in_processes


def test_items_of_all_shards_are_gathered_in_their_order() -> None:
    def task() -> None:
        for length in range(5):
            items = [(number, np.full(number, number)) for number in range(length)]
            gathered = distributed.all_gather(distributed.shard(items))
            assert [item[0] for item in gathered] == list(range(length))

    assert run_in_processes(task) == [0, 0]


def test_without_torchrun_nothing_is_exchanged() -> None:
    assert (distributed.world_size(), distributed.rank(), distributed.is_main()) == (1, 0, True)
    assert distributed.all_gather(distributed.shard([3, 1, 2])) == [3, 1, 2]
    assert distributed.run_on_main(lambda: 5) == 5
    tensor = torch.ones(2)
    distributed.all_reduce_mean([tensor])
    assert tensor.tolist() == [1, 1]


def test_sums_and_means_are_over_all_processes_and_in_place() -> None:
    def task() -> None:
        value = float(distributed.rank() + 1)
        tensors = [torch.tensor(value), torch.full((2, 3), value), torch.empty(0)]
        distributed.all_reduce(tensors)
        assert [tensor.unique().tolist() for tensor in tensors] == [[3.0], [3.0], []]
        tensors[0].fill_(value)
        distributed.all_reduce_mean(tensors[:1])
        assert tensors[0] == 1.5

    assert run_in_processes(task) == [0, 0]


def test_the_result_of_the_main_process_is_known_to_all() -> None:
    def task() -> None:
        assert distributed.run_on_main(distributed.rank) == 0

    assert run_in_processes(task) == [0, 0]


def test_an_error_of_the_main_process_ends_the_others_without_a_message(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def refuse() -> None:
        raise InputError("no such thing")

    assert run_in_processes(lambda: distributed.run_on_main(refuse)) == [1, 2]
    assert capfd.readouterr().err.count("InputError: no such thing") == 1


def test_a_lost_process_is_an_error_in_the_others(capfd: pytest.CaptureFixture[str]) -> None:
    def task() -> None:
        if distributed.is_main():
            os._exit(9)
        distributed.barrier()

    assert run_in_processes(task) == [9, 1]
    assert "InputError: process 1 lost another one" in capfd.readouterr().err


def test_a_barrier_waits_for_the_last_of_eight(tmp_path: Path) -> None:
    def task() -> None:
        if distributed.rank() == 7:
            time.sleep(0.5)
            (tmp_path / "written").touch()
        distributed.barrier()
        assert (tmp_path / "written").exists()

    assert run_in_processes(task, count=8) == [0] * 8


def test_one_gpu_for_all_processes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with (
        pytest.raises(InputError, match="--device cuda:0 is one GPU for all"),
        distributed.process_group("cuda:0"),
    ):
        pass


def test_only_the_main_process_prints(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_in_processes(lambda: print("here", flush=True)) == [0, 0]
    assert capfd.readouterr().out == "here\n"


@pytest.mark.parametrize(
    ("settings", "parallel", "cure"),
    [
        ({"WORLD_SIZE": "2"}, None, "RANK is not: start the stage with torchrun"),
        ({"WORLD_SIZE": "two"}, None, "WORLD_SIZE is two: .* torchrun"),
        ({"WORLD_SIZE": "2", "RANK": "0"}, 2, "--parallel 2 .* torchrun .*: leave one of them out"),
    ],
)
def test_processes_that_torchrun_did_not_start_are_refused(
    settings: dict[str, str], parallel: int | None, cure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=cure), distributed.process_group("cpu", parallel):
        pass
