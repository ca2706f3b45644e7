"""The radiographs: masks of the planned areas, in plausible places, independent of each other."""

import numpy as np
import pytest

from lib.prepare.phantom.anatomy import draw_build
from lib.prepare.phantom.cases import Case, plan_cases
from lib.prepare.phantom.pneumothorax import Lesion
from lib.prepare.phantom.radiograph import take_radiograph


def draw(case: Case, lesion: Lesion | None, size: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Return the image of a case with another lesion, and its mask."""
    build = draw_build(case.sex, case.age, case.patient_rng())
    image, annotations = take_radiograph(build, case.ap, lesion, size, case.rng())
    return image.astype(float), np.any([np.zeros((size, size), bool), *annotations], axis=0)


def test_an_image_does_not_depend_on_the_others() -> None:
    case = plan_cases("train", 30, seed=0)[7]
    image, _ = draw(case, None, size=64)
    draw(plan_cases("train", 30, seed=0)[3], None, size=64)
    assert np.array_equal(image, draw(case, None, size=64)[0])


@pytest.mark.parametrize("area", [1 / 256**2, 0.001, 0.02, 0.05])
def test_a_mask_has_the_area_of_its_lesion(area: float) -> None:
    case = plan_cases("train", 10, seed=2)[0]
    _, mask = draw(case, Lesion(area))
    assert mask.sum() == pytest.approx(area * mask.size, abs=1)


def test_a_mask_takes_most_of_a_lung_at_most() -> None:
    _, mask = draw(plan_cases("train", 10, seed=2)[0], Lesion(0.9))
    assert 0.02 < mask.mean() < 0.2


@pytest.mark.parametrize("overlapping", [False, True])
def test_annotations_together_are_the_region(overlapping: bool) -> None:
    case = plan_cases("train", 10, seed=2)[0]
    build = draw_build(case.sex, case.age, case.patient_rng())
    lesion = Lesion(0.03, annotations=3, overlapping=overlapping)
    _, annotations = take_radiograph(build, case.ap, lesion, 256, case.rng())
    depth = np.sum(annotations, axis=0)
    assert len(annotations) == 3
    assert (depth > 0).sum() == pytest.approx(0.03 * 256**2, abs=1)
    assert (depth.max() > 1) == overlapping


def test_a_pneumothorax_is_darker_than_the_other_lung_and_inside_the_body() -> None:
    darker = []
    for case in plan_cases("test", 12, seed=4):
        image, mask = draw(case, Lesion(0.03))
        mirrored = np.fliplr(mask)
        darker.append(image[mirrored].mean() - image[mask].mean())
        rows, columns = np.nonzero(mask)
        assert 0.02 * 256 < columns.min() < columns.max() < 0.98 * 256
        assert rows.max() < 0.95 * 256
    assert np.mean(darker) > 8


def test_a_negative_has_no_mask() -> None:
    assert not draw(plan_cases("train", 10, seed=2)[0], None)[1].any()
