"""Numbers in flags: what they may be, and what is said of others."""

import argparse
import runpy
import sys
from pathlib import Path

import pytest

from lib import cli

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("8", 8), ("7", 7)])
def test_whole_numbers_within_the_bounds_are_taken(text: str, number: int) -> None:
    assert cli.int_in_range(0, 8)(text) == number


@pytest.mark.parametrize("text", ["-1", "9", "1.5", "", "one", "1e3", "²", "9" * 5000])
def test_others_are_refused_with_the_bounds(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a whole number from 0 to 8$"):
        cli.int_in_range(0, 8)(text)


@pytest.mark.parametrize(
    "words",
    [
        ["02_train.py", "--recipe", "demo", "--workers", "-1"],
        ["03_infer.py", "--run", "demo", "--workers", "-1"],
        ["03_infer.py", "--run", "demo", "--workers", "0"],
        ["03_infer.py", "--run", "demo", "--batch", "-1"],
        ["03_infer.py", "--run", "demo", "--batch", "0"],
    ],
    ids=" ".join,
)
def test_a_stage_refuses_numbers_that_it_cannot_use(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(ROOT / words[0]), run_name="__main__")
    assert caught.value.code == 2
    assert f"argument {words[-2]}: {words[-1]} is not a whole" in capsys.readouterr().err
