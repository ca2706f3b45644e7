"""Images and tables of a raw folder are found in any layout; ambiguous folders are refused."""

import gzip
import os
from pathlib import Path

import pytest

from lib.errors import InputError
from lib.files import write_bytes
from lib.prepare.discover import scan_raw_folder
from tests.raw_folders import POSITIVE, write_csv, write_labels, write_raw


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def test_nested_and_flat_images_of_all_kinds_are_found(tmp_path: Path) -> None:
    touch(tmp_path, "train/s1/s2/1.2.33.dcm", "b.DICOM", "images/c.PNG", "d.jpg", "e.jpeg", "x.txt")
    assert scan_raw_folder(tmp_path).images == {
        "1.2.33": "train/s1/s2/1.2.33.dcm",
        "b": "b.DICOM",
        "c": "images/c.PNG",
        "d": "d.jpg",
        "e": "e.jpeg",
    }


def test_hidden_files_do_not_count(tmp_path: Path) -> None:
    touch(tmp_path, "a.dcm", "._a.dcm", ".cache/a.dcm", "__MACOSX/a.dcm", "lost+found/a.dcm")
    assert scan_raw_folder(tmp_path).images == {"a": "a.dcm"}


def test_a_folder_that_cannot_be_read_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a.dcm")
    monkeypatch.chdir(tmp_path)
    for _ in range(20):  # deeper than the longest path that the system opens
        os.mkdir("d" * 250)
        os.chdir("d" * 250)
    with pytest.raises(InputError, match="ddd: File name too long; .* or take it out"):
        scan_raw_folder(tmp_path)


