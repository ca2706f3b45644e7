"""Rows and numbers as Markdown, and as the columns of a CSV file."""

import math

import numpy as np
import pytest

from lib.bootstrap import interval
from lib.leaderboard import markdown
from lib.leaderboard.markdown import MeanInterval


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.1235"),
        (24_436_369, "24,436,369"),
        ("a name", "a name"),
        (None, "–"),
        (math.nan, "–"),
        (MeanInterval(0.5, 0.25, 0.75), "0.5000 (0.2500 to 0.7500)"),
        (MeanInterval(0.5, -0.25, 0.75, True), "+0.5000 (-0.2500 to +0.7500)"),
    ],
)
def test_a_cell_is_a_number_a_name_or_a_dash(value: markdown.Value, text: str) -> None:
    assert markdown.cell(value) == text


def test_a_table_has_a_line_for_its_columns_and_for_each_row() -> None:
    lines = list(markdown.table(("run", "Dice"), [("a", "0.5"), ("b", "0.6")]))
    assert lines == ["| run | Dice |", "|---|---|", "| a | 0.5 |", "| b | 0.6 |"]


def test_a_mean_has_the_interval_over_patients() -> None:
    values, patients = np.array([0.0, 1.0, 1.0, 0.5]), np.array(["a", "a", "b", "c"])
    mean, *bounds, _ = markdown.mean_and_interval(values, patients)
    assert (mean, tuple(bounds)) == (0.625, interval(values, patients))


def test_an_interval_becomes_three_columns_of_a_csv_file() -> None:
    record = {"run": "a", "Dice (95 %)": MeanInterval(0.5, 0.25, 0.75)}
    assert markdown.plain("runs", record) == {
        "table": "runs", "run": "a", "Dice": 0.5, "Dice, low": 0.25, "Dice, high": 0.75,
    }  # fmt: skip
