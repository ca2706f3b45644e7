"""The search for images, their names, and decoding for the networks and for people."""

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from lib import images
from lib.errors import InputError
from lib.predict import files
from lib.predict.files import Decoded, Failed, ImageFile
from lib.prepare import dicom
from tests.predict.builders import noise

CR = Path(get_testdata_file("CT_small.dcm"))


def write(path: Path, rows: int = 8, columns: int = 8) -> Path:
    images.write_png(path, noise(rows, columns))
    return path


def test_images_of_folders_and_files_are_found_and_named(tmp_path: Path) -> None:
    write(tmp_path / "a/deep/x.png")
    write(tmp_path / "a/y.PNG")
    (tmp_path / "a/notes.txt").write_text("no image")
    (tmp_path / "a/README").write_text("no image")
    (tmp_path / "a/DICOMDIR").write_bytes(CR.read_bytes())
    for name in ("IM0001", "1.2.840.7"):
        shutil.copy(CR, tmp_path / "a" / name)
    write(tmp_path / "z.png")
    found = files.find([tmp_path / "a", tmp_path / "z.png"], tmp_path / "out")
    assert [image.name for image in found.images] == [
        "1.2.840.7", "IM0001", "deep/x.png", "y.PNG", "z.png",
    ]  # fmt: skip
    assert [Path(name).name for name in found.others] == ["DICOMDIR", "README", "notes.txt"]


def test_a_file_that_is_given_counts_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no image")
    assert files.find([path], tmp_path / "out").images == [ImageFile(path, "notes.txt")]


def test_outputs_in_a_folder_of_images_are_no_images(tmp_path: Path) -> None:
    write(tmp_path / "x.png")
    write(tmp_path / "out/masks/x.png.png")
    found = files.find([tmp_path], tmp_path / "out")
    assert [image.name for image in found.images] == ["x.png"]


def test_outputs_of_an_earlier_call_are_no_images(tmp_path: Path) -> None:
    write(tmp_path / "x.png")
    write(tmp_path / "earlier/masks/x.png.png")
    (tmp_path / "earlier/journal.jsonl").touch()
    found = files.find([tmp_path], tmp_path / "out")
    assert [image.name for image in found.images] == ["x.png"]
    assert found.others == [str(tmp_path / "earlier")]


def test_a_file_given_twice_is_predicted_once(tmp_path: Path) -> None:
    path = write(tmp_path / "x.png")
    assert len(files.find([path, tmp_path, path], tmp_path / "out").images) == 1


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    paths = [write(tmp_path / "a/x.png").parent, write(tmp_path / "b/x.png")]
    with pytest.raises(InputError, match="a/x.png and .*b/x.png .* the folder that holds both"):
        files.find(paths, tmp_path / "out")


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_nothing_to_predict_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=f"{name}.*; give"):
        files.find([tmp_path / name], tmp_path / "out")


def test_an_image_is_resized_for_each_input_and_for_people(tmp_path: Path) -> None:
    path = write(tmp_path / "x.png", 1500, 3000)
    decoded = files.decode(ImageFile(path, "x.png"), [(64, "none"), (64, "clahe")])
    assert isinstance(decoded, Decoded)
    gray = images.shrink(images.read_png(path), 64)
    assert np.array_equal(decoded.grays[64, "none"], gray)
    assert np.array_equal(decoded.grays[64, "clahe"], images.clahe(gray))
    assert (decoded.rows, decoded.columns, decoded.display.shape) == (1500, 3000, (384, 768))
    assert decoded.spacing_mm is None


def test_the_spacing_is_the_patients_or_else_the_detectors(tmp_path: Path) -> None:
    data = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    path = tmp_path / "x.dcm"
    data.PixelSpacing, data.ImagerPixelSpacing = [0.2, 0.1], [0.3, 0.3]
    data.save_as(path)
    decoded = files.decode(ImageFile(path, "x.dcm"), [])
    assert isinstance(decoded, Decoded)
    assert decoded.spacing_mm == (0.2, 0.1)
    del data.PixelSpacing
    data.save_as(path)
    decoded = files.decode(ImageFile(path, "x.dcm"), [])
    assert isinstance(decoded, Decoded)
    assert decoded.spacing_mm == (0.3, 0.3)


def test_a_dicom_file_without_suffix_is_read(tmp_path: Path) -> None:
    path = tmp_path / "IM0001"
    shutil.copy(get_testdata_file("CT_small.dcm"), path)
    decoded = files.decode(ImageFile(path, path.name), [])
    assert isinstance(decoded, Decoded)
    expected = dicom.read(Path(get_testdata_file("CT_small.dcm"))).pixels
    assert np.array_equal(decoded.display, expected)


def test_a_file_that_is_no_image_fails_with_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no image")
    failed = files.decode(ImageFile(path, path.name), [])
    assert isinstance(failed, Failed)
    assert failed.reason == "not a DICOM file"
    path.unlink()
    failed = files.decode(ImageFile(path, path.name), [])
    assert isinstance(failed, Failed)
    assert "No such file" in failed.reason
