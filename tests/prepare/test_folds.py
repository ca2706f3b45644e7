"""The split: even folds, patients kept together, and the inputs that are refused."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lib import csv_files
from lib.cli import run_stage
from lib.errors import InputError
from lib.prepare import folds, labels
from tests.raw_folders import write_csv


def random_images(count: int = 600, seed: int = 0) -> pd.DataFrame:
    """Images of about 200 patients, a quarter positive, areas over three decades."""
    rng = np.random.default_rng(seed)
    positive = rng.random(count) < 0.25
    areas = np.where(positive, np.exp(rng.normal(9, 1.2, count)).astype(int) + 1, 0)
    patients = [f"p{number}" for number in rng.integers(0, 200, count)]
    names = pd.Index([f"image{number:04}" for number in range(count)], name="ImageId")
    return pd.DataFrame({"patient_id": patients, "area_px": areas}, index=names)


def test_no_patient_is_in_two_folds() -> None:
    images = random_images()
    folds_by_patient = folds.split(images, 5).groupby(images["patient_id"])
    assert folds_by_patient.nunique().max() == 1


def test_folds_have_equal_positive_rates() -> None:
    images = random_images()
    rates = (images["area_px"] > 0).groupby(folds.split(images, 5)).mean()
    assert len(rates) == 5
    assert rates.max() - rates.min() < 0.03


def test_area_quartiles_are_spread_over_the_folds() -> None:
    images = random_images().assign(patient_id="")
    positive = images[images["area_px"] > 0]
    quartiles = pd.qcut(positive["area_px"], 4, labels=False)
    counts = pd.crosstab(folds.split(images, 5).loc[positive.index], quartiles)
    assert (counts.max() - counts.min()).max() <= 2


def test_an_image_without_a_known_patient_is_a_patient_of_its_own() -> None:
    images = random_images().assign(patient_id="")
    assert folds.split(images, 5).value_counts().max() <= 122


def test_the_seed_decides_and_the_order_of_the_rows_does_not() -> None:
    images = random_images()
    shuffled = images.sample(frac=1, random_state=1)
    assert folds.split(shuffled, 5).sort_index().equals(folds.split(images, 5))
    assert not folds.split(images, 5, seed=1).equals(folds.split(images, 5, seed=2))


@pytest.mark.parametrize("count", [2, 3, 5, 7])
def test_as_many_positives_as_folds_give_each_fold_one(count: int) -> None:
    images = random_images(60).assign(patient_id="", area_px=0)
    images.iloc[:count, 1] = np.arange(1, count + 1) * 100
    assert sorted(folds.split(images, count).iloc[:count]) == list(range(count))


@pytest.mark.parametrize(
    ("columns", "n_folds", "fault"),
    [
        ({"area_px": [5] * 4 + [0] * 56}, 5, "4 images with a pneumothorax cannot fill 5 folds"),
        (
            {"patient_id": ["p", "q", "r"] * 20, "area_px": [1, 0] * 30},
            5,
            "3 patients .*cannot fill 5 folds.*--n-folds",
        ),
        ({"patient_id": "ANON"}, 2, "1 patients .*cannot fill 2 folds.*--groups CSV"),
        ({}, 1, "2 folds or more"),
    ],
    ids=["positives", "patients", "one-patient-for-all", "one-fold"],
)
def test_folds_that_cannot_be_filled_are_refused(
    columns: dict[str, object], n_folds: int, fault: str
) -> None:
    with pytest.raises(InputError, match=fault):
        folds.split(random_images(60).assign(**columns), n_folds)


@pytest.mark.parametrize(
    ("positive", "fault"),
    [
        ("a", "fold 1 has no positive image"),
        ("bcd", "fold 1 has no negative image"),
        ("", "fold 0 has no positive image"),
        ("abcd", "fold 0 has no negative image"),
    ],
)
def test_a_given_fold_of_one_class_is_refused(positive: str, fault: str) -> None:
    given = pd.Series({"a": 0, "b": 0, "c": 1, "d": 1})
    classes = pd.Series({name: name in positive for name in "dcba"})
    with pytest.raises(InputError, match=f"^f.csv: {fault}.*; give every fold both, or leave"):
        folds.check_both_classes(Path("f.csv"), given, classes)


# The command line.


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Split a to h, half of them positive; return the exit code and the message."""
    rows = [("ImageId", "EncodedPixels"), *((name, "0 3") for name in "abcd")]
    write_csv(tmp_path / "labels.csv", [*rows, *((name, "-1") for name in "efgh")])

    def run(patients: str, out: str, *flags: str) -> tuple[int, str]:
        (tmp_path / "patients.csv").write_text(f"ImageId,patient_id\n{patients}")
        monkeypatch.chdir(tmp_path)
        argv = ["folds", "labels.csv", "patients.csv", out, "--n-folds", "2", *flags]
        monkeypatch.setattr(sys, "argv", argv)
        code: object = 0
        try:
            run_stage(folds.main)
        except SystemExit as caught:
            code = caught.code
        output = capsys.readouterr()
        assert isinstance(code, int)
        return code, output.err or output.out

    return run


