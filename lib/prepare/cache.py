"""Caches of resized images: each raw file is decoded once for all sizes, in several processes."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lib import artifacts, disk, images, rle
from lib.artifacts import Artifact, Draft, manifest
from lib.dataset import Dataset
from lib.errors import InputError
from lib.layout import Work, image_file, mask_file
from lib.parallel import map_in_processes
from lib.prepare import dicom
from lib.prepare.discover import RawFolder

Record = dict[str, Any]  # header, size and digest of a decoded image: see `_decode`
CacheDrafts = Mapping[int, Draft | None]  # size in pixels -> draft; None: the cache is complete


@dataclass(frozen=True)
class DecodeJob:
    """A file to decode, and the caches to write it to.

    Attributes:
        code: its united annotations; "-1" without a mask or without a label.
        frame_size: the side of the RLE frame, in pixels.
        folders: size -> folder of the cache; empty: only the record is needed.
    """

    image_id: str
    path: Path
    code: str
    frame_size: int
    folders: Mapping[int, Path]

    @property
    def files(self) -> list[Path]:
        """The image in every cache, and the mask of a positive one."""
        names = [image_file(self.image_id)]
        if self.code != rle.EMPTY:
            names.append(mask_file(self.image_id))
        return [folder / name for folder in self.folders.values() for name in names]

    @property
    def is_cached(self) -> bool:
        return all(path.exists() for path in self.files)


def begin(
    work: Work,
    sizes: Sequence[int],
    dataset_config: Mapping[str, Any],
    inputs: Sequence[Artifact] = (),
    replace: bool = False,
) -> tuple[Draft | None, CacheDrafts]:
    """Begin the dataset and the caches of all sizes: one pass over the files fills them all.

    Args:
        work: the working folder.
        sizes: sides of the images, in pixels.
        dataset_config: config of the dataset, which the caches belong to.
        inputs: of the dataset.
        replace: make them anew; see `artifacts.begin_all`.

    Raises:
        InputError: if the dataset or a cache has another config.
    """
    config = {"dataset_config": manifest.digest(dataset_config)}
    requests: list[artifacts.Request] = [(work.dataset, dataset_config, inputs)]
    requests += [(work.cache(size), config | {"size": size}, ()) for size in sizes]
    dataset, *caches = artifacts.begin_all(requests, replace)
    return dataset, dict(zip(sizes, caches, strict=True))


def plan_jobs(
    source: RawFolder,
    image_ids: Iterable[str],
    codes: Mapping[str, str],
    frame_size: int,
    drafts: CacheDrafts,
) -> list[DecodeJob]:
    """Return a job for each image that has a file.

    Args:
        source: the raw folder.
        image_ids: the images to decode.
        codes: the united annotations of the images that belong into caches, by ImageId.
        frame_size: the side of the RLE frame, in pixels.
        drafts: the caches; those that are not complete are filled.
    """
    folders = {size: draft.folder for size, draft in drafts.items() if draft}
    return [
        DecodeJob(
            image_id=image_id,
            path=source.root / source.images[image_id],
            code=codes.get(image_id, rle.EMPTY),
            frame_size=frame_size,
            folders=folders if image_id in codes else {},
        )
        for image_id in image_ids
        if image_id in source.images
    ]


def finish(
    work: Work, drafts: CacheDrafts, *, source: RawFolder, data: Dataset, workers: int
) -> None:
    """Finish the caches of a complete dataset; images that they lack are decoded first.

    Raises:
        InputError: if a complete cache was made from another dataset, or a raw file has changed.
    """
    for size, draft in drafts.items():
        if draft is None:
            artifacts.read_chained(work.cache(size))
    codes = dict.fromkeys(data.test_ids, rle.EMPTY) | data.truth
    jobs = plan_jobs(source, codes, codes, data.rle_size, drafts)
    for record in decode([job for job in jobs if not job.is_cached], workers):
        if record.get("sha256") != data.images.at[record["ImageId"], "sha256"]:
            raise InputError(
                f"{source.images[record['ImageId']]} has other pixels than when the dataset was "
                "made; restore it, or --replace to remake the dataset"
            )
    for draft in filter(None, drafts.values()):
        for file in draft.folder.glob("*/*.png"):
            if file.stem not in codes:  # excluded from the dataset after it had been cached
                file.unlink()
        draft.finish([data.artifact], workers=workers)


def decode(jobs: Sequence[DecodeJob], workers: int) -> Iterator[Record]:
    """Decode files, write images and masks to the caches, and yield a record of each, in order.

    Raises:
        InputError: if the caches cannot fit on the disk.
    """
    records = map_in_processes(_decode, jobs, "decode", workers)
    return disk.report_need_early(records, [job.files for job in jobs], len(jobs))


def _decode(job: DecodeJob) -> Record:
    try:
        radiograph = dicom.read(job.path)
    except dicom.UnreadableError as error:
        return {"ImageId": job.image_id, "unreadable": str(error)}
    pixels = radiograph.pixels
    for size, folder in job.folders.items():
        images.write_png(folder / image_file(job.image_id), images.shrink(pixels, size))
    if job.folders and job.code != rle.EMPTY:
        mask = rle.decode(job.code, job.frame_size, job.frame_size)
        for size, folder in job.folders.items():
            images.write_png(folder / mask_file(job.image_id), images.shrink_mask(mask, size))
    return {
        "ImageId": job.image_id,
        **asdict(radiograph.header),
        "rows": pixels.shape[0],
        "columns": pixels.shape[1],
        "source": radiograph.source,
        "sha256": hashlib.sha256(np.ascontiguousarray(pixels).data).hexdigest(),
    }
