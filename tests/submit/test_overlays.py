"""Overlays: the choice of examples and their drawing."""

import pytest

from lib.submit import overlays
from lib.submit.masks import Row
from tests.submit.builders import score_of


def test_twelve_examples_are_chosen_by_rank() -> None:
    found = [(100, 100, 100 - 5 * n) for n in range(12)]  # Dice 1, .95, ... .45
    missed = [(0, 10 * n, 0) for n in range(1, 6)]
    false = [(7, 0, 0), (9, 0, 0), (8, 0, 0)]
    examples = overlays.choose_examples(score_of(*found, *missed, *false, (0, 0, 0)))
    assert [(example.kind, example.image_id) for example in examples] == [
        ("best", "i00"), ("best", "i01"),
        ("median", "i04"), ("median", "i05"), ("median", "i06"),
        ("worst", "i10"), ("worst", "i11"),
        ("missed", "i16"), ("missed", "i15"), ("missed", "i14"),
        ("false alarm", "i18"), ("false alarm", "i19"),
    ]  # fmt: skip
    assert examples[2].dice == pytest.approx(0.8)
    assert (examples[7].predicted, examples[7].true) == (0, 50)


@pytest.mark.parametrize("count", range(8))
def test_no_image_is_shown_twice_if_there_are_few(count: int) -> None:
    found = [(9, 9, n + 1) for n in range(count)]
    examples = overlays.choose_examples(score_of((0, 0, 0), *found))
    assert len({example.image_id for example in examples}) == len(examples) == min(count, 7)


def test_equal_scores_are_ranked_by_id() -> None:
    examples = overlays.choose_examples(score_of(*[(5, 5, 5)] * 9))
    assert [example.image_id for example in examples][:2] == ["i00", "i01"]


def row(name: str, area_px: int, margin: float | None) -> Row:
    return Row(name, "-1", area_px, "", margin)


def test_test_images_are_chosen_by_margin_and_area_once_each() -> None:
    masks = [
        row(f"m{n}", area, n / 10) for n, area in enumerate([9, 8, 1, 7, 2, 3, 4, 5, 30, 6], 1)
    ]
    empty = [row(f"e{n}", 0, -n / 10) for n in range(1, 6)]
    examples = overlays.choose_test_examples([*masks, *empty, row("lost", 0, None)])
    assert [(example.kind, example.image_id) for example in examples] == [
        ("most confident", "m10"), ("most confident", "m9"), ("most confident", "m8"),
        ("largest", "m1"), ("largest", "m2"), ("largest", "m4"),
        ("just a mask", "m3"), ("just a mask", "m5"), ("just a mask", "m6"),
        ("just none", "e1"), ("just none", "e2"), ("just none", "e3"),
    ]  # fmt: skip


def test_rows_are_sorted_by_their_distance_from_the_boundary_on_both_sides() -> None:
    rows = [row("a", 3, 0.2), row("b", 0, -0.1), row("c", 0, None), row("d", 5, 0.1)]
    assert [each.image_id for each in overlays.sort_by_closeness(rows)] == ["b", "d", "a"]
