"""Decoding every file once, in a pool of processes, into the caches of all sizes."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lib import artifacts, images, rle
from lib.artifacts import Artifact, Draft
from lib.dataset import Dataset
from lib.errors import InputError
from lib.layout import Work, image_file, mask_file
from lib.parallel import map_in_processes
from lib.prepare import dicom
from lib.prepare.discover import RawFolder

Record = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """A file to decode, and the caches that want it.

    Attributes:
        code: its united annotations; "-1" if it has none, or no label.
        frame_size: the side of the RLE frame, in pixels.
        folders: size -> folder of the cache; empty if only its record is wanted.
    """

    image_id: str
    path: Path
    code: str
    frame_size: int
    folders: Mapping[int, Path]

    @property
    def done(self) -> bool:
        """Whether every cache has its image, and its mask if it has one."""
        names = [image_file(self.image_id)]
        if self.code != rle.EMPTY:
            names.append(mask_file(self.image_id))
        return all((folder / name).exists() for folder in self.folders.values() for name in names)


def begin(
    work: Work, sizes: Sequence[int], config: Mapping[str, Any], replace: bool
) -> list[Draft]:
    """Begin the caches of all sizes, before the dataset exists: one pass over the files fills all.

    Args:
        work: the working folder.
        sizes: sides of the images, in pixels.
        config: the dataset's; a cache is made for one dataset.
        replace: remove what is there.

    Returns:
        Those that are not complete.
    """
    drafts = [
        artifacts.begin(work.cache(size), _config(size, config), (), replace) for size in sizes
    ]
    return [draft for draft in drafts if draft]


def folders(drafts: Sequence[Draft]) -> dict[int, Path]:
    """Size -> folder, as a job wants it."""
    return {draft.config["size"]: draft.folder for draft in drafts}


def complete(
    work: Work, sizes: Sequence[int], source: RawFolder, made: Dataset, workers: int
) -> list[Artifact]:
    """Finish the caches of a complete dataset; what is not in them yet is decoded.

    Returns:
        Those that were not complete before.

    Raises:
        InputError: if one is there and was made from another dataset, or a file has changed.
    """
    drafts = []
    for size in sizes:
        location = work.cache(size)
        # Only a complete one tells which dataset it was made from: see `begin`.
        inputs = [made.artifact] if location.folder.exists() else []
        drafts.append(artifacts.begin(location, _config(size, made.artifact.config), inputs))
    left = [draft for draft in drafts if draft]
    codes = dict.fromkeys(made.test_ids, rle.EMPTY) | made.truth
    jobs = [
        Job(image_id, source.root / source.images[image_id], code, made.rle_size, folders(left))
        for image_id, code in codes.items()
    ]
    for record in decode([job for job in jobs if not job.done], workers):
        if record.get("sha256") != made.images.at[record["ImageId"], "sha256"]:
            raise InputError(
                f"{source.images[record['ImageId']]} has other pixels than when the dataset was "
                "made; restore it, or --replace to remake the dataset"
            )
    for draft in left:
        _remove_others(draft.folder, set(codes))
    return [draft.finish([made.artifact], workers=workers) for draft in left]


def decode(jobs: Sequence[Job], workers: int) -> Iterator[Record]:
    """Decode files, write what the caches want of them, and yield a record of each, in order."""
    return map_in_processes(_decode, jobs, "decode", workers)


def _decode(job: Job) -> Record:
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


def _config(size: int, dataset_config: Mapping[str, Any]) -> dict[str, Any]:
    listed = json.dumps(dataset_config, sort_keys=True).encode()
    return {"size": size, "dataset_config": hashlib.sha256(listed).hexdigest()}


def _remove_others(folder: Path, image_ids: set[str]) -> None:
    """Remove what was decoded before it was known that the image is excluded."""
    for file in folder.glob("*/*.png"):
        if file.stem not in image_ids:
            file.unlink()