def test_the_command_writes_a_split_that_keeps_patients_together(
    command: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    assert command("a,p\nb,p\ne,p\nz,q\n", "out.csv") == (0, "8 images in 2 folds -> out.csv\n")
    split = csv_files.read(tmp_path / "out.csv", ["ImageId", "fold"]).set_index("ImageId")["fold"]
    assert sorted(split.index) == list("abcdefgh")
    assert split["a"] == split["b"] == split["e"]


@pytest.mark.parametrize("out", ["labels.csv", "./patients.csv", "link.csv"])
def test_its_input_tables_are_not_overwritten(
    command: Callable[..., tuple[int, str]], tmp_path: Path, out: str
) -> None:
    (tmp_path / "link.csv").symlink_to("labels.csv")
    before = (tmp_path / "labels.csv").read_bytes()
    code, message = command("a,p\n", out)
    assert (code, message.count("\n")) == (2, 1)
    assert f"{Path(out)} is a table that is read; choose another OUT" in message
    assert (tmp_path / "labels.csv").read_bytes() == before


@pytest.mark.parametrize("seed", ["-1", "4294967296", "x", "9" * 5000])
def test_a_seed_out_of_range_is_refused(command: Callable[..., tuple[int, str]], seed: str) -> None:
    code, message = command("a,p\n", "out.csv", "--seed", seed)
    assert code == 2
    assert message.splitlines()[-1].endswith("is not a whole number from 0 to 4294967295")


def test_the_committed_split_has_five_folds_of_ids_and_numbers_only() -> None:
    split = csv_files.read(folds.COMMITTED_SPLIT, ["ImageId", "fold"])
    assert list(split.columns) == ["ImageId", "fold"]
    assert len(split) == split["ImageId"].nunique() == 12047
    assert set(split["fold"]) == set("01234")
    assert split["ImageId"].is_monotonic_increasing


def test_the_committed_split_is_even_and_keeps_patients_together(shared_data: Path) -> None:
    rows = labels.read(shared_data / "siim_labels" / "stage_2_train.csv.gz", 1024)
    images = rows.groupby("ImageId")[["area_px"]].sum()  # of the union: a little less for 183
    patients = csv_files.read(shared_data / "siim_labels" / "patients.csv.gz", ["ImageId"])
    images = images.join(patients.set_index("ImageId"))
    images["fold"] = folds.read_split(folds.COMMITTED_SPLIT, images.index)
    assert images.groupby("patient_id")["fold"].nunique().max() == 1
    rates = (images["area_px"] > 0).groupby(images["fold"]).mean() * 100
    assert (rates - 22.15).abs().max() < 0.3
    positive = images[images["area_px"] > 0]
    counts = pd.crosstab(positive["fold"], pd.qcut(positive["area_px"], 4, labels=False))
    assert counts.to_numpy().min() >= 0.9 * counts.to_numpy().max()
