"""The tables of a dataset: roles, truth, folds, and the reasons for which images are excluded."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lib import artifacts, csv_files, rle
from lib.layout import image_file
from tests.prepare.stage import Stage
from tests.raw_folders import POSITIVE, SIDE, noise, write_csv, write_dicom, write_labels

COLUMNS = ["ImageId", "split", "reason", "positive", "n_annotations", "area_px",
           "patient_id", "sex", "age", "view", "pixel_spacing_mm", "rows", "columns",
           "source", "sha256"]  # fmt: skip


def test_the_tables(stage: Stage, capsys: pytest.CaptureFixture) -> None:
    stage()
    assert "12 training images (4 positive), 3 test, 0 excluded" in capsys.readouterr().out
    images, truth, split, sample = (
        stage.table(f"{name}.csv") for name in ("images", "truth", "folds", "sample")
    )
    assert list(images.columns) == COLUMNS
    page = artifacts.read(stage.work.dataset).path("census.md").read_text()
    for picture in re.findall(r"\]\((.*\.png)\)", page):
        assert artifacts.read(stage.work.dataset).path(picture).is_file()
    assert "(masks.png)" in page
    assert images["ImageId"].is_monotonic_increasing
    row = images.set_index("ImageId").loc["train03"]
    assert row.iloc[:5].tolist() == ["train", "", "1", "1", "10"]
    assert row["rows"] == row["columns"] == str(SIDE)
    assert (row["patient_id"], row["source"]) == ("p3", "dicom 8-bit")
    assert images.set_index("ImageId").loc["test1"].iloc[:5].tolist() == ["test", "", "", "", ""]
    assert list(truth.columns) == ["ImageId", "EncodedPixels"]
    assert truth["EncodedPixels"].tolist()[:2] == [POSITIVE, "-1"]
    assert list(split.columns) == ["ImageId", "fold", "patient_id", "positive"]
    assert split["positive"].astype(int).groupby(split["fold"]).sum().tolist() == [2, 2]
    assert sample["ImageId"].tolist() == ["test2", "test1", "test0"]


def test_a_balanced_dataset_has_as_many_images_of_each_class(
    stage: Stage, capsys: pytest.CaptureFixture
) -> None:
    stage("--balanced")
    assert "8 training images (4 positive), 3 test" in capsys.readouterr().out
    assert artifacts.read(stage.work.dataset).config["balanced"] is True
    assert stage.census()["images"]["left_out"] == 4
    assert [fold["positive"] for fold in stage.census()["folds"]] == [2, 2]


def test_unlabelled_images_are_excluded_and_never_negatives(stage: Stage) -> None:
    write_dicom(stage.root / "dicom-images-train" / "extra.dcm", noise(50))
    stage()
    assert stage.reason("extra") == "no label row"
    assert "extra" not in set(stage.table("truth.csv")["ImageId"])


def test_contradicting_rows_exclude_the_image(stage: Stage) -> None:
    stage.label(("train00", "-1"), ("train00", POSITIVE))
    stage()
    assert stage.reason("train00") == "labelled both empty and with a mask"
    assert stage.census()["labels"]["positive"] == 5


def test_the_first_of_equal_images_with_equal_labels_stays(stage: Stage) -> None:
    write_dicom(stage.train_file(7), noise(1), PatientAge="030")
    stage.label(("train01", "-1"))
    stage()
    assert stage.reason("train01") == ""
    assert stage.reason("train07") == "duplicate: same pixels as train01"
    cached = artifacts.read(stage.work.cache(8)).files
    assert image_file("train01") in cached
    assert image_file("train07") not in cached


@pytest.mark.parametrize("other", ["-1", "900 20"])
def test_equal_images_with_other_labels_are_all_excluded(stage: Stage, other: str) -> None:
    write_dicom(stage.train_file(7), noise(1))
    stage.label(("train07", other))
    stage()
    assert stage.reason("train01") == "contradiction: same pixels as train07, other label"
    assert stage.reason("train07") == "contradiction: same pixels as train01, other label"


def test_equal_images_in_training_and_test_are_counted_and_kept(stage: Stage) -> None:
    write_dicom(stage.root / "stage_2_images" / "test1.dcm", noise(1))
    stage()
    assert stage.reason("train01") == stage.reason("test1") == ""
    assert stage.census()["duplicates"]["test_images_in_training"] == 1


def test_a_damaged_training_file_is_excluded_and_counted(stage: Stage) -> None:
    stage.train_file(4).write_bytes(stage.train_file(4).read_bytes()[:700])
    stage()
    assert stage.reason("train04").startswith("unreadable: ")
    assert stage.census()["excluded"][0]["images"] == 1


def test_a_damaged_test_file_is_an_error_unless_allowed(
    stage: Stage, capsys: pytest.CaptureFixture
) -> None:
    (stage.root / "stage_2_images" / "test1.dcm").write_bytes(b"")
    message = stage.refusal(capsys)
    assert "1 test images are unreadable (first test1, unreadable: empty file)" in message
    assert "--allow-unreadable" in message
    stage("--allow-unreadable")
    assert stage.reason("test1") == "unreadable: empty file"
    assert stage.table("sample.csv")["ImageId"].tolist() == ["test2", "test1", "test0"]


def test_images_without_a_file_are_excluded_if_that_is_allowed(stage: Stage) -> None:
    stage.label(("train99", "-1"))
    stage("--allow-missing")
    assert stage.reason("train99") == "no image file"


def test_placeholders_for_a_patient_are_unknown_patients(stage: Stage) -> None:
    for number in range(12):
        write_dicom(stage.train_file(number), noise(number), PatientID="NaN")
    stage()
    assert set(stage.table("folds.csv")["patient_id"]) == {""}
    assert {"element": "patient id", "found": "NaN", "became": "missing", "images": 12} in (
        stage.census()["cleaned"]
    )


def test_groups_name_the_patients_and_fill_what_headers_lack(stage: Stage, tmp_path: Path) -> None:
    write_dicom(stage.train_file(1), noise(1), PatientSex="F")
    rows = [(f"train{n:02}", f"g{n // 2}", "M", "413" if n else "7") for n in range(12)]
    groups = write_csv(tmp_path / "g.csv", [("ImageId", "patient_id", "sex", "age"), *rows])
    stage("--groups", groups)
    images = stage.table("images.csv").set_index("ImageId")
    assert images.loc["train01", "patient_id"] == "g0"
    assert images.loc[["train00", "train01"], "sex"].tolist() == ["M", "F"]
    assert images.loc[["train00", "train01"], "age"].tolist() == ["7", ""]
    assert stage.table("folds.csv").groupby("patient_id")["fold"].nunique().max() == 1


def test_a_given_split_is_used(stage: Stage, tmp_path: Path) -> None:
    rows = [(f"train{n:02}", n // 4) for n in range(12)]
    stage("--folds-csv", write_csv(tmp_path / "f.csv", [("ImageId", "fold"), *rows]))
    assert stage.table("folds.csv")["fold"].tolist() == ["0"] * 4 + ["1"] * 4 + ["2"] * 4


def test_without_labels_everything_is_test(stage: Stage) -> None:
    (stage.root / "stage_2_train.csv").unlink()
    (stage.root / "dicom-images-train").rename(stage.root / "images")
    stage()
    assert set(stage.table("images.csv")["split"]) == {"test"}
    assert len(stage.table("images.csv")) == 15
    assert stage.table("truth.csv").empty
    assert stage.table("folds.csv").empty
    assert len(stage.table("sample.csv")) == 3


def test_a_rehost_in_png_and_jpeg(stage: Stage, tmp_path: Path) -> None:
    root = tmp_path / "rehost"
    for number in range(8):
        folder, suffix = "train" if number < 6 else "test", "png" if number % 2 else "jpg"
        (root / folder).mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(number, side=16)).save(root / folder / f"i{number}.{suffix}")
    write_labels(root / "train-rle.csv", [(f"i{n}", "-1" if n % 2 else POSITIVE) for n in range(6)])
    stage(source=["--raw", root])
    assert stage.table("sample.csv")["ImageId"].tolist() == ["i6", "i7"]
    row = stage.table("images.csv").set_index("ImageId").loc["i0"]
    assert (row["area_px"], row["rows"], row["source"]) == ("10", "16", "jpeg 8-bit")


def write_rehost(root: Path, masks: Path, levels: tuple[int, int] = (0, 255)) -> Path:
    """Twelve images of 16 px, their labels as RLEs in a CSV, and as masks of 32 px beside them."""
    labels = []
    for number in range(12):
        name = f"i{number:02}"
        folder, suffix = ("test", "png") if number > 9 else ("train", "jpg")
        (root / folder).mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(number, side=16)).save(root / folder / f"{name}.{suffix}")
        if number in (9, 10, 11):  # one unlabelled image, and those for test
            continue
        mask = np.zeros((SIDE, SIDE), bool)
        if number % 2:
            mask[number : number + 9, 5:20] = True
        labels.append((name, rle.encode(mask)))
        masks.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.where(mask, *reversed(levels)).astype(np.uint8)).save(
            masks / f"{name}.png"
        )
    write_labels(root.parent / "labels.csv", labels)
    return root


@pytest.mark.parametrize("levels", [(0, 255), (0, 1)])
def test_masks_give_the_same_bytes_as_their_codes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture,
    levels: tuple[int, int],
) -> None:  # fmt: skip
    by_labels, by_masks = (Stage(tmp_path / name, monkeypatch) for name in ("labels", "masks"))
    masks = tmp_path / "raw" / "train_masks"
    root = write_rehost(tmp_path / "raw", masks, levels)
    by_masks("--masks", masks, source=["--raw", root])
    output = capsys.readouterr().out
    assert "labels: train_masks; " in output
    assert "RLE frame: 32x32" in output
    assert "1 images without a mask are left out" in output
    assert by_masks.reason("i09") == "no label row"
    masks.rename(tmp_path / "train_masks")
    by_labels("--labels", tmp_path / "labels.csv", source=["--raw", root])
    for folder in ("dataset", "cache(8)"):
        first, second = (
            artifacts.read(stage.work.dataset if folder == "dataset" else stage.work.cache(8))
            for stage in (by_labels, by_masks)
        )
        assert first.files
        assert first.files == second.files


def test_real_radiographs(shared_data: Path, stage: Stage) -> None:
    root = shared_data / "siim_dicom"
    stage("--rle-size", 1024, "--sizes", 32, "--workers", 2, source=["--raw", root])
    census = stage.census()["images"]
    assert (census["train"], census["positive"], census["test"]) == (360, 82, 120)
    assert census["excluded"] == 0
    sample = csv_files.read(root / "stage_2_sample_submission.csv", ["ImageId"])
    assert stage.table("sample.csv")["ImageId"].tolist() == sample["ImageId"].tolist()
    assert np.isin(stage.table("images.csv")["view"], ["AP", "PA"]).all()
