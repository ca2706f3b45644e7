"""Differences between configs, as an error message shows them."""

import pytest

from lib.artifacts.differences import describe_differences

PHASE = {"epochs": 10, "size": 64}
OLD = {"folds": [0, 1], "members": ["a", "b"], "recipe": {"phases": [PHASE], "ema": None}}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        pytest.param({"folds": [0]}, "--folds 0 1; asked for: --folds 0", id="list-whole"),
        pytest.param({"members": ["a"]}, "--members a b; asked for: --members a", id="names"),
        pytest.param({"limit": 5}, "no --limit; asked for: --limit 5", id="new-key"),
        pytest.param({"balanced": True}, "no --balanced; asked for: --balanced", id="switch"),
        pytest.param({"folds": []}, "--folds 0 1; asked for: no --folds", id="empty-list"),
        pytest.param(
            {"recipe": {"phases": [PHASE, {"lr": 0.1}], "ema": None}},
            "no phases.1.lr; asked for: phases.1.lr 0.1",
            id="new-part",
        ),
        pytest.param(
            {"recipe": {"phases": [PHASE | {"epochs": 2}], "ema": None}},
            "phases.0.epochs 10; asked for: phases.0.epochs 2",
            id="nested-key",
        ),
        pytest.param(
            {"recipe": {"phases": [PHASE | {"lr": 0.1}], "ema": 0.9}},
            "no ema, no phases.0.lr; asked for: ema 0.9, phases.0.lr 0.1",
            id="several",
        ),
        pytest.param({"new": []}, "new absent; asked for: new []", id="absent-and-empty"),
        pytest.param({"new": None}, "new absent; asked for: new null", id="absent-and-null"),
        pytest.param(
            {"folds": ["0", 1]},
            '--folds [0, 1]; asked for: --folds ["0", 1]',
            id="other-types",
        ),
    ],
)
def test_values_are_written_as_people_write_them(change: dict, line: str) -> None:
    assert describe_differences(OLD, OLD | change) == line


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("1f", "2e", "other labels"),
        (None, "2e", "no labels; asked for: labels"),
        ("1f", None, "labels; asked for: no labels"),
    ],
)
def test_checksums_say_only_that_something_differs(
    old: str | None, new: str | None, line: str
) -> None:
    assert describe_differences({"labels_sha256": old}, {"labels_sha256": new}) == line


def test_what_another_difference_implies_is_left_out() -> None:
    computed = {"n_folds": 5, "seed": 42, "folds_sha256": None}
    given = {"n_folds": None, "seed": None, "folds_sha256": "1f"}
    assert describe_differences(computed, given) == (
        "no split file, --n-folds 5; asked for: split file, no --n-folds"
    )
    searched = {"rule": "triplet", "choose": "plateau", "params": None}
    stated = {"rule": "params", "choose": None, "params": {"top": 0.5, "fill_holes": False}}
    line = describe_differences(searched, stated)
    assert line == "--rule triplet; asked for: the rule of --params"
    params = {"params": {"top": 0.7, "fill_holes": False}}
    assert describe_differences(stated, stated | params) == "top 0.5; asked for: top 0.7"


def test_long_values_are_cut() -> None:
    line = describe_differences({"x": "short"}, {"x": "long" * 99})
    assert line
    assert len(line) < 100


def test_all_differences_are_listed() -> None:
    old, new = ({f"key{n}": value for n in range(9)} for value in (1, 2))
    line = describe_differences(old, new)
    assert line
    assert all(f"key{n} {value}" in line for n in range(9) for value in (1, 2))


def test_equal_configs_have_no_difference_whatever_their_order() -> None:
    assert describe_differences(OLD, dict(reversed(OLD.items()))) is None


def test_a_null_on_one_side_alone_is_named_only_if_nothing_else_differs() -> None:
    triplet = {"params": {"top": 0.7, "class_min": None}}
    assert describe_differences(triplet, {"params": {"top": 0.6}}) == "top 0.7; asked for: top 0.6"
    line = describe_differences({"params": {"class_min": None}}, {"params": {}})
    assert line
    assert "class_min" in line
