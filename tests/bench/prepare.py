"""Speed of stage 01, against the least possible work and against published pipelines.

    python -m tests.bench prepare [--images 600] [--rounds 3] [--workers N]

Phantoms of 1024 x 1024 are drawn first: DICOM in JPEG Baseline, as the competition's files are.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from lib import csv_files
from lib import dataset as datasets
from lib.layout import Work
from lib.parallel import map_in_processes
from lib.prepare import cache, dataset, discover, folds, plan
from lib.prepare.phantom import write_phantoms
from tests.bench.harness import Row, best_times, parse_args, print_table
from tests.bench.reference import File, prepare_in_threads, prepare_minimally

SIZE, FRAME = 512, 1024  # px


def draw_phantoms(folder: Path, images: int, workers: int, frame: int = FRAME) -> Path:
    """Draw radiographs into `folder`, four fifths of them training images; return `folder`."""
    write_phantoms(folder, images - images // 5, images // 5, size=frame, workers=workers)
    return folder


def prepare(
    folder: Path, work: Work, sizes: Sequence[int], workers: int, frame: int = FRAME
) -> None:
    """Prepare a raw folder as 01_prepare.py does."""
    source = discover.scan_raw_folder(folder)
    planned = plan.make_plan(source, rle_size=frame, n_folds=folds.N_FOLDS)
    draft, caches = cache.begin(work, sizes, planned.config)
    assert draft
    dataset.build_dataset(draft, planned, caches, allow_unreadable=False, workers=workers)
    cache.finish(work, caches, source=source, data=datasets.read(work), workers=workers)


def prepare_again(folder: Path, root: Path, size: int, workers: int, frame: int) -> None:
    shutil.rmtree(root, ignore_errors=True)
    prepare(folder, Work(root), [size], workers, frame)


def prepare_files_minimally(files: Sequence[File], workers: int) -> None:
    for _ in map_in_processes(prepare_minimally, files, "minimum", workers):
        pass


def measure(
    images: int, rounds: int, workers: int, size: int = SIZE, frame: int = FRAME
) -> Iterator[Row]:
    """Measure stage 01 over the least possible work, and published pipelines over stage 01."""
    with TemporaryDirectory() as scratch:
        root = Path(scratch)
        source = discover.scan_raw_folder(draw_phantoms(root / "raw", images, workers, frame))
        (root / "png").mkdir()
        files = [
            File(source.root / path, root / "png" / f"{image_id}.png", size)
            for image_id, path in source.images.items()
        ]
        assert source.labels
        labels = csv_files.read_rles(source.labels)
        stage, minimum, published = best_times(
            rounds,
            partial(prepare_again, source.root, root / "work", size, workers, frame),
            partial(prepare_files_minimally, files, workers),
            partial(prepare_in_threads, files, labels, workers),
        )
    each = f"{1000 * stage / images:.1f} ms an image in {workers} processes"
    yield Row("01 / decode, resize, encode", f"{stage / minimum:.2f} ({each})", "at most 1.25")
    yield Row("threads and floats / 01", f"{published / stage:.1f}", "at least 5")


def main(argv: Sequence[str]) -> None:
    args = parse_args(argv, __doc__, images=600, rounds=3, workers=os.cpu_count() or 1)
    print_table(measure(**vars(args)))
