"""Folds side by side: the same files as one after the other, and what one failure leaves."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lib import artifacts, device, fold_processes
from lib.errors import InputError
from lib.layout import Work
from lib.train.trainer import train_and_publish
from tests.fake_jobs import begin_jobs, publish, publish_after_fold_2, publish_refusal
from tests.processes import is_alive, wait_until
from tests.tiny_runs import CPU, make_work, training_job

ROOT = Path(__file__).resolve().parents[1]


def test_two_processes_train_the_same_bytes_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", str(torch.get_num_threads()))
    works = []
    for devices in ([CPU], [CPU, CPU]):
        work = make_work(tmp_path / str(len(devices)))
        jobs = [training_job(work, fold=fold) for fold in (0, 1)]
        fold_processes.run_each(train_and_publish, jobs, devices)
        works.append(work)
    printed = capfd.readouterr().out.splitlines()
    for fold in (0, 1):
        alone, together = (artifacts.read(work.run("tiny", fold)) for work in works)
        assert alone.files == together.files
        assert alone.id == together.id
        log = works[1].root / f"logs/runs/tiny/fold{fold}.txt"
        lines = log.read_text().splitlines()
        assert len([line for line in lines if line.startswith(f"runs/tiny/fold{fold} ")]) == 5
        assert set(lines[1:]) < set(printed)


@pytest.mark.parametrize(
    ("how", "ending"), [("failed", "failed with exit code 2"), ("killed", "ended by signal 9")]
)
def test_a_failed_fold_is_named_with_its_log_and_the_others_finish(
    tmp_path: Path, how: str, ending: str
) -> None:
    (tmp_path / "how").write_text(how)
    jobs = begin_jobs(tmp_path, 3)
    with pytest.raises(InputError, match=f"runs/fake/fold1 .*{ending}") as error:
        fold_processes.run_each(publish, jobs, [CPU, CPU])
    log = tmp_path / "logs/runs/fake/fold1.txt"
    assert str(log) in str(error.value)
    header, *lines = log.read_text().splitlines()
    assert header.endswith(" on cpu")
    assert lines == ([] if how == "killed" else ["error: the loss is nan"])
    finished = [fold for fold in range(3) if Work(tmp_path).run("fake", fold).folder.exists()]
    assert finished == [0, 2]


META = torch.device("meta")  # a second device that every machine has


def made_by(work: Path, fold: int) -> tuple[str, int]:
    """Return the device that a fold was made on, and the number of threads."""
    device, threads = (Work(work).run("fake", fold).folder / "made.txt").read_text().split()
    return device, int(threads)


def test_a_fold_takes_the_first_free_device_and_its_part_of_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    # Fold 0 ends after fold 2, which can only have taken the device of fold 1.
    fold_processes.run_each(publish_after_fold_2, begin_jobs(tmp_path, 3), [CPU, META])
    made = [made_by(tmp_path, fold) for fold in range(3)]
    assert made[1] == made[2]
    assert made[0][0] != made[1][0]
    assert {threads for _, threads in made} == {max(1, len(os.sched_getaffinity(0)) // 2)}


def test_a_device_on_which_a_fold_failed_gets_no_other(tmp_path: Path) -> None:
    (tmp_path / "how").write_text("failed")
    with pytest.raises(InputError, match="fold1 failed"):
        fold_processes.run_each(publish, begin_jobs(tmp_path, 5), [CPU, META])
    assert len({made_by(tmp_path, fold) for fold in (0, 2, 3, 4)}) == 1


def test_folds_of_one_device_go_on_after_one_that_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "how").write_text("failed")
    with pytest.raises(InputError, match="runs/fake/fold1 failed: the loss is nan"):
        fold_processes.run_each(publish, begin_jobs(tmp_path, 3), [CPU])
    finished = [fold for fold in range(3) if Work(tmp_path).run("fake", fold).folder.exists()]
    assert finished == [0, 2]
    assert "runs/fake/fold1" in capsys.readouterr().err


def test_a_fold_without_a_log_fails_and_the_others_finish(tmp_path: Path) -> None:
    (tmp_path / "logs/runs/fake/fold1.txt").mkdir(parents=True)
    with pytest.raises(InputError, match="runs/fake/fold1 failed: .*fold1.txt"):
        fold_processes.run_each(publish, begin_jobs(tmp_path, 3), [CPU, CPU])
    finished = [fold for fold in range(3) if Work(tmp_path).run("fake", fold).folder.exists()]
    assert finished == [0, 2]


def test_a_fold_that_is_made_beside_others_is_refused_to_a_second_process(tmp_path: Path) -> None:
    fold_processes.run_each(publish_refusal, begin_jobs(tmp_path, 2), [CPU, CPU])
    for fold in range(2):
        made = (Work(tmp_path).run("fake", fold).folder / "made.txt").read_text()
        assert f"runs/fake/fold{fold} is being made by process {os.getpid()} " in made


def test_the_last_fold_of_several_has_its_lines_in_the_log_too(tmp_path: Path) -> None:
    (tmp_path / "how").write_text("failed")
    jobs = begin_jobs(tmp_path, 2)
    with pytest.raises(InputError):
        fold_processes.run_each(publish, jobs, [CPU, CPU])
    (tmp_path / "how").unlink()
    jobs[0].draft.lock.release()
    jobs[1].draft.lock.release()
    fold_processes.run_each(publish, begin_jobs(tmp_path, 2), [CPU, CPU])
    log = (tmp_path / "logs/runs/fake/fold1.txt").read_text()
    assert len([line for line in log.splitlines() if line.endswith(" on cpu")]) == 2


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_the_processes_end_with_their_parent(tmp_path: Path, number: signal.Signals) -> None:
    code = (
        "from tests.fake_jobs import *; from lib import cli, fold_processes\n"
        f"jobs = begin_jobs(Path({str(tmp_path)!r}), 2)\n"
        "cli.run_stage(lambda: fold_processes.run_each(write_pid_and_wait, jobs, [CPU, CPU]))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL)
    pids = [tmp_path / f"runs/fake/fold{fold}.partial/pid" for fold in range(2)]
    wait_until(lambda: all(path.exists() and path.read_text() for path in pids))
    parent.send_signal(number)
    assert parent.wait(10) == (-9 if number == signal.SIGKILL else 128 + number)
    wait_until(lambda: not any(is_alive(path.read_text()) for path in pids))


@pytest.mark.parametrize(
    ("gpus", "flag", "parallel", "folds", "devices"),
    [
        (0, "auto", None, 5, "cpu"),
        (0, "cpu", 2, 5, "cpu cpu"),
        (0, "cpu", 4, 3, "cpu cpu cpu"),
        (1, "auto", None, 5, "cuda:0"),
        (4, "auto", None, 5, "cuda:0 cuda:1 cuda:2 cuda:3"),
        (4, "cuda", None, 2, "cuda:0 cuda:1"),
        (2, "auto", 3, 5, "cuda:0 cuda:1 cuda:0"),
        (4, "cuda:2", None, 5, "cuda:2"),
    ],
)
def test_every_gpu_gets_a_fold(
    gpus: int, flag: str, parallel: int | None, folds: int, devices: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    chosen = fold_processes.choose_devices(device.select_device(flag), flag, parallel, folds)
    assert " ".join(map(str, chosen)) == devices
