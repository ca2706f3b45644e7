"""Rules as text."""

from lib.leaderboard.markdown import in_short
from lib.recipes.schema import Rule


def test_a_rule_of_thresholds_only_is_three_numbers() -> None:
    assert in_short(Rule()) == "0.498 / 0 / 0.498"
