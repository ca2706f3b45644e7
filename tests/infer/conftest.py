from dataclasses import replace

import pytest

from lib.artifacts import Artifact
from lib.layout import Work
from lib.train.trainer import train_fold
from tests.tiny_runs import TINY, training_job


@pytest.fixture
def work(tiny_work: Work) -> Work:
    return tiny_work


@pytest.fixture
def run(work: Work) -> Artifact:
    job = training_job(work, replace(TINY, phases=TINY.phases[1:]))
    train_fold(job)
    return job.draft.finish()
