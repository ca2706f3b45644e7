"""DICOM Segmentation objects, read back by pydicom; without highdicom, a line that names it."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.pixels import pixel_array

from lib.decision.rules import ThresholdRule
from lib.errors import InputError
from lib.predict import dicom_seg, files
from lib.predict.files import Decoded, ImageFile
from lib.predict.outputs import WRITTEN, Prediction
from lib.predict.system import TrainedSystem
from tests.raw_folders import noise, write_dicom

SYSTEM = TrainedSystem("final-x", 16, "params", ThresholdRule(), (), None, {}, {})
has_highdicom = pytest.mark.skipif(not find_spec("highdicom"), reason="highdicom is not installed")


def predict(path: Path) -> Prediction:
    """A prediction of a box that is no square, nor in the middle."""
    decoded = files.decode(ImageFile(path, "sub/x.dcm"), [])
    assert isinstance(decoded, Decoded)
    mask = np.zeros((decoded.rows, decoded.columns), bool)
    mask[3:9, 5:30] = True
    return Prediction(decoded, mask, 0.9)


@has_highdicom
def test_the_object_has_the_mask_and_belongs_to_its_image(tmp_path: Path) -> None:
    path = Path(get_testdata_file("CT_small.dcm"))
    prediction = predict(path)
    assert dicom_seg.write(tmp_path, prediction, SYSTEM) == WRITTEN
    data = pydicom.dcmread(tmp_path / "segmentations/sub/x.dcm.dcm")
    source = pydicom.dcmread(path)
    assert np.array_equal(pixel_array(data).squeeze() > 0, prediction.mask)
    assert data.SOPClassUID.name == "Segmentation Storage"
    assert data.StudyInstanceUID == source.StudyInstanceUID
    assert data.PatientID == source.PatientID
    (segment,) = data.SegmentSequence
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Pneumothorax"
    (series,) = data.ReferencedSeriesSequence
    assert series.ReferencedInstanceSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert "not a medical device" in data.SeriesDescription


@has_highdicom
def test_empty_masks_pictures_and_poor_headers_have_none(tmp_path: Path) -> None:
    path = Path(get_testdata_file("CT_small.dcm"))
    empty = predict(path)
    empty.mask[:] = False
    assert dicom_seg.write(tmp_path, empty, SYSTEM) == "empty mask"
    poor = predict(write_dicom(tmp_path / "poor.dcm", noise(1)))
    assert dicom_seg.write(tmp_path, poor, SYSTEM).startswith("not possible: ")
    assert not (tmp_path / "segmentations").exists()


@pytest.mark.skipif(bool(find_spec("highdicom")), reason="highdicom is installed")
def test_without_the_package_its_name_is_said() -> None:
    with pytest.raises(InputError, match="pip install highdicom"):
        dicom_seg.require_package()
