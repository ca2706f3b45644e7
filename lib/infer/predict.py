"""Probability maps of one fold of a run, averaged over checkpoints and flips."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from lib import csv_files, disk, distributed, images, layout
from lib import device as machine
from lib.artifacts import Artifact, Draft
from lib.dataset import Dataset
from lib.errors import InputError
from lib.models import SegmentationNetwork, build_model, weights
from lib.models.base import Prediction
from lib.recipes import Recipe

PIXELS = {"cuda": 16 * 512**2, "cpu": 8 * 128**2}  # per batch; more leave the caches of a CPU
MAX_BATCH = 64
MAX_THREADS = 16  # more only hold more batches in memory
Key = tuple[str, str]  # ("oof" or "test", ImageId)
Batch = Sequence[Key]
# 8-bit maps (N, H, W), a bool (all values finite), and p(positive) (N,) or None
Maps = tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class InferenceJob:
    """One fold to infer: the run, the images, the machine, and the folder for the maps.

    Attributes:
        oof: ImageIds that get out-of-fold maps.
        test: ImageIds that get test maps.
        flip: average the maps of an image and of its mirror image.
        batch: images at a time.
        workers: threads that read and write images; None: one for each core of this process, at
            most 16.
    """

    draft: Draft
    recipe: Recipe
    run: Artifact
    cache: Artifact
    oof: Sequence[str]
    test: Sequence[str]
    flip: bool
    batch: int
    device: torch.device
    workers: int | None = None


def default_batch(size: int, device: torch.device) -> int:
    """Return 16 images at 512 px, 8 at 128 px on a CPU, as many pixels at other sizes."""
    return max(1, min(MAX_BATCH, PIXELS[device.type] // size**2))


def default_threads() -> int:
    """Return the number of threads that read and write images: one for each core, at most 16."""
    return distributed.cores_per_process(MAX_THREADS)


def out_of_fold(run: Artifact, data: Dataset) -> list[str]:
    """Return the images that get out-of-fold maps of a run: those of its fold.

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
            "now: it may have trained on its out-of-fold images; train it again with "
            f"{run.location.command} --replace"
        )
    return data.validation_ids(run.config["fold"])


def infer_fold(job: InferenceJob) -> int:
    """Write oof/, test/ and class.csv; go on where an interrupted inference stopped.

    Threads read the next images and write the last maps while the networks compute; OpenCV runs in
    several threads at once. The number of waiting batches is limited, and so is the memory.
    Each process makes a shard of the batches; all write to one journal. Batches are always the
    same, because the last bits of a map can depend on its batch.

    Returns:
        The number of images inferred now, by all processes: fewer than all after an interruption.
    """
    keys = [("oof", name) for name in job.oof] + [("test", name) for name in job.test]
    batches = [keys[start : start + job.batch] for start in range(0, len(keys), job.batch)]
    done = distributed.run_on_main(lambda: _finished_maps(job.draft, keys))
    missing_batches = [batch for batch in batches if not done.issuperset(batch)]
    todo = distributed.shard(missing_batches)
    cure = f"give a smaller --batch than {job.batch}; finished maps stay"
    workers = job.workers or default_threads()
    with machine.friendly_errors(cure), ThreadPoolExecutor(workers) as pool:
        inputs = prefetch(pool, partial(_read, job), todo, workers)
        outputs = zip(todo, _predict(job, inputs), strict=True)
        records = prefetch(pool, partial(_write, job), outputs, workers)
        if distributed.is_main():
            files = [[job.draft.path(layout.map_file(*key)) for key in batch] for batch in todo]
            n_remaining = len(todo) * distributed.world_size()
            records = disk.report_need_early(records, files, n_remaining)
        for batch in tqdm(records, total=len(todo), disable=distributed.progress_disabled()):
            job.draft.journal.append(batch)
    distributed.barrier()
    if distributed.is_main():
        if missing := sorted({*keys} - _finished_maps(job.draft, keys)):
            raise InputError(
                f"{len(missing)} of {len(keys)} maps are missing or empty, the first is "
                f"{job.draft.path(layout.map_file(*missing[0]))}; run the same command again"
            )
        _write_class(job.draft)
    return sum(map(len, missing_batches))


def infer_and_publish(job: InferenceJob) -> None:
    """Infer a fold, finish its artifact, and print a line about it; errors as `infer_fold`."""
    n_images = infer_fold(job)
    distributed.finish_artifact(job.draft, job.device, batch=job.batch, images=n_images)
    counts = f"{len(job.oof)} out-of-fold and {len(job.test)} test maps"
    print(f"{counts} -> {job.draft.location.folder}")


def _finished_maps(draft: Draft, keys: Iterable[Key]) -> set[Key]:
    """Return the maps in the journal whose files exist: after a power cut one may be empty."""
    recorded = _p_positive(draft)
    paths = {key: draft.path(layout.map_file(*key)) for key in keys if key[1] in recorded}
    return {key for key, path in paths.items() if path.is_file() and path.stat().st_size}


