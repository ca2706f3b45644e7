"""05_submit.py as a command."""

from pathlib import Path

import pytest

from lib import artifacts
from lib.layout import Work
from tests import fakes
from tests.stages import commands
from tests.submit.builders import BOX, BOX_CODE, NAME, RULE, TEST_IDS, prepare, submit


def run(work: Work, *flags: object) -> str:
    return commands.run("05_submit.py", "--work", work.root, "--decision", NAME, *flags).stdout


@pytest.fixture
def work(tmp_path: Path) -> Work:
    work = Work(tmp_path / "work")
    prepare(work)
    return work


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """Truth of which one image is found, one missed, and one a false alarm."""
    path = tmp_path / "truth.csv"
    path.write_text(f"ImageId,EncodedPixels\nt0,{BOX_CODE}\nt1,{BOX_CODE}\nt2,-1\n")
    return path


def test_a_second_run_is_up_to_date(work: Work) -> None:
    first = run(work)
    assert "3 rows, a mask in 2 of 3 (66.7 %); out of fold in 4 of 12 (33.3 %)" in first
    assert first.splitlines()[-1].startswith("checked -> ")
    assert run(work).splitlines()[-1].startswith("up to date -> ")


def test_a_truth_is_scored_in_the_first_run_and_later(work: Work, truth: Path) -> None:
    first = run(work, "--truth", truth)
    artifact_id = artifacts.read(work.submission(NAME)).id
    run(work)
    for output in (first, run(work, "--truth", truth)):
        assert "Dice 0.3333 (95 % interval 0.0000 to 1.0000) on 3 images" in output
        assert "all-empty baseline 0.3333" in output
    assert artifacts.read(work.submission(NAME)).id == artifact_id


def test_a_truth_that_comes_later_changes_nothing(work: Work, truth: Path) -> None:
    artifact = submit(work)
    assert "Dice 0.3333" in run(work, "--truth", truth)
    assert artifacts.read(work.submission(NAME)).id == artifact.id


@pytest.mark.parametrize(
    ("rows", "fault"),
    [("x,-1\ny,-1\n", " has no test image of dataset"), ("t0,300 1\n", ", line 2, image t0: ")],
)
def test_an_unusable_truth_is_refused_before_anything_is_written(
    work: Work, truth: Path, rows: str, fault: str
) -> None:
    truth.write_text(f"ImageId,EncodedPixels\n{rows}")
    flags = ("--work", work.root, "--decision", NAME, "--truth", truth)
    line = commands.error_line("05_submit.py", *flags)
    assert line.startswith(f"error: {truth}{fault}")
    assert not (work.root / "submissions").exists()


def test_a_dataset_without_labels_is_submitted_too(tmp_path: Path) -> None:
    work = Work(tmp_path / "unlabelled")
    fakes.make_dataset(work, {}, TEST_IDS)
    fakes.make_ensemble(work, "final", {"test": dict.fromkeys(TEST_IDS, BOX)})
    fakes.make_decision(work, "final", RULE)
    assert "3 rows, a mask in 3 of 3 (100.0 %)\n" in run(work)
