"""Costs of a run: parameters, time and memory, from manifests and logs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lib.layout import Work
from lib.leaderboard import summary_tables
from lib.leaderboard.costs import COSTS
from lib.leaderboard.leaderboard import Leaderboard
from lib.leaderboard.runs import index_runs
from tests import fakes
from tests.leaderboard.builders import RECIPE, cells

GPU = {"device": "H100", "distributed": 1}


@pytest.fixture
def work(tmp_path: Path) -> Work:
    work = Work(tmp_path)
    fakes.make_dataset(work)
    return work


def add_folds(
    work: Work, trainings: Sequence[dict[str, Any]], inferences: Sequence[dict[str, Any]]
) -> None:
    for fold, (training, inference) in enumerate(zip(trainings, inferences, strict=True)):
        fakes.make_run(work, "mine", fold, RECIPE, made=training)
        fakes.make_probs(work, "mine", fold, made=inference)


def write_times(work: Work, fold: int, text: str) -> None:
    path = work.run("mine", fold).folder / "log/times.csv"
    path.parent.mkdir()
    path.write_text(text)


def costs(work: Work) -> dict[str, Any]:
    (run,) = index_runs(work).runs.values()
    return {name: cost(run) for name, cost in COSTS.items()}


def test_costs_of_two_folds_are_their_mean_times_and_their_maximum_memory(work: Work) -> None:
    training = GPU | {"parameters": 24436369}
    inferences = [
        {"device": "cpu", "distributed": 1, "seconds": seconds, "images": images} | memory
        for seconds, images, memory in (
            (2.0, 100, {"peak_memory_mb": 700}), (1.0, 20, {"peak_memory_mb": 800}),
        )
    ]  # fmt: skip
    add_folds(work, [training | {"peak_memory_mb": mb} for mb in (1500, 1400)], inferences)
    write_times(work, 0, "0,0,5.0,1.0\n0,1,6.0,1.0\n1,0,10.0,1.0\n")
    write_times(work, 1, "0,0,3.0,1.0\n")
    assert costs(work) == {
        "parameters": 24436369, "trained on": "H100", "s an epoch": 6.0, "MB to train": 1500,
        "inferred on": "cpu", "ms an image": 25.0, "MB to infer": 800,
    }  # fmt: skip


def test_processes_that_share_a_fold_are_counted_beside_the_device(work: Work) -> None:
    add_folds(work, [GPU, GPU | {"distributed": 4}], [{}, {}])
    assert costs(work)["trained on"] == "H100, 4 x H100"


def test_what_a_fold_lacks_is_unknown(work: Work) -> None:
    """The second fold was made by an older version, or its inference had been finished before."""
    add_folds(work, [GPU | {"parameters": 7}, GPU], [{"images": 10}, {}])
    unknown = costs(work)
    assert unknown.pop("trained on") == "H100"
    assert set(unknown.values()) == {None}


def test_an_inference_that_had_nothing_left_to_do_has_no_time(work: Work) -> None:
    add_folds(work, [{}], [{"images": 0}])
    assert costs(work)["ms an image"] is None


def test_a_damaged_log_counts_up_to_the_damage(work: Work) -> None:
    add_folds(work, [{}], [{}])
    write_times(work, 0, "0,0,5.0,1.0\n0,1,7.0,1.0\n0,2\n")
    assert costs(work)["s an epoch"] == 6.0


def test_costs_stand_in_a_table_of_their_own(work: Work) -> None:
    add_folds(work, [GPU | {"parameters": 24436369}], [{"seconds": 1.0, "images": 30}])
    board = Leaderboard(work)
    rows = cells(summary_tables.runs(board, summary_tables.run_records(board)))
    assert rows[-2:] == [
        ["run", *COSTS], ["mine", "24,436,369", "H100", "–", "–", "–", "33.3", "–"]
    ]  # fmt: skip
