"""01_prepare.py at its command line: what it prints, refuses, and leaves after a kill."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lib import artifacts
from lib.prepare import discover
from tests.prepare.stage import SCRIPT, Stage
from tests.raw_folders import SIDE, noise, write_dicom, write_raw


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(tmp_path, monkeypatch)


def test_another_config_is_refused_and_replaced_on_demand(
    stage: Stage, capsys: pytest.CaptureFixture
) -> None:
    stage()
    with pytest.raises(SystemExit):
        stage("--limit", 9)
    assert re.search("dataset .*limit.*9.*--replace", capsys.readouterr().err)
    stage("--limit", 9, "--replace")
    assert len(stage.table("truth.csv")) == 9
    assert artifacts.verify(stage.work.root) == []


def test_the_sizes_of_recipes_are_cached(stage: Stage) -> None:
    stage("--recipes", "demo")
    assert len(list((stage.work.root / "cache").iterdir())) > 1


def damage_code(stage: Stage) -> None:
    stage.label(("train05", "0 3 5"))


def rename_columns(stage: Stage) -> None:
    (stage.root / "stage_2_train.csv").write_text("id,mask\na,-1\n")


def label_absent_images(stage: Stage) -> None:
    stage.label(*((f"absent{n}", "-1") for n in range(5)))


def copy_an_image(stage: Stage) -> None:
    write_dicom(stage.root / "copy" / "train03.dcm", noise(3))


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (damage_code, "stage_2_train.csv, line 13, image train05: .*not pairs"),
        (rename_columns, "stage_2_train.csv, line 1: .*no column ImageId"),
        (label_absent_images, r"5 of 17 labelled .*\(absent0, absent1, absent2, \.\.\.\)"),
        (copy_an_image, "two files .*copy/train03.dcm"),
    ],
)
def test_wrong_inputs_are_refused_in_one_line_before_anything_is_written(
    stage: Stage, capsys: pytest.CaptureFixture, spoil: Callable[[Stage], None], fault: str
) -> None:
    spoil(stage)
    assert re.search(fault, stage.refusal(capsys))
    assert not stage.work.root.exists()


def test_a_missing_or_empty_raw_folder_is_refused(
    stage: Stage, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    assert "not a folder" in stage.refusal(capsys, source=["--raw", tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    assert "has no images" in stage.refusal(capsys, source=["--raw", tmp_path / "empty"])
    assert not stage.work.root.exists()


def test_the_demo_draws_its_own_raw_data(stage: Stage) -> None:
    small = {"n_train": 12, "n_test": 4, "seed": 0, "size": 64}
    stage.monkeypatch.setattr(discover, "DEMO", small)
    stage("--rle-size", 64, source=["--demo"])
    dataset = artifacts.read(stage.work.dataset)
    assert dataset.inputs == {"raw_demo": artifacts.read(stage.work.raw_demo).id}
    assert stage.census()["excluded"][0]["reason"] == "no label row"
    assert len(stage.table("sample.csv")) == 4


def test_help_loads_neither_torch_nor_matplotlib() -> None:
    """They take seconds."""
    command = [sys.executable, "-X", "importtime", SCRIPT, "--help"]
    run = subprocess.run(command, capture_output=True, check=True, text=True)
    assert "--allow-unreadable" in run.stdout
    loaded = {line.rpartition("|")[2].strip() for line in run.stderr.splitlines()}
    assert "argparse" in loaded
    assert not {"torch", "matplotlib"} & loaded


def test_killed_and_run_again_it_leaves_the_same_bytes(tmp_path: Path) -> None:
    root = write_raw(tmp_path / "raw", n_train=90)
    command = [sys.executable, SCRIPT, "--raw", root, "--rle-size", SIDE, "--sizes", 8, 16]
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
        folders = (tmp_path / name / location for name in ("killed", "whole"))
        manifests = [json.loads((folder / artifacts.MANIFEST).read_bytes()) for folder in folders]
        assert manifests[0]["id"] == manifests[1]["id"]
