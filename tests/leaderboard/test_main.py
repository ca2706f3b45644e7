"""The command `python -m lib.leaderboard`."""

from pathlib import Path

from lib.layout import Work
from tests import fakes
from tests.leaderboard.builders import add_run
from tests.stages.commands import run

# Exit code 1 if torch was imported.
RUN = """\
import runpy, sys
runpy.run_module("lib.leaderboard", run_name="__main__")
sys.exit("torch" in sys.modules)
"""


def test_the_tables_of_the_flag_are_printed_without_torch(work: Work, truth: Path) -> None:
    add_run(work, "demo")
    flags = ("--work", work.root, "--truth", truth, "--table", "runs", "zhang")
    output = run("-c", RUN, *flags).stdout
    assert output.startswith("Measured on 2 test images")
    titles = [line for line in output.splitlines() if line.startswith("## ")]
    assert titles == ["## runs", "## zhang"]


def test_the_table_of_decisions_needs_no_labels(tmp_path: Path) -> None:
    work = Work(tmp_path / "unlabelled")
    fakes.make_dataset(work, {})
    assert "## decisions" in run("-c", RUN, "--work", work.root, "--table", "decisions").stdout
