"""Fixtures of the ensemble tests."""

import shutil
from pathlib import Path

import pytest

from lib import parallel
from lib.layout import Work
from tests import fakes
from tests.ensemble.builders import TRUTH, noisy_p_positive


@pytest.fixture(autouse=True)
def _one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting worker processes takes seconds."""
    monkeypatch.setattr(parallel, "MAX_PROCESSES", 1)


@pytest.fixture(scope="session")
def _work_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = Work(tmp_path_factory.mktemp("work"))
    fakes.make_dataset(work, TRUTH)
    for fold in (0, 1):
        for seed, run in enumerate("ab"):
            fakes.make_probs(work, run, fold, TRUTH, seed=2 * seed + fold)
        for seed, run in enumerate("xy"):
            p = noisy_p_positive(10 * seed + fold, sharpness=1.5 - seed)
            fakes.make_probs(work, run, fold, TRUTH, classes=p, seed=fold)
    return work.root


@pytest.fixture
def work(tmp_path: Path, _work_template: Path) -> Work:
    """A dataset of two folds, runs a and b without image heads, and runs x and y with heads."""
    return Work(shutil.copytree(_work_template, tmp_path, dirs_exist_ok=True))
