"""What stage 01 costs, beside the least that it could, and beside the usual way.

    python -m tests.bench prepare [--images 600] [--rounds 3] [--workers N]

Phantoms of 1024 x 1024 are drawn first: DICOM in JPEG Baseline, as the competition's files are.
"""

import argparse
import os
import shutil
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from lib import artifacts, csv_files
from lib import dataset as datasets
from lib.layout import Work
from lib.parallel import map_in_processes
from lib.prepare import cache, dataset, discover, folds, plan
from lib.prepare.phantom import write_phantoms
from tests.bench.clock import side_by_side
from tests.bench.reference import File, least, prepare_in_threads
from tests.bench.table import Row, show

SIZE, FRAME = 512, 1024


def phantoms(folder: Path, images: int, workers: int) -> Path:
    """Draw radiographs, four fifths of them to train on; `folder`."""
    write_phantoms(folder, images - images // 5, images // 5, size=FRAME, workers=workers)
    return folder


def prepare(folder: Path, work: Work, sizes: Sequence[int], workers: int) -> None:
    """Do what 01_prepare.py does with a raw folder."""
    source = discover.scan_raw_folder(folder)
    planned = plan.make_plan(source, rle_size=FRAME, n_folds=folds.N_FOLDS)
    draft = artifacts.begin(work.dataset, planned.config)
    assert draft
    caches = cache.begin(work, sizes, planned.config, replace=False)
    dataset.build_dataset(draft, planned, caches, allow_unreadable=False, workers=workers)
    cache.finish(work, caches, source=source, data=datasets.read(work), workers=workers)


def prepare_anew(folder: Path, root: Path, workers: int) -> None:
    shutil.rmtree(root, ignore_errors=True)
    prepare(folder, Work(root), [SIZE], workers)


def floor(files: Sequence[File], workers: int) -> None:
    for _ in map_in_processes(least, files, "floor", workers):
        pass


def rows(images: int, rounds: int, workers: int) -> Iterator[Row]:
    """Ours over the floor, and the usual way over ours."""
    with TemporaryDirectory() as scratch:
        root = Path(scratch)
        source = discover.scan_raw_folder(phantoms(root / "raw", images, workers))
        (root / "png").mkdir()
        files = [
            File(source.root / path, root / "png" / f"{image_id}.png", SIZE)
            for image_id, path in source.images.items()
        ]
        assert source.labels
        labels = csv_files.read_rles(source.labels)
        ours, lowest, usual = side_by_side(
            rounds,
            partial(prepare_anew, source.root, root / "work", workers),
            partial(floor, files, workers),
            partial(prepare_in_threads, files, labels, workers),
        )
    each = f"{1000 * ours / images:.1f} ms an image in {workers} processes"
    yield Row("01 / decode, resize, encode", f"{ours / lowest:.2f} ({each})", "at most 1.25")
    yield Row("threads and floats / 01", f"{usual / ours:.1f}", "at least 5")


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Measure stage 01 against its floor.")
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    show(rows(**vars(parser.parse_args(words))))


if __name__ == "__main__":
    main()
