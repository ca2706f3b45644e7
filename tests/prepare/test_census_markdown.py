"""census.md: counts and percentages in tables, with and without labels."""

from typing import Any

import pandas as pd

from lib.prepare import census
from lib.prepare.census_markdown import census_markdown


def test_counts_and_percentages_are_in_tables(summary: dict[str, Any]) -> None:
    page = census_markdown(summary)
    assert "**4 for training**, 2 (50.0 %) of them with a pneumothorax; **1 for test**" in page
    assert "2 left out by --limit" in page
    assert "| F | AP | 1 (100.0 %) | 0 (0.0 %) | 1 | 0 |" in page
    assert "| age | `413` | missing | 2 |" in page


def test_a_dataset_without_labels_has_a_census_too(images: pd.DataFrame) -> None:
    test = images[images["split"] == "test"]
    page = census_markdown(census.summarize(test, pd.Series(dtype=int), n_files=1))
    assert "No labels, no folds." in page
    assert "nan" not in page.lower()
