"""Files of the phantoms in the competition's stage-1 layout: folders, headers, tables."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit, SecondaryCaptureImageStorage

from lib import rle
from lib.errors import InputError
from lib.files import write_aside, write_bytes
from lib.parallel import map_in_processes
from lib.prepare.phantom.anatomy import draw_build
from lib.prepare.phantom.cases import Case, plan_cases
from lib.prepare.phantom.radiograph import take_radiograph

JPEG_QUALITY = 90
SPACING_MM = 0.14  # of a pixel of 1024 x 1024
MIN_IMAGES, MIN_SIZE = 4, 64


def write_phantoms(
    out: Path,
    n_train: int = 120,
    n_test: int = 80,
    seed: int = 0,
    size: int = 1024,
    workers: int | None = None,
) -> None:
    """Write a raw data folder in the layout of stage 1, and the truth of the test images.

    Equal arguments give equal bytes, for any number of workers.

    Args:
        out: the folder; created if it does not exist.
        n_train, n_test: numbers of images, at least 4 each; two training images have no label row.
        seed: 0 or more; other seeds give other patients.
        size: side of the images and masks in pixels, a multiple of 4 from 64.
        workers: processes; None: one a core, up to 8.

    Raises:
        InputError: if a number is out of its range.
    """
    if min(n_train, n_test) < MIN_IMAGES or seed < 0:
        raise InputError(f"{n_train} training and {n_test} test phantoms of seed {seed}: "
                         f"take at least {MIN_IMAGES} of each, and a seed from 0")  # fmt: skip
    if size < MIN_SIZE or size % 4:
        raise InputError(f"phantoms of {size} px: take a multiple of 4 from {MIN_SIZE}")
    cases = plan_cases("train", n_train, seed) + plan_cases("test", n_test, seed)
    write = partial(_write_image, out, size)
    codes = list(map_in_processes(write, cases, "phantoms", workers))
    _write_tables(out, cases, codes, size)


def _write_image(out: Path, size: int, case: Case) -> list[str]:
    """Write an image; return the codes of its annotations."""
    build = draw_build(case.sex, case.age, case.patient_rng())
    image, annotations = take_radiograph(build, case.ap, case.lesion, size, case.rng())
    folder = out / f"dicom-images-{case.split}" / case.uid("study") / case.uid("series")
    with write_aside(folder / f"{case.uid('image')}.dcm") as aside:
        _make_dicom(case, image).save_as(aside, enforce_file_format=True)
    return [rle.encode(annotation) for annotation in annotations]


def _make_dicom(case: Case, image: np.ndarray) -> Dataset:
    """Return a file like the competition's: JPEG Baseline, and the same elements."""
    _, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    file = Dataset()
    for keyword, value in _header(case, len(image)).items():
        # Not validated: an age is "47" there, where the standard demands "047Y".
        file.add(DataElement(keyword, dictionary_VR(keyword), value, validation_mode=IGNORE))
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    file.PixelData = encapsulate([jpeg.tobytes()])
    file["PixelData"].is_undefined_length = True
    return file


def _header(case: Case, side: int) -> dict[str, object]:
    """Return the elements of a file, without the pixels.

    Reference:
        Abedalla et al., The 2ST-UNet for pneumothorax segmentation, 2020, Figure 3.
    """
    spacing = round(SPACING_MM * 1024 / side, 3)
    return {
        "SpecificCharacterSet": "ISO_IR 100",
        "SOPClassUID": SecondaryCaptureImageStorage,
        "SOPInstanceUID": case.uid("image"),
        "StudyDate": "19010101",
        "StudyTime": "000000.00",
        "AccessionNumber": "",
        "Modality": "CR",
        "ConversionType": "WSD",
        "ReferringPhysicianName": "",
        "SeriesDescription": f"view: {case.view}",
        "PatientName": case.patient,
        "PatientID": case.patient,
        "PatientBirthDate": "",
        "PatientSex": case.sex,
        "PatientAge": str(case.age),
        "BodyPartExamined": "CHEST",
        "ViewPosition": case.view,
        "StudyInstanceUID": case.uid("study"),
        "SeriesInstanceUID": case.uid("series"),
        "StudyID": "",
        "SeriesNumber": 1,
        "InstanceNumber": 1,
        "PatientOrientation": "",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": side,
        "Columns": side,
        "PixelSpacing": [spacing, spacing],
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelRepresentation": 0,
        "LossyImageCompression": "01",
        "LossyImageCompressionMethod": "ISO_10918_1",
    }


def _write_tables(out: Path, cases: Sequence[Case], codes: Sequence[list[str]], size: int) -> None:
    """Write labels and sample submission in the spelling of stage 1, and the test truth.

    The sample has a row for each annotation, as in stage 1: an id may occur more than once.
    """
    labels, sample, truth = ["ImageId, EncodedPixels"], [], []
    for case, annotations in zip(cases, codes, strict=True):
        image, rows = case.uid("image"), annotations or [rle.EMPTY]
        if case.split == "test":
            sample += [f"{image},{rle.EMPTY}"] * len(rows)
            truth.append(f"{image},{rle.encode(rle.union(rows, size, size))}")
        elif case.labelled:
            labels += [f"{image}, {code}" for code in rows]
    header = "ImageId,EncodedPixels"
    _write_lines(out / "train-rle.csv", labels)
    _write_lines(out / "sample_submission.csv", [header, *sample])
    _write_lines(out / "test-truth.csv", [header, *truth])


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    write_bytes(path, "".join(f"{line}\n" for line in lines).encode())
