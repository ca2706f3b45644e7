"""DICOM Segmentation objects of masks, by the optional package highdicom."""

import warnings
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.config import disable_value_validation
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from lib.errors import InputError
from lib.files import write_aside
from lib.predict.outputs import SEGMENTATIONS, WRITTEN, Prediction, output_file
from lib.predict.system import DISCLAIMER, TrainedSystem
from lib.prepare.header import one_line

SERIES_NUMBER = 7000  # far from those of a study
STRING_LENGTH = 64  # characters of a DICOM long string


def require_package() -> None:
    """Refuse --dicom-seg without highdicom.

    Raises:
        InputError: naming the command that installs it.
    """
    if find_spec("highdicom") is None:
        raise InputError(
            "--dicom-seg needs the package highdicom: pip install highdicom, or leave it out"
        )


def write(out: Path, prediction: Prediction, system: TrainedSystem) -> str:
    """Write the Segmentation object of a DICOM image with a mask.

    It has no segment without pixels, so an empty mask has no object.

    Args:
        out: folder of the outputs.
        prediction: the image and its mask.
        system: named as the algorithm.

    Returns:
        WRITTEN, or the reason why there is none.
    """
    image = prediction.image
    if not image.source.startswith("dicom"):
        return "not of a DICOM file"
    if not prediction.mask.any():
        return "empty mask"
    try:
        with disable_value_validation(), warnings.catch_warnings(action="ignore"):
            source = pydicom.dcmread(image.file.path, stop_before_pixels=True)
            segmentation = _segmentation(source, prediction.mask, system)
            path = out / output_file(SEGMENTATIONS, image.file.name)
            with write_aside(path) as aside:
                segmentation.save_as(aside)
    except (AttributeError, ValueError, TypeError, KeyError) as error:  # of an incomplete header
        return f"not possible: {one_line(str(error))[:150]}"
    return WRITTEN


def _segmentation(source: pydicom.Dataset, mask: np.ndarray, system: TrainedSystem) -> Any:
    """Return the object of a (rows, columns) bool mask: one binary segment."""
    import highdicom as hd  # optional

    algorithm = hd.AlgorithmIdentificationSequence(
        name=system.name[:STRING_LENGTH],
        family=codes.DCM.ArtificialIntelligence,
        version=system.id[:16],
    )
    segment = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label="Pneumothorax",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Pneumothorax,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
    )
    return hd.seg.Segmentation(
        source_images=[source],
        pixel_array=mask[None].astype(np.uint8),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[segment],
        series_instance_uid=generate_uid(),
        series_number=SERIES_NUMBER,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="none",
        manufacturer_model_name=system.name[:STRING_LENGTH],
        software_versions=f"highdicom {version('highdicom')}",
        device_serial_number=system.id[:16],
        content_description=DISCLAIMER,
        series_description=DISCLAIMER,
    )
