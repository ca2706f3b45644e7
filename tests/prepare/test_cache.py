"""The caches: one pass over the raw files for all sizes, sizes added later, interrupted runs."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from lib import artifacts, dataset, images, rle
from lib.errors import InputError
from lib.layout import Work, image_file, mask_file
from lib.prepare import cache
from lib.prepare.cache import DecodeJob
from lib.prepare.dataset import build_dataset
from lib.prepare.discover import scan_raw_folder
from lib.prepare.plan import make_plan
from tests.raw_folders import POSITIVE, SIDE, noise, write_dicom, write_raw


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_raw(tmp_path / "raw")


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path / "work")


def build(root: Path, work: Work, sizes: Sequence[int], workers: int = 1) -> cache.CacheDrafts:
    """Do the first part of stage 01: the dataset is complete, the caches are filled."""
    plan = make_plan(scan_raw_folder(root), rle_size=SIDE, n_folds=2)
    draft, caches = cache.begin(work, sizes, plan.config)
    if draft:
        build_dataset(draft, plan, caches, allow_unreadable=False, workers=workers)
    return caches


def finish(root: Path, work: Work, caches: cache.CacheDrafts, workers: int = 1) -> None:
    data = dataset.read(work)
    cache.finish(work, caches, source=scan_raw_folder(root), data=data, workers=workers)


def prepare(root: Path, work: Work, sizes: Sequence[int], workers: int = 1) -> None:
    finish(root, work, build(root, work, sizes, workers), workers)


def erase(*files: Path) -> None:
    """Overwrite files with as many null bytes: listed as before, but not decodable."""
    for file in files:
        file.write_bytes(bytes(file.stat().st_size))


def test_images_and_masks_of_every_size(root: Path, work: Work) -> None:
    prepare(root, work, [8, SIDE])
    small, whole = (artifacts.read(work.cache(size)) for size in (8, SIDE))
    assert (images.read_png(whole.path(image_file("train05"))) == noise(5)).all()
    expected = rle.decode(POSITIVE, SIDE, SIDE) * np.uint8(255)
    assert (images.read_png(whole.path(mask_file("train03"))) == expected).all()
    assert images.read_png(small.path(image_file("test0"))).shape == (8, 8)
    assert images.read_png(small.path(mask_file("train03"))).shape == (8, 8)


def test_only_positives_have_masks_and_only_used_images_are_there(root: Path, work: Work) -> None:
    write_dicom(root / "unlabelled.dcm", noise(77))
    prepare(root, work, [8])
    data = dataset.read(work)
    used = [*data.truth, *data.test_ids]
    assert set(artifacts.read(work.cache(8)).files) == {image_file(name) for name in used} | {
        mask_file(name) for name in data.truth if data.positive(name)
    }


def test_one_pass_over_the_raw_files_fills_all_caches(root: Path, work: Work) -> None:
    caches = build(root, work, [8, 16, SIDE])
    erase(*root.rglob("*.dcm"))
    finish(root, work, caches)
    assert image_file("test2") in artifacts.read(work.cache(16)).files


def test_a_size_added_later_equals_one_made_at_once(root: Path, tmp_path: Path) -> None:
    together, later = Work(tmp_path / "together"), Work(tmp_path / "later")
    prepare(root, together, [8, 16])
    prepare(root, later, [8])
    prepare(root, later, [8, 16])
    for size in (8, 16):
        first, second = (artifacts.read(work.cache(size)) for work in (together, later))
        assert first.id == second.id
        assert second.inputs == {"dataset": artifacts.read(later.dataset).id}


def test_workers_change_nothing(root: Path, tmp_path: Path) -> None:
    alone, pool = Work(tmp_path / "alone"), Work(tmp_path / "pool")
    for work, workers in ((alone, 1), (pool, 2)):
        prepare(root, work, [8], workers)
    assert artifacts.read(alone.cache(8)).id == artifacts.read(pool.cache(8)).id
    assert artifacts.read(alone.dataset).id == artifacts.read(pool.dataset).id


def test_an_interrupted_run_goes_on_after_its_last_image(root: Path, tmp_path: Path) -> None:
    work, whole = Work(tmp_path / "work"), Work(tmp_path / "whole")
    prepare(root, whole, [8])
    plan = make_plan(scan_raw_folder(root), rle_size=SIDE, n_folds=2)
    *before, sixth = (root / plan.source.images[name] for name in plan.image_ids[:6])
    draft, caches = cache.begin(work, [8], plan.config)
    assert draft
    shutil.move(sixth, tmp_path / "away")
    with pytest.raises(FileNotFoundError):
        build_dataset(draft, plan, caches, allow_unreadable=False, workers=1)
    shutil.move(tmp_path / "away", sixth)
    erase(*(path for path in before if path.stem != "train00"))  # masks.png shows train00
    prepare(root, work, [8])
    assert artifacts.read(work.cache(8)).id == artifacts.read(whole.cache(8)).id
    assert artifacts.read(work.dataset).id == artifacts.read(whole.dataset).id


def test_an_image_lost_between_dataset_and_cache_is_decoded_again(root: Path, work: Work) -> None:
    caches = build(root, work, [8])
    (work.cache(8).partial / image_file("train01")).unlink()
    finish(root, work, caches)
    assert image_file("train01") in artifacts.read(work.cache(8)).files


def test_a_raw_file_that_changed_since_is_refused(root: Path, work: Work) -> None:
    prepare(root, work, [8])
    write_dicom(root / "stage_2_images" / "test0.dcm", noise(9))  # of the same length
    with pytest.raises(InputError, match=r"test0.dcm has other pixels .*--replace"):
        prepare(root, work, [8, 16])


def test_a_cache_of_another_dataset_is_refused(root: Path, work: Work) -> None:
    prepare(root, work, [8])
    write_dicom(root / "stage_2_images" / "test0.dcm", noise(9))  # of the same length
    shutil.rmtree(work.dataset.folder)
    with pytest.raises(InputError, match="cache/8 was made .* another dataset .*--replace"):
        prepare(root, work, [8])
    write_dicom(root / "stage_2_images" / "test9.dcm", noise(10))
    shutil.rmtree(work.dataset.folder)
    with pytest.raises(InputError, match="cache/8 .*another dataset.*--replace"):
        prepare(root, work, [8])


def test_a_record_holds_header_size_and_digest_of_a_file(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", noise(3), PatientSex="F", PatientAge="413")
    (record,) = cache.decode([DecodeJob("a", path, rle.EMPTY, SIDE, {})], workers=1)
    assert (record["rows"], record["columns"]) == (SIDE, SIDE)
    assert (record["sex"], record["age"]) == ("F", "")
    assert record["cleaned"] == (("age", "413", "missing"),)
    assert len(record["sha256"]) == 64


def test_the_record_of_an_unreadable_file_holds_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(b"")
    job = DecodeJob("a", path, rle.EMPTY, SIDE, {8: tmp_path})
    assert list(cache.decode([job], workers=1)) == [{"ImageId": "a", "unreadable": "empty file"}]
