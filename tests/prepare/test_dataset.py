"""Stage 01 as its user meets it: the tables it leaves, what it excludes, what it refuses."""

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lib import artifacts, csv_files
from lib.layout import Work, image_file
from lib.prepare import discover
from tests.raw_folders import POSITIVE, SIDE, noise, write_csv, write_dicom, write_labels, write_raw

STAGE = Path(__file__).parents[1] / "01_prepare.py"
COLUMNS = ["ImageId", "split", "reason", "positive", "n_annotations", "area_px",
           "patient_id", "sex", "age", "view", "pixel_spacing_mm", "rows", "columns",
           "source", "sha256"]  # fmt: skip


class Stage:
    """Runs 01 in this process, on a small raw folder, with one worker."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = write_raw(root / "raw")
        self.work = Work(root / "work")
        self.monkeypatch = monkeypatch

    def __call__(self, *flags: object, source: Sequence[object] | None = None) -> None:
        source = ["--raw", self.root] if source is None else source
        split = [] if "--folds-csv" in flags else ["--n-folds", 2]
        usual = ["--work", self.work.root, "--rle-size", SIDE, "--workers", 1, "--sizes", 8]
        words = [STAGE, *source, *usual, *split, *flags]
        self.monkeypatch.setattr(sys, "argv", [str(word) for word in words])
        runpy.run_path(str(STAGE), run_name="__main__")

    def train(self, number: int) -> Path:
        return self.root / f"dicom-images-train/study{number}/series/train{number:02}.dcm"

    def label(self, *rows: tuple[str, str]) -> None:
        """Write the label file, with train00 to train05 positive and the rows given beside."""
        given = {image_id for image_id, _ in rows}
        usual = [(f"train{n:02}", POSITIVE if n < 6 else "-1") for n in range(12)]
        rows = (*(row for row in usual if row[0] not in given), *rows)
        write_labels(self.root / "stage_2_train.csv", rows)

    def table(self, name: str) -> pd.DataFrame:
        return csv_files.read(artifacts.read(self.work.dataset).path(name), ["ImageId"])

    def reason(self, image_id: str) -> str:
        row = self.table("images.csv").set_index("ImageId").loc[image_id]
        assert (row["split"] == "excluded") is bool(row["reason"])
        return row["reason"]

    def census(self) -> dict:
        return json.loads(artifacts.read(self.work.dataset).path("census.json").read_text())

    def refused(self, capsys: pytest.CaptureFixture, *flags: object, **source: object) -> str:
        """The one line that the stage says when it refuses, with exit code 2."""
        with pytest.raises(SystemExit) as caught:
            self(*flags, **source)
        assert caught.value.code == 2
        said = capsys.readouterr().err
        assert said.startswith("error: ")
        assert said.count("\n") == 1
        assert not self.work.dataset.folder.exists()
        return said


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(tmp_path, monkeypatch)


def test_the_tables(stage: Stage, capsys: pytest.CaptureFixture) -> None:
    stage()
    assert "12 training images (4 positive), 3 test, 0 excluded" in capsys.readouterr().out
    images, truth, split, sample = (
        stage.table(f"{name}.csv") for name in ("images", "truth", "folds", "sample")
    )
    assert list(images.columns) == COLUMNS
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


def test_run_again_it_is_up_to_date(stage: Stage, capsys: pytest.CaptureFixture) -> None:
    stage()
    before = artifacts.read(stage.work.dataset).manifest
    stage()
    assert capsys.readouterr().out.splitlines()[-1].startswith("up to date: ")
    assert artifacts.read(stage.work.dataset).manifest == before


def test_other_facts_are_refused_and_replaced_on_demand(
    stage: Stage, capsys: pytest.CaptureFixture
) -> None:
    stage()
    with pytest.raises(SystemExit):
        stage("--limit", 9)
    assert "dataset was made with limit = None, not 9" in capsys.readouterr().err
    stage("--limit", 9, "--replace")
    assert len(stage.table("truth.csv")) == 9
    assert artifacts.verify(stage.work.root) == []


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


def test_of_equal_images_with_equal_labels_the_first_stays(stage: Stage) -> None:
    write_dicom(stage.train(7), noise(1), PatientAge="030")
    stage.label(("train01", "-1"))
    stage()
    assert stage.reason("train01") == ""
    assert stage.reason("train07") == "duplicate: same pixels as train01"
    cached = artifacts.read(stage.work.cache(8)).files
    assert image_file("train01") in cached
    assert image_file("train07") not in cached


def test_one_patient_for_all_is_refused_with_the_cure(
    stage: Stage, capsys: pytest.CaptureFixture
) -> None:
    for number in range(12):
        write_dicom(stage.train(number), noise(number), PatientID="ANON")
    assert "1 patients with a pneumothorax cannot fill 2 folds" in (said := stage.refused(capsys))
    assert "--groups CSV" in said


def test_images_of_nobody_are_no_ones_siblings(stage: Stage) -> None:
    for number in range(12):
        write_dicom(stage.train(number), noise(number), PatientID="NaN")
    stage()
    assert set(stage.table("folds.csv")["patient_id"]) == {""}
    assert {"element": "patient id", "found": "NaN", "became": "missing", "images": 12} in (
        stage.census()["cleaned"]
    )


@pytest.mark.parametrize(
    "flags",
    [["--rle-size", "5000000000"], ["--sizes", "1000000"], ["--sizes", "8", "10001"],
     ["--sizes", "0"], ["--rle-size", "9" * 5000]],
)  # fmt: skip
def test_a_size_beyond_all_radiographs_is_refused(
    stage: Stage, capsys: pytest.CaptureFixture, flags: list[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        stage(*flags)
    assert caught.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.endswith("is not a whole number from 1 to 10000")


@pytest.mark.parametrize("other", ["-1", "900 20"])
def test_equal_images_with_other_labels_are_all_excluded(stage: Stage, other: str) -> None:
    write_dicom(stage.train(7), noise(1))
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
    stage.train(4).write_bytes(stage.train(4).read_bytes()[:700])
    stage()
    assert stage.reason("train04").startswith("unreadable: ")
    assert stage.census()["excluded"][0]["images"] == 1


def test_a_damaged_test_file_is_an_error_unless_allowed(
    stage: Stage, capsys: pytest.CaptureFixture
) -> None:
    (stage.root / "stage_2_images" / "test1.dcm").write_bytes(b"")
    said = stage.refused(capsys)
    assert "1 test images are unreadable (first test1, unreadable: empty file)" in said
    assert "--allow-unreadable" in said
    stage("--allow-unreadable")
    assert stage.reason("test1") == "unreadable: empty file"
    assert stage.table("sample.csv")["ImageId"].tolist() == ["test2", "test1", "test0"]


def test_missing_files_are_listed_where_that_is_allowed(stage: Stage) -> None:
    stage.label(("train99", "-1"))
    stage("--allow-missing")
    assert stage.reason("train99") == "no image file"


def test_groups_name_the_patients_and_fill_what_headers_lack(stage: Stage, tmp_path: Path) -> None:
    write_dicom(stage.train(1), noise(1), PatientSex="F")
    rows = [(f"train{n:02}", f"g{n // 2}", "M", "413" if n else "7") for n in range(12)]
    groups = write_csv(tmp_path / "g.csv", [("ImageId", "patient_id", "sex", "age"), *rows])
    stage("--groups", groups)
    images = stage.table("images.csv").set_index("ImageId")
    assert images.loc["train01", "patient_id"] == "g0"
    assert images.loc[["train00", "train01"], "sex"].tolist() == ["M", "F"]
    assert images.loc[["train00", "train01"], "age"].tolist() == ["7", ""]
    assert stage.table("folds.csv").groupby("patient_id")["fold"].nunique().max() == 1


def test_a_given_split_is_taken(stage: Stage, tmp_path: Path) -> None:
    rows = [(f"train{n:02}", n // 4) for n in range(12)]
    stage("--folds-csv", write_csv(tmp_path / "f.csv", [("ImageId", "fold"), *rows]))
    assert stage.table("folds.csv")["fold"].tolist() == ["0"] * 4 + ["1"] * 4 + ["2"] * 4


def test_without_labels_everything_is_test(stage: Stage) -> None:
    (stage.root / "stage_2_train.csv").unlink()
    stage()
    assert set(stage.table("images.csv")["split"]) == {"test"}
    assert len(stage.table("images.csv")) == 15
    assert stage.table("truth.csv").empty
    assert stage.table("folds.csv").empty
    assert len(stage.table("sample.csv")) == 3


def test_a_rehost_in_png_and_jpeg(stage: Stage, tmp_path: Path) -> None:
    root = tmp_path / "rehost"
    for number in range(8):
        path = (
            root
            / ("train" if number < 6 else "test")
            / f"i{number}.{'png' if number % 2 else 'jpg'}"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(number, side=16)).save(path)
    write_labels(root / "train-rle.csv", [(f"i{n}", "-1" if n % 2 else POSITIVE) for n in range(6)])
    stage(source=["--raw", root])
    assert stage.table("sample.csv")["ImageId"].tolist() == ["i6", "i7"]
    row = stage.table("images.csv").set_index("ImageId").loc["i0"]
    assert (row["area_px"], row["rows"], row["source"]) == ("10", "16", "jpeg 8-bit")


def test_the_demo_draws_its_own_raw_data(stage: Stage) -> None:
    small = {"n_train": 12, "n_test": 4, "seed": 0, "size": 64}
    stage.monkeypatch.setattr(discover, "DEMO", small)
    stage("--rle-size", 64, source=["--demo"])
    made = artifacts.read(stage.work.dataset)
    assert made.inputs == {"raw_demo": artifacts.read(stage.work.raw_demo).id}
    assert stage.census()["excluded"][0]["reason"] == "no label row"
    assert len(stage.table("sample.csv")) == 4


BAD_LABELS = [
    ("0 3 5", "not pairs"),
    ("0 three", "'three'"),
    ("1020 9", "past 32x32"),
    ("-3 2", "negative offset"),
]


@pytest.mark.parametrize(("code", "fault"), BAD_LABELS)
def test_a_wrong_code_is_refused_with_its_line(
    stage: Stage, capsys: pytest.CaptureFixture, code: str, fault: str
) -> None:
    stage.label(("train05", code))
    said = stage.refused(capsys)
    assert "stage_2_train.csv, line 13, image train05" in said
    assert fault in said
    assert not stage.work.root.exists()


def test_labels_without_the_columns_are_refused(
    stage: Stage, capsys: pytest.CaptureFixture
) -> None:
    (stage.root / "stage_2_train.csv").write_text("id,mask\na,-1\n")
    assert "has no column ImageId" in stage.refused(capsys)
    assert not stage.work.root.exists()


def test_labelled_ids_without_an_image_are_refused(
    stage: Stage, capsys: pytest.CaptureFixture
) -> None:
    stage.label(*((f"absent{n}", "-1") for n in range(5)))
    said = stage.refused(capsys)
    assert "5 of 17 labelled images have no file" in said
    assert "(absent0, absent1, absent2, ...)" in said
    assert not stage.work.root.exists()


def test_two_files_with_one_id_are_refused(stage: Stage, capsys: pytest.CaptureFixture) -> None:
    write_dicom(stage.root / "copy" / "train03.dcm", noise(3))
    assert "copy/train03.dcm" in stage.refused(capsys)
    assert not stage.work.root.exists()


def test_a_missing_or_empty_raw_folder_is_refused(
    stage: Stage, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    assert "not a folder" in stage.refused(capsys, source=["--raw", tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    assert "has no images" in stage.refused(capsys, source=["--raw", tmp_path / "empty"])
    assert not stage.work.root.exists()


def test_an_unknown_recipe_is_refused(stage: Stage, capsys: pytest.CaptureFixture) -> None:
    assert "no recipe 'resnet9000'" in stage.refused(capsys, "--recipes", "resnet9000")


def test_the_sizes_of_recipes_are_cached(stage: Stage) -> None:
    stage("--recipes", "demo")
    assert len(list((stage.work.root / "cache").iterdir())) > 1


def test_help_answers_at_once() -> None:
    start = time.monotonic()
    said = subprocess.run([sys.executable, STAGE, "--help"], capture_output=True, check=True)
    assert b"--allow-unreadable" in said.stdout
    assert time.monotonic() - start < 2 or os.getloadavg()[0] > 2


def test_killed_and_run_again_it_leaves_the_same_bytes(tmp_path: Path) -> None:
    root = write_raw(tmp_path / "raw", n_train=90)
    command = [sys.executable, STAGE, "--raw", root, "--rle-size", SIDE, "--sizes", 8, 16]
    killed, whole = (
        [str(word) for word in (*command, "--work", tmp_path / name)]
        for name in ("killed", "whole")
    )
    journal = tmp_path / "killed" / "dataset.partial" / artifacts.JOURNAL
    process = subprocess.Popen([*killed, "--workers", "2"])
    while process.poll() is None and not journal.exists():
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    subprocess.run([*killed, "--workers", "2"], check=True)
    subprocess.run([*whole, "--workers", "1"], check=True)
    for location in ("dataset", "cache/8", "cache/16"):
        manifests = [
            json.loads((tmp_path / name / location / artifacts.MANIFEST).read_text())
            for name in ("killed", "whole")
        ]
        assert manifests[0]["files"] == manifests[1]["files"]
        assert manifests[0]["id"] == manifests[1]["id"]


def test_real_radiographs(shared_data: Path, stage: Stage) -> None:
    root = shared_data / "siim_dicom"
    stage("--rle-size", 1024, "--sizes", 32, "--workers", 2, source=["--raw", root])
    census = stage.census()["images"]
    assert (census["train"], census["positive"], census["test"], census["excluded"]) == (
        360,
        82,
        120,
        0,
    )
    expected = csv_files.read(root / "stage_2_sample_submission.csv", ["ImageId"])[
        "ImageId"
    ].tolist()
    assert stage.table("sample.csv")["ImageId"].tolist() == expected
    assert np.isin(stage.table("images.csv")["view"], ["AP", "PA"]).all()
