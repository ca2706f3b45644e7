"""05_submit.py as a command."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from lib import artifacts, csv_files
from lib.layout import Work
from tests import fakes
from tests.submit.builders import BOX, BOX_CODE, NAME, RULE, TEST_IDS, prepare, submit

ROOT = Path(__file__).resolve().parents[2]


def run(work: Work, *flags: str | Path, decision: str = NAME) -> subprocess.CompletedProcess:
    command = [sys.executable, "05_submit.py", "--work", work.root, "--decision", decision, *flags]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path / "work")


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    path = tmp_path / "truth.csv"
    rows = [("t0", BOX_CODE), ("t1", BOX_CODE), ("t2", "-1")]  # found, missed, false alarm
    csv_files.write(path, pd.DataFrame(rows, columns=list(csv_files.RLE_COLUMNS)))
    return path


def test_a_second_run_is_up_to_date(work: Work) -> None:
    prepare(work)
    first, second = run(work), run(work)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    assert "3 rows, a mask in 2 of 3 (66.7 %); out of fold in 4 of 12 (33.3 %)" in first.stdout
    assert first.stdout.splitlines()[-1].startswith("checked -> ")
    assert second.stdout.splitlines()[-1].startswith("up to date -> ")


def test_a_truth_is_scored_in_the_first_run_or_later(work: Work, truth: Path) -> None:
    prepare(work)
    first = run(work, "--truth", truth)
    artifact_id = artifacts.read(work.submission(NAME)).id
    without = run(work)
    later = run(work, "--truth", truth)
    assert [process.returncode for process in (first, without, later)] == [0, 0, 0], later.stderr
    for process in (first, later):
        assert "Dice 0.3333 (95 % interval 0.0000 to 1.0000) on 3 images" in process.stdout
        assert "all-empty baseline 0.3333" in process.stdout
    assert artifacts.read(work.submission(NAME)).id == artifact_id


def test_a_truth_that_comes_later_changes_nothing(work: Work, truth: Path) -> None:
    prepare(work)
    artifact = submit(work)
    later = run(work, "--truth", truth)
    assert later.returncode == 0, later.stderr
    assert "Dice 0.3333" in later.stdout
    assert artifacts.read(work.submission(NAME)).id == artifact.id


def test_a_truth_of_other_images_is_refused(work: Work, truth: Path) -> None:
    prepare(work)
    truth.write_text("ImageId,EncodedPixels\nx,-1\ny,-1\n")
    process = run(work, "--truth", truth)
    assert process.returncode == 2
    assert process.stderr.startswith(f"error: {truth} has no test image of dataset")
    assert process.stderr.count("\n") == 1
    assert not work.submission(NAME).folder.exists()


def test_a_bad_truth_is_refused_before_anything_is_written(work: Work, truth: Path) -> None:
    prepare(work)
    truth.write_text("ImageId,EncodedPixels\nt0,300 1\n")
    process = run(work, "--truth", truth)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.startswith(f"error: {truth}, line 2: ")
    assert not (work.root / "submissions").exists()


def test_a_dataset_without_labels_is_submitted_too(work: Work) -> None:
    fakes.make_dataset(work, {}, TEST_IDS)
    fakes.make_ensemble(work, "final", {"test": dict.fromkeys(TEST_IDS, BOX)})
    fakes.make_decision(work, "final", RULE)
    process = run(work)
    assert process.returncode == 0, process.stderr
    assert "3 rows, a mask in 3 of 3 (100.0 %); the competition's prior is" in process.stdout


def test_a_name_that_leaves_the_folder_is_refused(work: Work) -> None:
    process = run(work, decision="../x")
    assert process.returncode == 2
    assert process.stderr.startswith("error: '../x' cannot be a name")
