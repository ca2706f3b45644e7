"""Plan of the phantoms: areas, patients and views as in the competition's data."""

from collections import Counter

import numpy as np
import pandas as pd

from lib.prepare.phantom.cases import plan_cases


def test_areas_spread_like_the_real_ones() -> None:
    lesions = [case.lesion for case in plan_cases("train", 800, seed=3) if case.lesion]
    quantiles = np.quantile(
        [1024**2 * lesion.area for lesion in lesions], [0.1, 0.25, 0.5, 0.75, 0.9]
    )
    np.testing.assert_allclose(quantiles, [2005, 4059, 8630, 18388, 33432], rtol=0.05)


def test_no_patient_is_in_both_splits_and_several_have_siblings() -> None:
    train, test = plan_cases("train", 120, 0), plan_cases("test", 80, 0)
    counts = Counter(case.patient for case in train)
    assert not set(counts) & {case.patient for case in test}
    assert 0.4 < sum(count for count in counts.values() if count > 1) / 120 < 0.85
    for case in train:
        assert {(c.sex, c.age) for c in train if c.patient == case.patient} == {
            (case.sex, case.age)
        }


def test_a_sibling_of_a_positive_image_is_often_positive() -> None:
    cases = [case for case in plan_cases("train", 2000, seed=0) if case.labelled]
    numbers = pd.DataFrame(
        {"patient": [c.patient for c in cases], "sick": [bool(c.lesion) for c in cases]}
    )
    sick = numbers.groupby("patient").sick.agg(["sum", "size"])
    pairs = (sick["sum"] * (sick["size"] - 1)).sum()
    both = (sick["sum"] * (sick["sum"] - 1)).sum()
    assert both / pairs > 0.4  # 0.24 if siblings were strangers


def test_views_and_sexes_are_mixed() -> None:
    cases = plan_cases("train", 200, seed=0)
    assert 0.3 < np.mean([case.ap for case in cases]) < 0.5
    assert {case.sex for case in cases} == {"F", "M"}
