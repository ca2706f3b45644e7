"""The caches: one decode a file for all sizes, masks from the RLE frame, sizes added later."""

from pathlib import Path

import numpy as np
import pytest

from lib import artifacts, dataset, images, rle
from lib.artifacts import Artifact
from lib.dataset import Dataset
from lib.errors import InputError
from lib.layout import Work, image_file, mask_file
from lib.prepare import cache, discover, plan
from lib.prepare import dataset as tables_of
from lib.prepare.cache import Job
from tests.raw_folders import POSITIVE, SIDE, noise, write_dicom, write_raw


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_raw(tmp_path / "raw")


def prepare(root: Path, work: Work, sizes: list[int], workers: int = 1) -> Dataset:
    source = discover.discover(root)
    planned = plan.make_plan(source, SIDE, n_folds=2)
    draft = artifacts.begin(work.dataset, planned.config)
    caches = cache.begin(work, sizes, planned.config, replace=False)
    if draft:
        tables_of.build_dataset(draft, caches, planned, allow_unreadable=False, workers=workers)
    made = dataset.read(work)
    cache.complete(work, sizes, source, made, workers)
    return made


def everything(artifact: Artifact) -> dict[str, str]:
    return {name: stamp["sha256"] for name, stamp in artifact.files.items()}


def test_images_and_masks_of_every_size(root: Path, tmp_path: Path) -> None:
    work = Work(tmp_path / "work")
    prepare(root, work, [8, SIDE])
    small, whole = (artifacts.read(work.cache(size)) for size in (8, SIDE))
    assert (images.read_png(whole.path(image_file("train05"))) == noise(5)).all()
    expected = rle.decode(POSITIVE, SIDE, SIDE) * np.uint8(255)
    assert (images.read_png(whole.path(mask_file("train03"))) == expected).all()
    assert images.read_png(small.path(image_file("test0"))).shape == (8, 8)
    assert images.read_png(small.path(mask_file("train03"))).shape == (8, 8)


def test_only_positives_have_masks_and_only_used_images_are_there(
    root: Path, tmp_path: Path
) -> None:
    write_dicom(root / "unlabelled.dcm", noise(77))
    work = Work(tmp_path / "work")
    made = prepare(root, work, [8])
    files = set(artifacts.read(work.cache(8)).files)
    used = [*made.truth, *made.test_ids]
    assert files == {image_file(name) for name in used} | {
        mask_file(name) for name in made.truth if made.positive(name)
    }


def test_a_size_added_later_is_the_same_as_one_made_at_once(root: Path, tmp_path: Path) -> None:
    together, later = Work(tmp_path / "together"), Work(tmp_path / "later")
    prepare(root, together, [8, 16])
    prepare(root, later, [8])
    prepare(root, later, [8, 16])
    for size in (8, 16):
        ids = {artifacts.read(work.cache(size)).id for work in (together, later)}
        assert len(ids) == 1


def test_workers_change_nothing(root: Path, tmp_path: Path) -> None:
    alone, pool = Work(tmp_path / "alone"), Work(tmp_path / "pool")
    for work, workers in ((alone, 1), (pool, 2)):
        prepare(root, work, [8], workers)
    assert artifacts.read(alone.cache(8)).id == artifacts.read(pool.cache(8)).id
    assert artifacts.read(alone.dataset).id == artifacts.read(pool.dataset).id


def test_each_file_is_decoded_once_for_all_sizes(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = []
    read = cache.dicom.read
    monkeypatch.setattr(cache.dicom, "read", lambda path: decoded.append(path) or read(path))
    prepare(root, Work(tmp_path / "work"), [8, 16, SIDE])
    assert len(decoded) == len(set(decoded)) == 15


def test_a_run_that_was_interrupted_goes_on(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, whole = Work(tmp_path / "work"), Work(tmp_path / "whole")
    prepare(root, whole, [8])
    read, decoded = cache.dicom.read, []

    def fails_at_the_sixth(path: Path) -> object:
        decoded.append(path)
        if len(decoded) == 6:
            raise KeyboardInterrupt
        return read(path)

    monkeypatch.setattr(cache.dicom, "read", fails_at_the_sixth)
    with pytest.raises(KeyboardInterrupt):
        prepare(root, work, [8])
    prepare(root, work, [8])
    assert len(decoded) == 15 + 1
    assert everything(artifacts.read(work.cache(8))) == everything(artifacts.read(whole.cache(8)))
    assert artifacts.read(work.dataset).id == artifacts.read(whole.dataset).id


def test_a_kill_between_dataset_and_caches_is_mended(root: Path, tmp_path: Path) -> None:
    work = Work(tmp_path / "work")
    source = discover.discover(root)
    planned = plan.make_plan(source, SIDE, n_folds=2)
    draft = artifacts.begin(work.dataset, planned.config)
    assert draft
    caches = cache.begin(work, [8], planned.config, replace=False)
    tables_of.build_dataset(draft, caches, planned, allow_unreadable=False, workers=1)
    (work.cache(8).partial / image_file("train01")).unlink()
    prepare(root, work, [8])
    assert image_file("train01") in artifacts.read(work.cache(8)).files


def test_a_file_that_changed_since_is_refused(root: Path, tmp_path: Path) -> None:
    work = Work(tmp_path / "work")
    prepare(root, work, [8])
    write_dicom(root / "stage_2_images" / "test0.dcm", noise(9))  # as long as before
    with pytest.raises(InputError, match=r"test0.dcm has other pixels .*--replace"):
        prepare(root, work, [8, 16])


def test_a_record_says_what_was_decoded(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", noise(3), PatientSex="F", PatientAge="413")
    (record,) = cache.decode([Job("a", path, rle.EMPTY, SIDE, {})], workers=1)
    assert (record["rows"], record["columns"], record["sex"], record["age"]) == (
        SIDE,
        SIDE,
        "F",
        "",
    )
    assert record["cleaned"] == (("age", "413", "missing"),)
    assert len(record["sha256"]) == 64


def test_an_unreadable_file_has_a_record_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(b"")
    job = Job("a", path, rle.EMPTY, SIDE, {8: tmp_path})
    assert list(cache.decode([job], workers=1)) == [{"ImageId": "a", "unreadable": "empty file"}]
