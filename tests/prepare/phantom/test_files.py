"""Files of the phantoms: layout, spelling and headers of stage 1; equal seeds give equal bytes."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest

from lib import csv_files, rle
from lib.errors import InputError
from lib.prepare.phantom import write_phantoms
from lib.prepare.phantom.cases import N_UNLABELLED, POSITIVE_RATE

SIZE, N_TRAIN, N_TEST = 128, 20, 10
# Figure 3 of the 2ST-UNet paper, in its order.
FIGURE_3 = (
    "SpecificCharacterSet SOPClassUID SOPInstanceUID StudyDate StudyTime AccessionNumber Modality "
    "ConversionType ReferringPhysicianName SeriesDescription PatientName PatientID "
    "PatientBirthDate PatientSex PatientAge BodyPartExamined ViewPosition StudyInstanceUID "
    "SeriesInstanceUID StudyID SeriesNumber InstanceNumber PatientOrientation SamplesPerPixel "
    "PhotometricInterpretation Rows Columns PixelSpacing BitsAllocated BitsStored HighBit "
    "PixelRepresentation LossyImageCompression LossyImageCompressionMethod PixelData"
)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("phantoms") / "raw"
    write_phantoms(out, N_TRAIN, N_TEST, seed=1, size=SIZE, workers=1)
    return out


def images(raw: Path, split: str) -> dict[str, Path]:
    return {path.stem: path for path in raw.glob(f"dicom-images-{split}/*/*/*.dcm")}


def digests(raw: Path) -> dict[str, str]:
    files = sorted(path for path in raw.rglob("*") if path.is_file())
    return {str(p.relative_to(raw)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_the_folders_are_study_series_image(raw: Path) -> None:
    for split, count in (("train", N_TRAIN), ("test", N_TEST)):
        paths = images(raw, split)
        assert len(paths) == count
        for path in paths.values():
            header = pydicom.dcmread(path, stop_before_pixels=True)
            assert path.stem == header.SOPInstanceUID
            assert path.parent.name == header.SeriesInstanceUID
            assert path.parent.parent.name == header.StudyInstanceUID


def test_the_header_is_that_of_figure_3(raw: Path) -> None:
    file = pydicom.dcmread(next(iter(images(raw, "train").values())))
    assert " ".join(element.keyword for element in file) == FIGURE_3
    assert file.file_meta.TransferSyntaxUID == pydicom.uid.JPEGBaseline8Bit
    assert file.SeriesDescription == f"view: {file.ViewPosition}"
    assert file.PatientAge.isdigit()
    assert file.pixel_array.shape == (SIZE, SIZE)
    assert file.pixel_array.dtype == np.uint8


@pytest.mark.filterwarnings("ignore:Invalid value for VR")  # ImageIds as UIDs
def test_the_header_is_that_of_a_real_file(raw: Path, shared_data: Path) -> None:
    real = next((shared_data / "siim_dicom").rglob("*.dcm"))
    phantom = next(iter(images(raw, "train").values()))
    headers = [pydicom.dcmread(path) for path in (real, phantom)]
    assert [e.keyword for e in headers[0]] == [e.keyword for e in headers[1]]
    assert [e.VR for e in headers[0]] == [e.VR for e in headers[1]]


def test_every_uid_is_valid_and_used_once(raw: Path) -> None:
    uids = []
    for path in [*images(raw, "train").values(), *images(raw, "test").values()]:
        header = pydicom.dcmread(path, stop_before_pixels=True)
        uids += [header.SOPInstanceUID, header.SeriesInstanceUID, header.StudyInstanceUID]
    assert all(uid.is_valid for uid in uids)
    assert len(set(uids)) == len(uids)


def test_labels_are_spelt_as_in_stage_1(raw: Path) -> None:
    header, *rows = (raw / "train-rle.csv").read_text().splitlines()
    assert header == "ImageId, EncodedPixels"
    assert all(row.split(",")[1][0] == " " for row in rows)
    assert any(row.endswith(", -1") for row in rows)


def test_the_positive_rate_is_exact_and_two_images_have_no_row(raw: Path) -> None:
    labels = csv_files.read_rles(raw / "train-rle.csv")
    labelled = set(labels.ImageId)
    assert labelled < set(images(raw, "train"))
    assert len(labelled) == N_TRAIN - N_UNLABELLED
    positive = set(labels.ImageId[labels.EncodedPixels != "-1"])
    assert len(positive) == round(POSITIVE_RATE * len(labelled))
    assert not positive & set(labels.ImageId[labels.EncodedPixels == "-1"])


def test_some_images_have_several_annotations_and_some_of_them_overlap(raw: Path) -> None:
    labels = csv_files.read_rles(raw / "train-rle.csv")
    several = [codes for _, codes in labels.EncodedPixels.groupby(labels.ImageId) if len(codes) > 1]
    united = [int(rle.union(codes, SIZE, SIZE).sum()) for codes in several]
    summed = [sum(map(rle.area, codes)) for codes in several]
    assert len(several) >= 2
    assert any(union < total for union, total in zip(united, summed, strict=True))


def test_the_sample_covers_the_test_images_and_repeats_those_with_several_annotations(
    raw: Path,
) -> None:
    sample = csv_files.read_rles(raw / "sample_submission.csv")
    assert set(sample.ImageId) == set(images(raw, "test"))
    assert len(sample) > N_TEST
    assert set(sample.EncodedPixels) == {"-1"}


def test_the_truth_has_a_row_for_each_test_image_in_the_order_of_the_sample(raw: Path) -> None:
    truth = pd.read_csv(raw / "test-truth.csv", dtype=str)
    sample = csv_files.read_rles(raw / "sample_submission.csv")
    assert list(truth.columns) == ["ImageId", "EncodedPixels"]
    assert list(truth.ImageId) == list(dict.fromkeys(sample.ImageId))
    areas = [rle.decode(code, SIZE, SIZE).sum() for code in truth.EncodedPixels]
    assert np.count_nonzero(areas) == round(POSITIVE_RATE * N_TEST)


def test_bytes_depend_on_the_seed_and_not_on_the_workers(tmp_path: Path) -> None:
    for name, seed, workers in (("one", 5, 1), ("two", 5, 2), ("other", 6, 1)):
        write_phantoms(tmp_path / name, 4, 4, seed=seed, size=64, workers=workers)
    one, two, other = (digests(tmp_path / name) for name in ("one", "two", "other"))
    assert one == two
    assert not set(one.values()) & set(other.values())


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        pytest.param({"n_train": 3}, "at least 4", id="too-few-images"),
        pytest.param({"seed": -1}, "seed from 0", id="negative-seed"),
        pytest.param({"size": 62}, "multiple of 4 from 64", id="too-small"),
        pytest.param({"size": 130}, "multiple of 4", id="no-multiple-of-4"),
    ],
)
def test_refuses_what_cannot_be_drawn(
    tmp_path: Path, numbers: dict[str, int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        write_phantoms(tmp_path / "raw", **numbers)
    assert not (tmp_path / "raw").exists()
