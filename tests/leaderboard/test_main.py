"""The command `python -m lib.leaderboard`."""

import subprocess
import sys
from pathlib import Path

from lib.layout import Work
from tests import fakes
from tests.leaderboard.builders import add_run

ROOT = Path(__file__).resolve().parents[2]
# Exit code 1 if torch was imported.
RUN = """\
import runpy, sys
runpy.run_module("lib.leaderboard", run_name="__main__")
sys.exit("torch" in sys.modules)
"""


def run(*flags: object) -> str:
    command = [sys.executable, "-c", RUN, *map(str, flags)]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_the_tables_of_the_flag_are_printed_without_torch(work: Work, truth: Path) -> None:
    add_run(work, "demo")
    output = run("--work", work.root, "--truth", truth, "--table", "runs", "zhang")
    assert output.startswith("Measured on 2 test images")
    titles = [line for line in output.splitlines() if line.startswith("## ")]
    assert titles == ["## runs", "## zhang"]


def test_the_table_of_decisions_needs_no_labels(tmp_path: Path) -> None:
    work = Work(tmp_path / "unlabelled")
    fakes.make_dataset(work, {})
    assert "## decisions" in run("--work", work.root, "--table", "decisions")
