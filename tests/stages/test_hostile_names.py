"""Hostile ids, file names and flags: no stage reads or writes outside its folders."""

import ast
import os
import runpy
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from lib import artifacts
from lib import dataset as datasets
from lib.errors import InputError
from lib.files import write_bytes
from lib.layout import Work
from lib.prepare import discover
from tests import fakes
from tests.prepare.stage import Stage
from tests.raw_folders import POSITIVE, SIDE, noise, write_csv, write_dicom

ROOT = Path(__file__).parents[2]
HOSTILE = "../../x"  # other names: tests/test_layout.py


def read_tree(root: Path) -> dict[str, bytes]:
    """Return every path under a folder with the content of the file."""
    return {path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() else b""
            for path in root.rglob("*")}  # fmt: skip


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parent of a working folder with a dataset and the maps of a run named x."""
    parent, truth = tmp_path_factory.mktemp("parent"), fakes.masks(12)
    fakes.make_dataset(Work(parent / "work"), truth)
    for fold in (0, 1):
        fakes.make_probs(Work(parent / "work"), "x", fold, truth, seed=fold)
    fakes.make_cache(Work(parent / "work"), truth, 32)
    return parent


# Ids in tables


LABELS = [("ImageId", "EncodedPixels"), ("train00", POSITIVE), (HOSTILE, "-1")]
SAMPLE = [("ImageId", "EncodedPixels"), ("test0", "-1"), (HOSTILE, "-1")]
FOLDS = [("ImageId", "fold"), *((f"train{n:02}", n % 2) for n in range(12)), (HOSTILE, 0)]
GROUPS = [("ImageId", "patient_id"), ("train00", "p"), (HOSTILE, "p")]


@pytest.mark.parametrize(
    ("table", "rows", "flags"),
    [
        ("raw/stage_2_train.csv", LABELS, ["--allow-missing"]),
        ("raw/stage_2_sample_submission.csv", SAMPLE, ["--allow-missing"]),
        ("table.csv", FOLDS, ["--folds-csv", "TABLE"]),
        ("table.csv", GROUPS, ["--groups", "TABLE"]),
    ],
    ids=["labels", "sample", "folds", "groups"],
)
def test_a_hostile_id_in_any_table_is_refused_with_its_line(
    tmp_path: Path, stage: Stage, capsys: pytest.CaptureFixture, table: str, rows: list, flags: list
) -> None:
    path = write_csv(tmp_path / table, rows)
    flags = [path if flag == "TABLE" else flag for flag in flags]
    before = read_tree(tmp_path)
    line = stage.refusal(capsys, *flags)
    assert "file name" in line
    assert ".csv, line " in line
    assert read_tree(tmp_path) == before


@pytest.mark.parametrize("table", ["truth.csv", "sample.csv", "images.csv", "folds.csv"])
def test_hostile_ids_in_the_tables_of_a_dataset_are_refused_too(tmp_path: Path, table: str) -> None:
    header = "ImageId,EncodedPixels,split,fold,patient_id,positive\n"
    draft = artifacts.begin(Work(tmp_path).dataset, {"rle_size": SIDE})
    assert draft
    write_bytes(draft.path(table), f"{header}../../x,-1,test,0,,0\n".encode())
    data = datasets.Dataset(draft.finish())
    attribute = {"truth.csv": "truth", "sample.csv": "sample", "images.csv": "test_ids",
                 "folds.csv": "folds"}  # fmt: skip
    with pytest.raises(InputError, match=f"{table}, line 2: .*file name"):
        getattr(data, attribute[table])


# Names of files


def test_dots_and_names_of_devices_are_accepted_in_file_names(tmp_path: Path) -> None:
    for name in ("a..dcm", "con.dcm", "-rf.dcm", "a.png.dcm", "..dcm", ".dcm", "..png"):
        (tmp_path / name).write_bytes(b"x")
    assert set(discover.scan_raw_folder(tmp_path).images) == {"a.", "con", "-rf", "a.png"}


def test_a_link_out_of_the_raw_folder_is_read_and_nothing_is_written_there(
    tmp_path: Path, stage: Stage
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = stage.root / "stage_2_images/test0.dcm"
    link.rename(elsewhere / "real.dcm")
    link.symlink_to(elsewhere / "real.dcm")
    before = read_tree(elsewhere), read_tree(stage.root)
    stage()
    assert (read_tree(elsewhere), read_tree(stage.root)) == before
    assert not any(path.is_symlink() for path in (tmp_path / "work").rglob("*"))


def test_a_link_to_nothing_and_a_pipe_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").symlink_to(tmp_path / "none")
    with pytest.raises(InputError, match=r"a\.dcm .*remove it"):
        discover.scan_raw_folder(tmp_path)
    (tmp_path / "a.dcm").unlink()
    os.mkfifo(tmp_path / "a.dcm")
    with pytest.raises(InputError, match=r"a\.dcm .*remove it"):
        discover.scan_raw_folder(tmp_path)


def test_a_folder_named_as_an_image_is_a_folder(tmp_path: Path) -> None:
    write_dicom(tmp_path / "a.dcm" / "b.dcm", noise(1))
    assert discover.scan_raw_folder(tmp_path).images == {"b": "a.dcm/b.dcm"}


# Archives


def test_archives_are_not_unpacked_and_are_named_if_there_are_no_images(tmp_path: Path) -> None:
    Image.fromarray(noise(1)).save(tmp_path / "inner.png")
    with zipfile.ZipFile(tmp_path / "train.zip", "w") as archive:
        archive.write(tmp_path / "inner.png", "../../x.png")
    assert set(discover.scan_raw_folder(tmp_path).images) == {"inner"}
    (tmp_path / "inner.png").unlink()
    with pytest.raises(InputError, match=r"unpack train\.zip"):
        discover.scan_raw_folder(tmp_path)


def test_no_module_can_unpack_an_archive() -> None:
    unpackers = {"zipfile", "tarfile", "unpack_archive", "py7zr"}
    for path in [*ROOT.glob("0*.py"), *(ROOT / "lib").rglob("*.py")]:
        nodes = ast.walk(ast.parse(path.read_text()))
        names = {
            getattr(node, field, None) for node in nodes for field in ("name", "module", "attr")
        }
        assert not names & unpackers, path


# Names in flags


@pytest.mark.parametrize(
    "words",
    [
        ["01_prepare.py", "--demo", "--recipes", "NAME"],
        ["02_train.py", "--recipe", "NAME"],
        ["02_train.py", "--recipe", "demo", "--name", "NAME", "--set", "phases.0.size=32"],
        ["03_infer.py", "--run", "NAME"],
        ["03_infer.py", "--run", "x", "--folds", "NAME"],
        ["04_ensemble.py", "--members", "NAME", "--name", "x"],
        ["04_ensemble.py", "--members", "x", "--name", "NAME"],
        ["04_ensemble.py", "--members", "x", "--name", "x", "--tag", "NAME"],
        ["04_ensemble.py", "--members", "x", "--name", "x", "--folds", "NAME"],
        ["05_submit.py", "--decision", "NAME"],
    ],
    ids=lambda words: " ".join(words),
)
def test_a_hostile_name_in_a_flag_is_refused(
    parent: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    words: list[str],
) -> None:
    before = read_tree(parent)
    words = [HOSTILE if word == "NAME" else word for word in words]
    monkeypatch.setattr(sys, "argv", [*words, "--work", str(parent / "work")])
    with pytest.raises(SystemExit, match="2"):
        runpy.run_path(str(ROOT / words[0]), run_name="__main__")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert HOSTILE in line
    assert read_tree(parent) == before


def test_a_file_that_the_manifest_does_not_list_is_not_opened(parent: Path) -> None:
    (parent / "secret.csv").touch()
    dataset = artifacts.read(Work(parent / "work").dataset)
    with pytest.raises(InputError, match=r"\.\./\.\./secret\.csv"):
        dataset.path("../../secret.csv")
