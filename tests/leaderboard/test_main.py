"""The command `python -m lib.leaderboard`."""

from pathlib import Path

import pandas as pd

from lib.decision.rules import ThresholdRule
from lib.layout import Work
from tests import fakes
from tests.leaderboard.builders import MAPS, RECIPE, add_run
from tests.stages.commands import error_line, run

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


def test_runs_and_decisions_go_into_a_csv(work: Work, truth: Path, tmp_path: Path) -> None:
    add_run(work, "mine", RECIPE)
    fakes.make_ensemble(
        work, "final", {"oof": MAPS, "test": {"test0": MAPS["clean"], "test1": MAPS["clean"]}}
    )
    fakes.make_decision(work, "final", ThresholdRule())
    file = tmp_path / "all.csv"
    run("-c", RUN, "--work", work.root, "--truth", truth, "--csv", file)
    mine, final = pd.read_csv(file).to_dict("records")
    assert (mine["table"], mine["run"], mine["images"]) == ("runs", "mine", 2)
    assert ",2," in file.read_text().splitlines()[1]  # not 2.0
    assert "(95 %)" not in file.read_text()
    assert mine["Dice, low"] <= mine["Dice"] <= mine["Dice, high"]
    assert 0 < mine["pixel accuracy"] <= 1
    assert {"parameters", "s an epoch", "MB to train", "ms an image", "MB to infer"} <= set(mine)
    assert (final["table"], final["decision"], final["test"]) == ("decisions", "final-params", 0.5)


def test_a_csv_in_no_folder_is_refused_before_anything_is_measured(work: Work) -> None:
    folder = work.root / "none"
    line = error_line("-c", RUN, "--work", work.root, "--csv", folder / "a.csv")
    assert f"{folder} is not a folder; " in line