def test_links_to_files_and_folders_are_followed_once(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere", "a.dcm", "b.dcm")
    root = touch(tmp_path / "raw", "c.dcm")
    (root / "a.dcm").symlink_to(tmp_path / "elsewhere" / "a.dcm")
    (root / "loop").symlink_to(root)
    (root / "more").symlink_to(touch(tmp_path / "folder", "d.dcm"))
    assert set(scan_raw_folder(root).images) == {"a", "c", "d"}


@pytest.mark.parametrize(
    "name",
    ["train-rle.csv", "stage_2_train.csv", "train.csv.gz", "Train-RLE.csv", "a/b/train-rle.csv"],
)
def test_the_label_file_is_found_under_all_its_names(tmp_path: Path, name: str) -> None:
    assert scan_raw_folder(touch(tmp_path, "a.dcm", name)).labels == tmp_path / name


@pytest.mark.parametrize(
    "name", ["train-rle-sample.csv", "test-truth.csv", "a/b/c/train.csv", "sample_submission.csv"]
)
def test_other_tables_are_not_labels(tmp_path: Path, name: str) -> None:
    assert scan_raw_folder(touch(tmp_path, "a.dcm", name)).labels is None


@pytest.mark.parametrize("name", ["masks.csv", "my_labels.csv.gz", "a/train-rle-sample.csv"])
def test_a_label_file_of_any_name_is_found_by_its_columns(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "train/a.png", "train/b.png", "test/c.png", "a/b/c/train.csv")
    content = "id, EncodedPixels ,ImageId\n1,0 3,a.png\n2,-1,b\n"
    write_bytes(
        tmp_path / name, gzip.compress(content.encode()) if "gz" in name else content.encode()
    )
    write_csv(tmp_path / "patients.csv", [("ImageId", "patient_id"), ("a", "p")])
    source = scan_raw_folder(tmp_path)
    assert (source.labels, source.samples) == (tmp_path / name, [])


def test_a_table_without_a_mask_is_a_sample_unless_it_names_training_images(tmp_path: Path) -> None:
    touch(tmp_path, "train/a.png", "b.png")
    write_labels(tmp_path / "x.csv", [("b", "-1")])
    write_labels(tmp_path / "y.csv", [("a", "-1")])
    source = scan_raw_folder(tmp_path)
    assert (source.labels, source.samples) == (tmp_path / "y.csv", [tmp_path / "x.csv"])


def test_truths_submissions_and_tables_of_other_images_are_not_labels(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png", "test/c.png")
    write_labels(tmp_path / "sample_submission.csv", [("b", "-1")])
    write_labels(tmp_path / "truth.csv", [("b", "0 3")])
    write_labels(tmp_path / "old.csv", [("b", "-1")])
    write_labels(tmp_path / "test-masks.csv", [("c", "0 3")])
    write_labels(tmp_path / "other.csv", [("z", "0 3")])
    source = scan_raw_folder(tmp_path)
    assert (source.labels, source.samples) == (None, [tmp_path / "sample_submission.csv"])


def test_two_tables_with_labels_are_an_error_that_names_both(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    for start, name in enumerate(("train.csv", "mine.csv")):
        write_labels(tmp_path / name, [("a", f"{start} 3")])
    with pytest.raises(InputError, match=r"\(train.csv, mine.csv\); choose with --labels"):
        scan_raw_folder(tmp_path)
    assert scan_raw_folder(tmp_path, tmp_path / "mine.csv").labels == tmp_path / "mine.csv"


@pytest.mark.parametrize("name", ["train-rle-sample.csv", "stage_1_train.csv"])
def test_rows_that_another_label_file_has_too_are_no_labels_of_their_own(
    tmp_path: Path, name: str
) -> None:
    touch(tmp_path, "a.png", "b.png")
    write_labels(tmp_path / "train-rle.csv", [("a", "0 3"), ("a", "9 3"), ("b", "-1")])
    write_labels(tmp_path / name, [("b", "-1"), ("a", "9 3")])
    assert scan_raw_folder(tmp_path).labels == tmp_path / "train-rle.csv"
    write_labels(tmp_path / name, [("a", "9 4")])
    with pytest.raises(InputError, match=f"{name}.*choose with --labels"):
        scan_raw_folder(tmp_path)


def test_the_first_of_equal_label_files_is_taken(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    for name in ("train.csv", "copy/train.csv", "mine.csv"):
        write_labels(tmp_path / name, [("a", "0 3")])
    assert scan_raw_folder(tmp_path).labels == tmp_path / "train.csv"


@pytest.mark.parametrize(
    "name", ["sample_submission.csv", "stage_2_sample_submission.csv", "x/sample-submission.csv.gz"]
)
def test_the_sample_submission_is_found_under_all_its_names(tmp_path: Path, name: str) -> None:
    assert scan_raw_folder(touch(tmp_path, "a.dcm", name)).samples == [tmp_path / name]


def test_two_label_files_are_an_error_that_names_both(tmp_path: Path) -> None:
    touch(tmp_path, "a.dcm", "train-rle.csv", "old/stage_2_train.csv")
    with pytest.raises(InputError, match=r"train-rle.csv, old/stage_2_train.csv\); .*--labels"):
        scan_raw_folder(tmp_path)
    chosen = tmp_path / "train-rle.csv"
    assert scan_raw_folder(tmp_path, chosen).labels == chosen


@pytest.mark.parametrize(
    ("names", "options", "fault"),
    [
        (["x/a.dcm", "y/a.png"], {}, "image a: x/a.dcm and y/a.png"),
        (["masks/a.png", "x/a.png"], {}, r"beside its .*: masks/a.png .* --masks \S*/masks,"),
        (["a b;c.dcm"], {}, "cannot be a file name"),
        (["train.csv"], {}, "has no images"),
        (["a.dcm"], {"labels": "no.csv"}, "no.csv does not exist"),
        (["a.dcm"], {"work": "work"}, "outside the raw data"),
        (["a.dcm"], {"masks": "no"}, "no is not a folder; --masks"),
        (["a.dcm"], {"masks": "."}, "has the images in it; --masks"),
        (["a.dcm", "m/x.txt"], {"masks": "m"}, "has no masks .*; --masks wants"),
        (["a.dcm", "m/a.png", "m/a.jpg"], {"masks": "m"}, "image a: a.jpg and a.png; .*--masks"),
    ],
)
def test_what_does_not_fit_is_an_error(
    tmp_path: Path, names: list[str], options: dict[str, str], fault: str
) -> None:
    touch(tmp_path, *names)
    paths = {option: tmp_path / name for option, name in options.items()}
    with pytest.raises(InputError, match=fault):
        scan_raw_folder(tmp_path, **paths)


def test_a_folder_of_masks_replaces_a_label_file_and_holds_no_images(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.jpg", "masks/a.png", "masks/x/b.dcm.png", "masks/train.csv")
    labels = write_labels(tmp_path / "train.csv", [("a", "0 3")])
    source = scan_raw_folder(tmp_path, masks=tmp_path / "masks")
    assert set(source.images) == {"a", "b"}
    assert source.labels == tmp_path / "masks"
    assert source.masks == {"a": "a.png", "b.dcm": "x/b.dcm.png"}
    assert source.tables == [labels]


def test_masks_may_all_be_named_with_mask_after_the_image(tmp_path: Path) -> None:
    root = touch(tmp_path / "raw", "a.png", "b.png")
    masks = touch(tmp_path / "masks", "a_mask.png", "b_mask.png")
    assert scan_raw_folder(root, masks=masks).masks == {"a": "a_mask.png", "b": "b_mask.png"}
    touch(masks, "c.png")
    assert list(scan_raw_folder(root, masks=masks).masks) == ["a_mask", "b_mask", "c"]
    touch(root, "a_mask.png")  # an id may end so
    assert "a_mask" in scan_raw_folder(root, masks=masks).masks


def test_the_folder_of_all_images_is_none_of_masks(tmp_path: Path) -> None:
    touch(tmp_path, "train/a.png", "train/b.png")
    with pytest.raises(InputError, match="train has all images of .*; --masks wants"):
        scan_raw_folder(tmp_path, masks=tmp_path / "train")


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a folder"):
        scan_raw_folder(tmp_path / "nowhere")


def test_the_digest_depends_on_paths_and_sizes_but_not_on_the_location(tmp_path: Path) -> None:
    first, second = (scan_raw_folder(write_raw(tmp_path / name)) for name in ("one", "two"))
    assert first.digest == second.digest
    touch(tmp_path / "two", "dicom-images-train/study0/series/train00.dcm")
    assert scan_raw_folder(tmp_path / "two").digest != first.digest


def test_test_images_are_known_by_the_folders_in_the_raw_folder(tmp_path: Path) -> None:
    source = scan_raw_folder(touch(tmp_path / "test", "dicom-images-test/a/b/1.dcm",
                                   "stage_2_images/2.dcm", "train/3.dcm", "4.dcm"))  # fmt: skip
    assert [name for name in source.images if source.in_test_folder(name)] == ["1", "2"]


def test_labels_are_not_read_yet(tmp_path: Path) -> None:
    write_labels(tmp_path / "train.csv", [("a", "nonsense")])
    assert scan_raw_folder(touch(tmp_path, "a.dcm")).labels == tmp_path / "train.csv"


def test_the_competition_s_label_file_does_not_give_way_to_one_with_more_rows(
    tmp_path: Path,
) -> None:
    """A submission of all images, as people make one of labels and sample, is no label file."""
    touch(tmp_path, "train/a.dcm", "train/b.dcm", "test/c.dcm")
    labels = [("a", POSITIVE), ("b", "-1")]
    write_labels(tmp_path / "train-rle.csv", labels)
    write_labels(tmp_path / "submission.csv", [*labels, ("c", "-1")])
    with pytest.raises(InputError, match=r"submission.csv.* images of a test folder .1..*--labels"):
        scan_raw_folder(tmp_path)
    assert scan_raw_folder(tmp_path, tmp_path / "train-rle.csv").labels
    write_labels(tmp_path / "submission.csv", [*labels, ("c", POSITIVE)])
    with pytest.raises(InputError, match=r"train-rle.csv, submission.csv.*--labels"):
        scan_raw_folder(tmp_path)
