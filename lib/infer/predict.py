"""The probability maps of one fold of a run."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from lib import csv_files, distributed, images, layout
from lib import device as machine
from lib.artifacts import Artifact, Draft
from lib.dataset import Dataset
from lib.errors import InputError
from lib.infer.tta import predict_with_flips
from lib.models import SegmentationNetwork, build_model, weights
from lib.recipes import Recipe

PIXELS = {"cuda": 16 * 512**2, "cpu": 8 * 128**2}  # at a time; on a CPU more leave its caches
IMAGES = 64  # at most
THREADS = min(os.cpu_count() or 1, 16)  # more batches at once would hold memory for nothing
Key = tuple[str, str]  # ("oof" or "test", ImageId)
Batch = Sequence[Key]
# 8-bit maps (N, H, W), whether all were numbers, and image probabilities (N,) or None
Predicted = tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Job:
    """Which maps are to be made, and with what."""

    draft: Draft
    recipe: Recipe
    run: Artifact
    cache: Artifact
    oof: Sequence[str]
    test: Sequence[str]
    flip: bool
    batch: int
    device: torch.device
    workers: int


def default_batch(size: int, device: torch.device) -> int:
    """Images at a time: 16 at 512 px, on a CPU 8 at 128 px, and as many pixels at other sizes."""
    return max(1, min(IMAGES, PIXELS[device.type] // size**2))


def out_of_fold(run: Artifact, data: Dataset) -> list[str]:
    """The images that a run may give out-of-fold maps of: those of its fold, in its own dataset.

    A dataset without labels has none, and any run may make its test maps.

    Raises:
        InputError: if the run was trained on another dataset, so that the split may differ.
    """
    if not data.folds:
        return []
    trained_on = run.inputs[data.artifact.location.name]
    if trained_on != data.artifact.id:
        raise InputError(
            f"{run.location} was trained on another dataset than {data.artifact.location} is "
            "now: its out-of-fold images may be ones it has seen; train it again with "
            "02_train.py --replace"
        )
    return data.validation_ids(run.config["fold"])


def infer_fold(job: Job) -> int:
    """Write oof/, test/ and class.csv; batches that an interrupted run finished are not redone.

    Threads read the images of the batches to come and write the maps of those before, while the
    networks compute; OpenCV lets them run side by side. What waits is bounded, so memory is too.
    Of several processes, each makes its share of the batches; all write one journal.
    Batches are cut the same way every time, since the last bits of a sum can depend on its batch.

    Returns:
        How many maps there are.
    """
    keys = [("oof", name) for name in job.oof] + [("test", name) for name in job.test]
    batches = [keys[start : start + job.batch] for start in range(0, len(keys), job.batch)]
    done = distributed.run_on_main(lambda: _done(job.draft, keys))
    left = distributed.shard([batch for batch in batches if not done.issuperset(batch)])
    cure = f"give a smaller --batch than {job.batch}; maps that are done stay"
    with machine.friendly_errors(cure), ThreadPoolExecutor(job.workers) as pool:
        grays = prefetch(pool, partial(_read, job), left, job.workers)
        found = zip(left, _predicted(job, grays), strict=True)
        written = prefetch(pool, partial(_write, job), found, job.workers)
        for records in tqdm(written, total=len(left), disable=distributed.progress_disabled()):
            job.draft.journal.append(records)
    distributed.barrier()
    if distributed.is_main():
        if lacking := sorted({*keys} - _done(job.draft, keys)):
            raise InputError(
                f"{len(lacking)} of {len(keys)} maps are not there or empty, the first "
                f"{job.draft.path(layout.map_file(*lacking[0]))}; the same command makes them"
            )
        _write_class(job.draft)
    return len(keys)


def _done(draft: Draft, keys: Iterable[Key]) -> set[Key]:
    """The maps that the journal has and that are there: after a power cut one may be empty."""
    noted = _image_probabilities(draft)
    paths = {key: draft.path(layout.map_file(*key)) for key in keys if key[1] in noted}
    return {key for key, path in paths.items() if path.is_file() and path.stat().st_size}


def _image_probabilities(draft: Draft) -> dict[str, float | None]:
    """p(positive) of every image that the journal has, whoever made its map."""
    return {record["ImageId"]: record["p"] for record in draft.journal.read()}


def prefetch(
    pool: Executor, task: Callable[[Item], Result], items: Iterable[Item], depth: int
) -> Iterator[Result]:
    """`task` of each item, in order, while a pool is at work on at most `depth` items after it."""
    waiting: deque[Future[Result]] = deque()
    for item in items:
        waiting.append(pool.submit(task, item))
        if len(waiting) > depth:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _read(job: Job, batch: Batch) -> torch.Tensor:
    """Images of the cache in the recipe's contrast: (N, 1, H, W) uint8."""
    correct = images.CONTRASTS[job.recipe.input.contrast]
    paths = [job.cache.path(layout.image_file(name)) for _, name in batch]
    # Stacked by NumPy: in threads of ours, torch would start as many of its own for each.
    grays = torch.from_numpy(np.stack([correct(images.read_png(path))[None] for path in paths]))
    return grays.pin_memory() if job.device.type == "cuda" else grays


@torch.inference_mode()
def _predicted(job: Job, grays: Iterable[torch.Tensor]) -> Iterator[Predicted]:
    """What the networks find in each batch, where they compute; nothing is waited for."""
    models = _checkpoints(job)
    for gray in grays:
        with machine.autocast(job.device):
            maps, p = predict_with_flips(models, gray.to(job.device, non_blocking=True), job.flip)
        found = [maps] if p is None else [maps, p]
        finite = torch.stack([part.isfinite().all() for part in found]).all()
        yield quantize(maps.squeeze(1)), finite, p


def quantize(probabilities: torch.Tensor) -> torch.Tensor:
    """As `images.quantize`, but before they are copied: a quarter of the bytes."""
    return (probabilities * 255).round().to(torch.uint8)


def _write(job: Job, found: tuple[Batch, Predicted]) -> list[dict[str, Any]]:
    """Write the maps of a batch; what the journal says of each."""
    batch, (maps, finite, p) = found
    values = [None] * len(batch) if p is None else p.tolist()
    if not finite:
        raise InputError(
            f"{job.run.location} predicts what is no number on {batch[0][1]} or those after it: "
            f"train it again with {job.run.location.command} --replace and a lower lr"
        )
    for key, image in zip(batch, maps.cpu().numpy(), strict=True):
        images.write_png(job.draft.path(layout.map_file(*key)), image)
    return [{"ImageId": key[1], "p": value} for key, value in zip(batch, values, strict=True)]


def _checkpoints(job: Job) -> list[SegmentationNetwork]:
    """The networks of a run's kept checkpoints, ready to predict."""
    names = sorted(name for name in job.run.files if name.startswith("weights/"))
    models = [
        weights.load_model(build_model(job.recipe), job.run.path(name)).eval() for name in names
    ]
    return [model.to(job.device).to(memory_format=torch.channels_last) for model in models]


def _write_class(draft: Draft) -> None:
    """class.csv: p(positive) of every image, or only the header without an image-level head."""
    positives = _image_probabilities(draft)
    rows = [(name, p) for name, p in sorted(positives.items()) if p is not None]
    frame = pd.DataFrame(rows, columns=["ImageId", "p"])
    frame["p"] = frame["p"].map("{:.6f}".format)
    csv_files.write(draft.path(layout.CLASSES), frame)
