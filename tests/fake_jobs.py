"""Jobs of another process that take no time; apart from tests, whose imports take seconds."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from lib import artifacts
from lib.artifacts import Draft
from lib.errors import InputError
from lib.layout import Work
from tests.processes import wait_until

CPU = torch.device("cpu")


@dataclass(frozen=True)
class FakeJob:
    draft: Draft
    device: torch.device = CPU


def begin_jobs(work: Path, count: int) -> list[FakeJob]:
    drafts = [
        artifacts.begin(Work(work).run("fake", fold), {"fold": fold}) for fold in range(count)
    ]
    return [FakeJob(draft) for draft in drafts if draft]


def publish(job: FakeJob) -> None:
    """Publish a fold; fold 1 fails if there is a file that says how."""
    fold = job.draft.config["fold"]
    how = job.draft.location.root / "how"
    if fold == 1 and how.exists():
        if how.read_text() == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        job.draft.path("history.csv").touch()
        raise InputError("the loss is nan")
    job.draft.path("made.txt").write_text(f"{job.device} {torch.get_num_threads()}")
    job.draft.finish()


def publish_after_fold_2(job: FakeJob) -> None:
    """Publish a fold; fold 0 waits for fold 2."""
    if job.draft.config["fold"] == 0:
        last = Work(job.draft.location.root).run("fake", 2).folder
        wait_until(last.exists)
    publish(job)


def publish_refusal(job: FakeJob) -> None:
    """Publish a fold with the answer to a second process that wants to make it."""
    try:
        artifacts.begin(job.draft.location, job.draft.config)
    except InputError as error:
        job.draft.path("made.txt").write_text(str(error))
    job.draft.finish()


def write_pid_and_wait(job: FakeJob) -> None:
    job.draft.path("pid").write_text(str(os.getpid()))
    time.sleep(60)
