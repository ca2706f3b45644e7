"""The command line, as a user runs it."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from lib.layout import Work
from tests.predict.builders import decide_by

ROOT = Path(__file__).resolve().parents[2]


def predict(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "lib.predict", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture
def flags(trained: Work) -> list[object]:
    if not trained.decision("main-x").folder.exists():
        decide_by(trained, "main", params=["top=.5", "bottom=.5"])
    return ["--work", trained.root, "--decision", "main-x", "--device", "cpu"]


def test_a_folder_with_bad_files_is_predicted_and_ends_with_1(
    flags: list[object], raw: Path, tmp_path: Path
) -> None:
    (raw / "broken.dcm").write_bytes(b"broken")
    (raw / "notes.txt").write_text("notes")
    out = tmp_path / "out"
    process = predict(raw, "--out", out, *flags)
    assert process.returncode == 1
    assert "PNG or JPG, or outputs: 1 (" in process.stdout
    assert "skipped: 1\n" in process.stdout
    assert "broken.dcm: not a DICOM file" in process.stdout
    assert "predicted now: 2, in all: 2" in process.stdout
    assert "For research, not a medical device." in process.stdout
    with (out / "predictions.csv").open() as file:
        assert [row["file"] for row in csv.DictReader(file)] == ["test0.png", "test1.png"]
    assert (out / "index.html").is_file()
    (raw / "broken.dcm").unlink()
    again = predict(raw, "--out", out, *flags)
    assert again.returncode == 0
    assert "predicted now: 0, in all: 2" in again.stdout


def test_a_file_that_cannot_be_read_ends_as_others_do(flags: list[object], tmp_path: Path) -> None:
    broken, out = tmp_path / "broken.dcm", tmp_path / "out"
    broken.write_bytes(b"broken")
    process = predict(broken, "--out", out, *flags)
    assert process.returncode == 1
    assert process.stderr.splitlines() == [f"skipped {broken}: not a DICOM file"]
    assert (out / "predictions.csv").read_text().startswith("file,p_pneumothorax,area_px,")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.png"], "nothing.png does not exist; give image files or folders"),
        ([ROOT / "folds"], "no DICOM, PNG or JPG file in"),
    ],
)
def test_wrong_paths_end_in_one_line(
    flags: list[object], tmp_path: Path, arguments: list[object], message: str
) -> None:
    process = predict(*arguments, "--out", tmp_path / "out", *flags)
    assert process.returncode == 2
    assert message in process.stderr
    assert len(process.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_help_names_both_commands_and_the_purpose() -> None:
    process = predict("--help")
    assert process.returncode == 0
    for text in ("--decision", "--model", "export", "For research, not a medical device."):
        assert text in process.stdout
