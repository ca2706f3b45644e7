"""The role of each image, and the inputs that do not fit together."""

import gzip
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lib import csv_files, images
from lib.errors import InputError
from lib.prepare import folds
from lib.prepare.discover import scan_raw_folder
from lib.prepare.plan import Plan, make_plan
from tests.raw_folders import (
    POSITIVE,
    SIDE,
    noise,
    write_csv,
    write_dicom,
    write_labels,
    write_raw,
)


def make(root: Path, n_folds: int = 2, **options: Any) -> Plan:
    return make_plan(scan_raw_folder(root), rle_size=SIDE, n_folds=n_folds, **options)


def files(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def labelled(root: Path, *names: str) -> None:
    write_labels(root / "train.csv", [(name, POSITIVE) for name in names])


def sample(root: Path, *names: str, name: str = "sample_submission.csv") -> None:
    write_labels(root / name, [(each, "-1") for each in names])


def test_labelled_images_train_the_sample_is_test_and_the_rest_is_unlabelled(
    tmp_path: Path,
) -> None:
    files(tmp_path, *(f"{name}.dcm" for name in "abcdef"))
    labelled(tmp_path, "a", "b")
    sample(tmp_path, "f", "c", "c", "e")
    roles = make(tmp_path).roles
    assert roles.train == {"a", "b"}
    assert roles.test == {"c", "e", "f"}
    assert roles.unlabelled == {"d"}
    assert roles.sample == ["f", "c", "e"]


def test_without_a_sample_the_unlabelled_images_of_a_test_folder_are_test(tmp_path: Path) -> None:
    files(tmp_path, "a.dcm", "b.dcm", "test/b2.dcm", "test/c.dcm", "d.dcm")
    labelled(tmp_path, "a", "b", "b2")
    roles = make(tmp_path).roles
    assert (roles.test, roles.sample, roles.unlabelled) == ({"c"}, ["c"], {"d"})


def test_without_labels_everything_is_test(tmp_path: Path) -> None:
    roles = make(files(tmp_path, "b.dcm", "a.png", "x/c.dcm")).roles
    assert (roles.test, roles.sample, roles.train) == ({"a", "b", "c"}, ["a", "b", "c"], set())


def test_the_sample_of_an_earlier_stage_is_ignored(tmp_path: Path) -> None:
    files(tmp_path, *(f"{name}.dcm" for name in "abcd"))
    labelled(tmp_path, "a", "b", "c")  # c was a test image of stage 1
    sample(tmp_path, "c")
    sample(tmp_path, "d", name="stage_2_sample_submission.csv")
    roles = make(tmp_path).roles
    assert (roles.test, roles.train) == ({"d"}, {"a", "b", "c"})


@pytest.mark.parametrize(
    ("samples", "fault"),
    [
        ([("b", "c")], r"1 of 2 ids are labelled.*\(b\)"),
        ([("c",), ("d",)], "more than one sample submission"),
    ],
)
def test_a_sample_that_does_not_fit_is_an_error(
    tmp_path: Path, samples: list[tuple[str, ...]], fault: str
) -> None:
    files(tmp_path, *(f"{name}.dcm" for name in "abcd"))
    labelled(tmp_path, "a", "b")
    names = ("sample_submission.csv", "stage_2_sample_submission.csv")
    for ids, name in zip(samples, names, strict=False):
        sample(tmp_path, *ids, name=name)
    with pytest.raises(InputError, match=fault):
        make(tmp_path)


def test_labelled_ids_without_a_file_are_counted_and_named(tmp_path: Path) -> None:
    files(tmp_path, "a.dcm", "b.dcm")
    labelled(tmp_path, "a", "b", "z5", "z4", "z3", "z2")
    with pytest.raises(
        InputError, match=r"4 of 6 labelled .*\(z2, z3, z4, \.\.\.\).*--allow-missing.*--limit"
    ):
        make(tmp_path)
    assert make(tmp_path, allow_missing=True).roles.train == {"a", "b", "z2", "z3", "z4", "z5"}
    assert make(tmp_path, limit=2).roles.train == {"a", "b"}


def test_test_ids_without_a_file_are_an_error(tmp_path: Path) -> None:
    files(tmp_path, "a.dcm", "b.dcm", "c.dcm")
    labelled(tmp_path, "a", "b")
    sample(tmp_path, "x", "c")
    with pytest.raises(InputError, match=r"1 of 2 test images have no file .*\(x\)"):
        make(tmp_path)
    assert make(tmp_path, allow_missing=True).roles.sample == ["x", "c"]
    assert make(tmp_path, limit=5).roles.sample == ["c"]


def test_the_limit_keeps_the_positive_rate(tmp_path: Path) -> None:
    plan = make(write_raw(tmp_path), limit=6)  # 4 of 12 are positive
    positive = set(plan.annotations["ImageId"][plan.annotations["area_px"] > 0])
    assert len(plan.roles.train) == 6
    assert len(positive) == 2
    assert plan.roles.sample == ["test2", "test1", "test0"]


@pytest.mark.parametrize("n_positive", [4, 9])
def test_a_balanced_set_has_all_of_the_smaller_class(tmp_path: Path, n_positive: int) -> None:
    root = write_raw(tmp_path)
    positive = {f"train{n:02}" for n in range(n_positive)}
    rows = [(f"train{n:02}", POSITIVE if n < n_positive else "-1") for n in range(12)]
    write_labels(root / "stage_2_train.csv", rows)
    train = make(root, balanced=True).roles.train
    count = min(n_positive, 12 - n_positive)
    assert (len(train & positive), len(train - positive)) == (count, count)
    assert train == make(root, balanced=True).roles.train


def test_the_balanced_competition_has_the_images_of_viel_and_orhan(
    tmp_path: Path, shared_data: Path
) -> None:
    labels = tmp_path / "train.csv"
    labels.write_bytes(gzip.decompress(
        (shared_data / "siim_labels" / "stage_2_train.csv.gz").read_bytes()))  # fmt: skip
    for name in set(csv_files.read(labels, ["ImageId"])["ImageId"]):
        (tmp_path / f"{name}.png").touch()
    plan = make_plan(scan_raw_folder(tmp_path), rle_size=1024, n_folds=2, balanced=True)
    positive = plan.annotations["ImageId"][plan.annotations["area_px"] > 0]
    assert (len(plan.roles.train), positive.nunique()) == (5338, 2669)
    assert plan.split is None  # so the two halves are computed
    images = pd.DataFrame({"patient_id": "", "area_px": 0}, index=sorted(plan.roles.train))
    images.loc[positive.unique(), "area_px"] = 1
    assert folds.split(images, n_folds=2).value_counts().to_dict() == {0: 2669, 1: 2669}


def test_a_balanced_set_is_recorded_and_keeps_the_test_images(tmp_path: Path) -> None:
    root = write_raw(tmp_path)
    whole, balanced = make(root), make(root, balanced=True)
    assert balanced.config == whole.config | {"balanced": True}
    assert balanced.roles.test == whole.roles.test
    assert len(balanced.annotations) == 8  # 4 of 12 are positive


def test_the_limit_applies_to_the_balanced_set(tmp_path: Path) -> None:
    plan = make(write_raw(tmp_path), balanced=True, limit=6)
    assert (plan.annotations["area_px"] > 0).sum() == 3
    assert len(plan.roles.train) == 6


def test_images_without_a_file_are_no_part_of_a_balanced_set(tmp_path: Path) -> None:
    files(tmp_path, *(f"{name}.dcm" for name in "abxyz"))
    rows = [(name, POSITIVE if name in "abc" else "-1") for name in "abctuvwxyz"]
    write_labels(tmp_path / "train.csv", rows)
    train = make(tmp_path, balanced=True, allow_missing=True).roles.train
    assert {"a", "b"} < train < set("abxyz")
    assert len(train) == 4


def test_a_balanced_set_needs_both_classes(tmp_path: Path) -> None:
    labelled(files(tmp_path, "a.dcm", "b.dcm"), "a", "b")
    with pytest.raises(InputError, match="2 and 0 labelled .*--balanced needs both"):
        make(tmp_path, balanced=True)


def test_too_few_positives_are_refused_before_anything_is_decoded(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="4 images with a pneumothorax cannot fill 5 folds"):
        make(write_raw(tmp_path), n_folds=5)


def test_a_label_file_without_rows_is_refused(tmp_path: Path) -> None:
    labelled(files(tmp_path, "a.dcm"))
    with pytest.raises(InputError, match="has no rows"):
        make(tmp_path)


def test_a_given_split_must_cover_the_labelled_images(tmp_path: Path) -> None:
    root = write_raw(tmp_path / "raw")
    rows = [("ImageId", "fold"), *((f"train{n:02}", n // 4) for n in range(12))]
    path = write_csv(tmp_path / "f.csv", rows)
    plan = make(root, folds_csv=path)
    assert plan.split == path
    assert plan.config["n_folds"] is None
    with pytest.raises(InputError, match="lacks 1 labelled"):
        make(root, folds_csv=write_csv(tmp_path / "g.csv", rows[:-1]))


def test_the_committed_split_is_used_if_it_has_all_labelled_images(tmp_path: Path) -> None:
    known = csv_files.read(folds.COMMITTED_SPLIT, ["ImageId"])["ImageId"].tolist()[:6]
    files(tmp_path, *(f"{name}.dcm" for name in [*known, "other"]))
    labelled(tmp_path, *known)
    assert make(tmp_path, n_folds=5).split == folds.COMMITTED_SPLIT
    assert make(tmp_path, n_folds=4).split is None
    labelled(tmp_path, *known, "other")
    assert make(tmp_path, n_folds=5).split is None


def test_the_config_does_not_depend_on_the_location(tmp_path: Path) -> None:
    configs = [make(write_raw(tmp_path / name)).config for name in ("one", "two")]
    assert configs[0] == configs[1]
    assert str(tmp_path) not in str(configs)


@pytest.mark.parametrize("suffix", ["png", "dcm"])
def test_labels_that_fit_into_smaller_images_are_refused(tmp_path: Path, suffix: str) -> None:
    for n in range(3):
        path = tmp_path / f"{n}.{suffix}"
        if suffix == "png":
            images.write_png(path, noise(n, 16))
        else:
            write_dicom(path, noise(n, 16))
    write_labels(tmp_path / "train.csv", [("0", "40 5"), ("1", "9 1"), ("2", "-1")])
    with pytest.raises(InputError, match=r"train.csv.* 32x32 .*--rle-size 16$"):
        make(tmp_path)


def test_images_of_a_training_folder_need_labels(tmp_path: Path) -> None:
    files(tmp_path, "train/a.png", "train/b.png", "test/c.png")
    write_csv(tmp_path / "notes.csv", [("id", "mask"), ("a", POSITIVE)])
    for root in (tmp_path, tmp_path / "train"):
        with pytest.raises(InputError, match=r"2 images in a training folder \(a, b\).*--labels"):
            make(root)
    with pytest.raises(InputError, match="no labels in notes.csv"):
        make(tmp_path)
    sample(tmp_path, "b", "a")
    assert make(tmp_path).roles.test == {"a", "b", "c"}


def test_ids_of_all_tables_may_have_the_extension_of_the_file(tmp_path: Path) -> None:
    files(tmp_path, "a.png", "b.jpg", "c.dcm.png", "d.png", "e.png", "f.dcm", "g.dcm")
    write_labels(tmp_path / "train.csv", [("a.png", POSITIVE), ("b.PNG", "-1"), ("c.dcm", "-1"),
                                          ("d.png", POSITIVE)])  # fmt: skip
    sample(tmp_path, "f.dcm", "e.png", "g")
    rows = [("a.png", "p", 0), ("b", "p", 0), ("c.dcm.png", "q", 1), ("d.jpg", "q", 1)]
    table = write_csv(tmp_path / "p.csv", [("ImageId", "patient_id", "fold"), *rows])
    plan = make(tmp_path, groups_csv=table, folds_csv=table)
    assert plan.roles.train == {"a", "b", "c.dcm", "d"}
    assert plan.roles.sample == ["f", "e", "g"]
    assert "submission.csv has f for f.dcm" in plan.describe()
    assert plan.patients["patient_id"].to_dict() == {"a": "p", "b": "p", "c.dcm": "q", "d": "q"}


def test_a_patient_in_two_folds_is_refused_whatever_the_extensions(tmp_path: Path) -> None:
    files(tmp_path, *(f"{name}.png" for name in "abcd"))
    write_labels(tmp_path / "train.csv", [("a", POSITIVE), ("b", "-1"), ("c", POSITIVE),
                                          ("d", "-1")])  # fmt: skip
    table = [("ImageId", "patient_id", "fold"), ("a.png", "p", 0), ("b.png", "q", 0)]
    table += [("c.png", "p", 1), ("d.png", "r", 1)]
    path = write_csv(tmp_path / "p.csv", table)
    with pytest.raises(InputError, match="line 4: c is in fold 1, another image .* 'p'.* fold 0"):
        make(tmp_path, groups_csv=path, folds_csv=path)


def test_labels_of_other_images_are_refused_whatever_may_be_missing(tmp_path: Path) -> None:
    files(tmp_path, "a.png")
    labelled(tmp_path, "x", "y")
    for options in ({}, {"allow_missing": True}, {"limit": 5}):
        with pytest.raises(InputError, match="labels x, y, .* named as a; give other --labels"):
            make(tmp_path, **options)


def test_a_plan_names_its_tables_its_split_and_its_frame(tmp_path: Path) -> None:
    assert make(write_raw(tmp_path)).describe() == (
        "labels: stage_2_train.csv; sample submission: stage_2_sample_submission.csv; "
        "split: computed, 2 folds; RLE frame: 32x32"
    )
    assert make(files(tmp_path / "x", "a.png")).describe() == (
        "labels: none; sample submission: none; split: none; RLE frame: 32x32"
    )


def test_labels_without_a_negative_are_warned_of(tmp_path: Path) -> None:
    files(tmp_path, *(f"{name}.dcm" for name in "abcd"))
    labelled(tmp_path, "a", "b")
    assert "2 images without a label are left out" in make(tmp_path).describe()
    write_labels(tmp_path / "train.csv", [("a", POSITIVE), ("b", POSITIVE), ("c", "-1")])
    assert "warning" not in make(tmp_path).describe()