def _p_positive(draft: Draft) -> dict[str, float | None]:
    """Return p(positive) by ImageId from the journal, which all processes write."""
    return {record["ImageId"]: record["p"] for record in draft.journal.read()}


def prefetch(
    pool: Executor, task: Callable[[Item], Result], items: Iterable[Item], depth: int
) -> Iterator[Result]:
    """Yield `task` of each item, in order; the pool works on at most `depth` items ahead."""
    futures: deque[Future[Result]] = deque()
    for item in items:
        futures.append(pool.submit(task, item))
        if len(futures) > depth:
            yield futures.popleft().result()
    while futures:
        yield futures.popleft().result()


def _read(job: InferenceJob, batch: Batch) -> torch.Tensor:
    """Return images of the cache in the recipe's contrast: (N, 1, H, W) uint8."""
    correct = images.CONTRASTS[job.recipe.input.contrast]
    paths = [job.cache.path(layout.image_file(name)) for _, name in batch]
    # NumPy stacks them: torch would start its own threads in each thread of the pool.
    grays = torch.from_numpy(np.stack([correct(images.read_png(path))[None] for path in paths]))
    return grays.pin_memory() if job.device.type == "cuda" else grays


@torch.inference_mode()
def _predict(job: InferenceJob, inputs: Iterable[torch.Tensor]) -> Iterator[Maps]:
    """Yield the maps of each batch on the device, without waiting for it."""
    names = sorted(name for name in job.run.files if name.startswith("weights/"))
    models = load_models(job.recipe, map(job.run.path, names), job.device)
    for grays in inputs:
        yield predict_batch(models, grays.to(job.device, non_blocking=True), job.flip)


def load_models(
    recipe: Recipe, checkpoints: Iterable[Path], device: torch.device
) -> list[SegmentationNetwork]:
    """Return the networks of checkpoints of a recipe, ready to predict on a device.

    Raises:
        InputError: if a file cannot be read, or does not fit the recipe's network.
    """
    models = [weights.load_model(build_model(recipe), path) for path in checkpoints]
    for model in models:
        model.eval().to(device).to(memory_format=torch.channels_last)
    return models


def predict_batch(models: Sequence[SegmentationNetwork], grays: torch.Tensor, flip: bool) -> Maps:
    """Return the 8-bit maps of a batch, in the precision of its device, without waiting for it.

    Args:
        models: as `load_models` returns them.
        grays: (N, 1, H, W) uint8, on the device of the models.
        flip: as in `predict_with_flips`.
    """
    with machine.autocast(grays.device):
        maps, p = predict_with_flips(models, grays, flip)
    outputs = [maps] if p is None else [maps, p]
    finite = torch.stack([output.isfinite().all() for output in outputs]).all()
    return quantize(maps.squeeze(1)), finite, p


def predict_with_flips(
    models: Sequence[SegmentationNetwork], images: torch.Tensor, flip: bool
) -> Prediction:
    """Average the probabilities of several checkpoints, in float.

    Args:
        models: the networks, in evaluation mode.
        images: (N, 1, H, W) uint8.
        flip: average over each image and its mirror image, which are in one batch.

    Returns:
        (N, 1, H, W) probabilities, and p(positive) (N,) or None.
    """
    views = torch.cat([images, images.flip(-1)]) if flip else images
    maps, p_positive = zip(*(model.predict(views) for model in models), strict=True)
    probabilities = torch.stack(maps).mean(0)
    p = None if p_positive[0] is None else torch.stack(p_positive).mean(0)
    if not flip:
        return probabilities, p
    plain, mirrored = probabilities.chunk(2)
    p = None if p is None else torch.stack(p.chunk(2)).mean(0)
    return (plain + mirrored.flip(-1)) / 2, p


def quantize(probabilities: torch.Tensor) -> torch.Tensor:
    """Quantize as `images.quantize` does, but on the device: a quarter of the bytes to copy."""
    return (probabilities * 255).round().to(torch.uint8)


def _write(job: InferenceJob, output: tuple[Batch, Maps]) -> list[dict[str, Any]]:
    """Write the maps of a batch; return its records for the journal."""
    batch, (maps, finite, p) = output
    values = [None] * len(batch) if p is None else p.tolist()
    if not finite:
        raise InputError(
            f"{job.run.location} predicts values that are not finite on {batch[0][1]} or an image "
            f"after it: train it again with {job.run.location.command} --replace and a lower lr"
        )
    for key, image in zip(batch, maps.cpu().numpy(), strict=True):
        images.write_png(job.draft.path(layout.map_file(*key)), image)
    return [{"ImageId": key[1], "p": value} for key, value in zip(batch, values, strict=True)]


def _write_class(draft: Draft) -> None:
    """Write class.csv: p(positive) of every image; only the header without an image-level head."""
    rows = [(name, p) for name, p in sorted(_p_positive(draft).items()) if p is not None]
    frame = pd.DataFrame(rows, columns=["ImageId", "p"])
    frame["p"] = frame["p"].map("{:.6f}".format)
    csv_files.write(draft.path(layout.CLASSES), frame)
