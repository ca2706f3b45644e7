"""Masks of stage 05: rows of the test images, and the score on out-of-fold images."""

import numpy as np
import pytest

from lib.decision.rules import ThresholdRule
from lib.errors import InputError
from lib.layout import Work
from lib.submit import inputs, masks
from lib.submit.inputs import SubmissionInputs
from tests import fakes
from tests.submit.builders import (
    BOX,
    BOX_CODE,
    NAME,
    NOTHING,
    RULE,
    TEST_IDS,
    prepare,
    replace_decision,
)


def predicted_codes(source: SubmissionInputs) -> dict[str, str]:
    return {row.image_id: row.code for row in masks.predict(source)}


def test_the_rule_is_that_of_the_decision(work: Work) -> None:
    faint = np.where(BOX, 100, 0).astype(np.uint8)  # .39: above the bottom, below the top
    few = faint.copy()
    few[2:4, 3] = 255  # 2 px above the top; the rule needs 3
    enough = few.copy()
    enough[4, 3] = 255
    source = prepare(work, {"t0": faint, "t1": few, "t2": enough})
    assert predicted_codes(source) == {"t0": "-1", "t1": "-1", "t2": BOX_CODE}


def test_a_class_gate_uses_image_probabilities_of_the_decision_or_else_the_ensemble(
    work: Work,
) -> None:
    rule, classes = ThresholdRule(class_min=0.5), dict.fromkeys([*fakes.masks(12), *TEST_IDS], 0.9)
    source = prepare(work, rule=rule, classes=classes | {"t2": 0.2})
    assert predicted_codes(source) == {"t0": BOX_CODE, "t1": "-1", "t2": "-1"}
    replace_decision(work, rule, classes | {"t0": 0.2})
    codes = predicted_codes(inputs.read(work, NAME))
    assert codes == {"t0": "-1", "t1": "-1", "t2": BOX_CODE}


def test_a_map_of_another_size_is_refused(work: Work) -> None:
    source = prepare(work, dict.fromkeys(TEST_IDS, BOX[:8, :8]))
    with pytest.raises(InputError, match="t2.png is not 16x16.* 04_ensemble.py"):
        list(masks.predict(source))


def test_several_processes_keep_the_order_of_the_sample(work: Work) -> None:
    names = [f"t{number:02}" for number in range(40)]
    fakes.make_dataset(work, {}, names)
    maps = {name: BOX if number % 3 else NOTHING for number, name in enumerate(names)}
    fakes.make_ensemble(work, "final", {"test": maps})
    fakes.make_decision(work, "final", RULE)
    rows = list(masks.predict(inputs.read(work, NAME)))
    assert [row.image_id for row in rows] == names[::-1]
    assert {row.image_id for row in rows if row.area} == {n for n in names if maps[n] is BOX}


def test_a_missing_map_of_a_test_image_is_refused(work: Work) -> None:
    source = prepare(work, {"t0": BOX, "t2": BOX})
    with pytest.raises(InputError, match="ensembles/final .* t1; .*04_ensemble.py .*--replace"):
        masks.images_without_map(source)


def test_a_decision_with_another_score_than_its_maps_give_is_refused(work: Work) -> None:
    prepare(work)
    replace_decision(work, oof_dice=0.5)
    with pytest.raises(InputError, match="0.500000.* 1.000000; .*04_ensemble.py .*--replace"):
        masks.score_out_of_fold(inputs.read(work, NAME))


def test_gates_components_and_holes_count_in_the_score_and_in_the_rows(work: Work) -> None:
    # Truth 8 px; found with a hole of 1 and a part of 2: 14 + 2 px. Negatives get the parts.
    ring = BOX.copy()
    ring[2:7, 3:6] = 255
    ring[4, 4] = 0
    parts = NOTHING.copy()
    parts[12, 3:5] = 255
    truth = {name: BOX > 0 if name < "b" else BOX > 255 for name in ("a1", "a2", "b1", "b2")}
    fakes.make_dataset(work, truth, TEST_IDS)
    maps = {name: ring | parts if mask.any() else parts for name, mask in truth.items()}
    maps["b2"] = BOX
    test = dict.fromkeys(TEST_IDS, ring | parts)
    fakes.make_ensemble(work, "final", {"oof": maps, "test": test})
    fakes.make_decision(work, "final", RULE)
    classes = dict.fromkeys([*truth, *TEST_IDS], 0.9) | {"a2": 0.1, "b2": 0.1}
    rule = ThresholdRule(component_min_area=3, fill_holes=True, class_min=0.5)
    replace_decision(work, rule, classes)
    source = inputs.read(work, NAME)
    score = masks.score_out_of_fold(source)
    assert score is not None
    # a1: 15 px; a2 and b2 are removed by the gate; b1 has small parts only.
    assert score.dice == pytest.approx((16 / 23 + 0 + 1 + 1) / 4)
    assert score.has_mask.sum() == 1
    # rows 2 to 6 of columns 3 to 5
    assert predicted_codes(source) == dict.fromkeys(TEST_IDS, "50 5 11 5 11 5")
