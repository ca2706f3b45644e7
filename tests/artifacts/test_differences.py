"""Differences between configs, as an error message shows them."""

import pytest

from lib.artifacts.differences import describe_differences

PHASE = {"epochs": 10, "size": 64}
OLD = {"folds": [0, 1], "members": ["a", "b"], "recipe": {"phases": [PHASE], "ema": None}}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        pytest.param({"folds": [0]}, "folds 0 1; asked for: 0", id="list-whole"),
        pytest.param({"members": ["a"]}, "members a b; asked for: a", id="list-of-names"),
        pytest.param({"rle_size": 512}, "rle_size none; asked for: 512", id="new-key"),
        pytest.param({"folds": []}, "folds 0 1; asked for: none", id="empty-list"),
        pytest.param(
            {"recipe": {"phases": [PHASE, {"lr": 0.1}], "ema": None}},
            "recipe.phases.1.lr none; asked for: 0.1",
            id="new-part",
        ),
        pytest.param(
            {"recipe": {"phases": [PHASE | {"epochs": 2}], "ema": None}},
            "recipe.phases.0.epochs 10; asked for: 2",
            id="nested-key",
        ),
        pytest.param(
            {"recipe": {"phases": [PHASE | {"lr": 0.1}], "ema": 0.9}},
            "recipe.ema none, recipe.phases.0.lr none; "
            "asked for: recipe.ema 0.9, recipe.phases.0.lr 0.1",
            id="several",
        ),
        pytest.param({"new": []}, "new absent; asked for: []", id="absent-and-empty"),
        pytest.param({"new": None}, "new absent; asked for: null", id="absent-and-null"),
        pytest.param({"folds": ["0", 1]}, 'folds [0, 1]; asked for: ["0", 1]', id="other-types"),
    ],
)
def test_values_are_written_as_people_write_them(change: dict, line: str) -> None:
    assert describe_differences(OLD, OLD | change) == line


def test_all_differences_are_listed() -> None:
    old, new = ({f"key{n}": value for n in range(9)} for value in (1, 2))
    line = describe_differences(old, new)
    assert line
    assert all(f"key{n} {value}" in line for n in range(9) for value in (1, 2))


def test_equal_configs_have_no_difference_whatever_their_order() -> None:
    assert describe_differences(OLD, dict(reversed(OLD.items()))) is None
