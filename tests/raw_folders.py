"""Tiny raw folders: radiographs of noise with the headers that a test wants."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

SIDE = 32
POSITIVE = "40 5 27 5"  # 10 pixels of a 32 x 32 frame


def noise(seed: int, side: int = SIDE) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)


def write_dicom(path: Path, pixels: np.ndarray, bits: int = 8, **elements: object) -> Path:
    """Write an uncompressed DICOM of uint8, uint16 or int16 pixels."""
    file = Dataset()
    file.SOPClassUID, file.SOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
    file.Modality, file.SamplesPerPixel, file.PhotometricInterpretation = "CR", 1, "MONOCHROME2"
    file.Rows, file.Columns = pixels.shape[:2]
    file.BitsAllocated, file.BitsStored, file.HighBit = pixels.itemsize * 8, bits, bits - 1
    file.PixelRepresentation = int(pixels.dtype.kind == "i")
    with disable_value_validation():
        for keyword, value in elements.items():
            setattr(file, keyword, value)
        file.PixelData = pixels.tobytes()
        file["PixelData"].VR = "OB" if pixels.itemsize == 1 else "OW"
        file.file_meta = FileMetaDataset()
        file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        path.parent.mkdir(parents=True, exist_ok=True)
        file.save_as(path, enforce_file_format=True)
    return path


def write_rgb(path: Path, pixels: np.ndarray, kind: str = "RGB") -> Path:
    """Write a DICOM of (rows, columns, 3) uint8 pixels."""
    return write_dicom(path, pixels, 8, SamplesPerPixel=3, PlanarConfiguration=0,
                       PhotometricInterpretation=kind)  # fmt: skip


def write_csv(path: Path, rows: Sequence[Sequence[object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def write_labels(path: Path, rows: Sequence[tuple[str, str]]) -> Path:
    return write_csv(path, [("ImageId", "EncodedPixels"), *rows])


def write_raw(root: Path, n_train: int = 12, n_test: int = 3) -> Path:
    """A stage-2 folder: a third of the training images positive, patients p0, p1, ..."""
    for number in range(n_train):
        folder = root / "dicom-images-train" / f"study{number}" / "series"
        write_dicom(folder / f"train{number:02}.dcm", noise(number), PatientID=f"p{number}")
    for number in range(n_test):
        write_dicom(root / "stage_2_images" / f"test{number}.dcm", noise(100 + number))
    labels = [(f"train{n:02}", "-1" if n % 3 else POSITIVE) for n in range(n_train)]
    write_labels(root / "stage_2_train.csv", labels)
    sample = [(f"test{number}", "-1") for number in reversed(range(n_test))]
    write_labels(root / "stage_2_sample_submission.csv", sample)
    return root
