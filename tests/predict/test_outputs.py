"""Masks in the size of an image, their measures, overlays, and the folder of the outputs."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from lib import images
from lib.decision.rules import ThresholdRule
from lib.drawing import PREDICTED
from lib.errors import InputError
from lib.files import Journal
from lib.predict import outputs
from lib.predict.files import Decoded, ImageFile
from lib.predict.outputs import JOURNAL_FILE, Prediction, measure, to_image
from lib.predict.system import TrainedSystem


def box(shape: tuple[int, int], rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[rows, columns] = True
    return mask


@pytest.mark.parametrize("rows", [32, 64, 96, 200])
@pytest.mark.parametrize("columns", [32, 64, 160])
def test_a_mask_keeps_its_place_in_an_image_of_another_shape(rows: int, columns: int) -> None:
    mask = to_image(box((64, 64), slice(16, 32), slice(8, 40)), rows, columns)
    down, across = rows / 64, columns / 64
    expected = box(
        (rows, columns),
        slice(round(16 * down), round(32 * down)),
        slice(round(8 * across), round(40 * across)),
    )
    assert np.count_nonzero(mask != expected) <= 4  # corners are rounded


def test_a_mask_of_the_size_of_the_frame_is_kept() -> None:
    mask = np.random.default_rng(0).random((48, 48)) < 0.5
    assert np.array_equal(to_image(mask, 48, 48), mask)


def test_measures_by_hand() -> None:
    mask = box((10, 20), slice(2, 4), slice(5, 9)) | box((10, 20), slice(4, 5), slice(9, 10))
    mask |= box((10, 20), slice(7, 9), slice(15, 16))
    assert measure(mask, (0.5, 2.0)) == {
        "area_px": 11,
        "area_mm2": 11.0,  # a pixel has 0.5 mm x 2 mm
        "components": 2,  # the single pixel touches the first box at a corner
        "largest_component_px": 9,
        "top": 2, "left": 5, "bottom": 8, "right": 15,
        "centroid_row": round((4 * 2 + 4 * 3 + 4 + 7 + 8) / 11, 1),
        "centroid_column": round((2 * (5 + 6 + 7 + 8) + 9 + 15 + 15) / 11, 1),
    }  # fmt: skip
    assert measure(mask, None)["area_mm2"] == ""
    assert measure(mask, (0.1, 0.1))["area_mm2"] == 0.1


def test_an_empty_mask_has_no_place() -> None:
    measures = measure(np.zeros((4, 4), bool), (1.0, 1.0))
    assert (measures["area_px"], measures["area_mm2"], measures["components"]) == (0, 0.0, 0)
    assert measures["top"] == measures["centroid_row"] == ""


def prediction(tmp_path: Path, mask: np.ndarray, name: str = "a/b.dcm") -> Prediction:
    source = tmp_path / "source"
    source.write_bytes(b"123")
    gray = np.full((600, 1200), 100, np.uint8)
    file = ImageFile(source, name)
    return Prediction(Decoded(file, {}, gray, *mask.shape, None, "png 8-bit"), mask, 0.25)


def test_the_files_of_an_image(tmp_path: Path) -> None:
    mask = box((1200, 2400), slice(0, 600), slice(0, 1200))
    outputs.write(tmp_path, prediction(tmp_path, mask))
    assert np.array_equal(images.read_png(tmp_path / "masks/a/b.dcm.png") > 0, mask)
    overlay = cv2.imread(str(tmp_path / "overlays/a/b.dcm.png"))[..., ::-1]
    assert overlay.shape == (600, 1200, 3)
    assert (overlay[301:, :] == 100).all()
    assert np.abs(overlay[10, 10] - (0.55 * 100 + 0.45 * np.array(PREDICTED))).max() <= 0.5
    thumbnail = cv2.imread(str(tmp_path / "thumbnails/a/b.dcm.jpg"))
    assert thumbnail.shape == (160, 320, 3)


SYSTEM = TrainedSystem("one", 16, "params", ThresholdRule(), (), None, {}, {})


def test_the_folder_is_kept_for_one_system_and_one_process(tmp_path: Path) -> None:
    out = tmp_path / "out"
    message = "out is being filled by another process"
    with outputs.begin(out, SYSTEM), pytest.raises(InputError, match=message):
        outputs.begin(out, SYSTEM)
    outputs.begin(out, replace(SYSTEM, name="renamed", scores={"images": 3})).release()
    with pytest.raises(InputError, match="out has the masks of another decision"):
        outputs.begin(out, replace(SYSTEM, rule=ThresholdRule(top=0.6)))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"name": "x"}'])
def test_folders_with_other_content_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(InputError, match="give another folder"):
        outputs.begin(tmp_path, SYSTEM)
    (tmp_path / "config.json").rename(tmp_path / "notes.txt")
    with pytest.raises(InputError, match="other files"):
        outputs.begin(tmp_path, SYSTEM)


def test_the_table_has_a_row_for_each_image_in_order(tmp_path: Path) -> None:
    empty = np.zeros((4, 4), bool)
    journal = Journal(tmp_path / JOURNAL_FILE)
    records = [prediction(tmp_path, empty, name).record for name in ("b.png", "a.png")]
    journal.append(records)
    outputs.write_table(tmp_path, journal.read())
    lines = (tmp_path / "predictions.csv").read_text().splitlines()
    assert lines[0].startswith("file,p_pneumothorax,area_px,area_mm2,components,")
    assert [line.split(",")[:4] for line in lines[1:]] == [
        ["a.png", "0.25", "0", ""],
        ["b.png", "0.25", "0", ""],
    ]
    assert "modified_ns" not in lines[0]


def test_a_changed_file_is_not_current(tmp_path: Path) -> None:
    result = prediction(tmp_path, np.zeros((4, 4), bool))
    image, record = result.image.file, dict(result.record)
    assert outputs.is_current(record, image)
    assert not outputs.is_current(None, image)
    image.path.write_bytes(b"1234")
    assert not outputs.is_current(record, image)
