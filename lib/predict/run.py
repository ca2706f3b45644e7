"""Prediction of many images: read ahead, networks, rule, outputs; it goes on where it stopped."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from tqdm import tqdm

from lib import device as machine
from lib.errors import InputError
from lib.files import Journal
from lib.infer.predict import default_batch, load_models, predict_batch, prefetch
from lib.models import SegmentationNetwork
from lib.predict import dicom_seg, files, outputs
from lib.predict.files import JOURNAL_FILE, Decoded, Failed, ImageFile
from lib.predict.outputs import Prediction, is_current
from lib.predict.system import TrainedNetwork, TrainedSystem

Maps = list[np.ndarray]  # the 8-bit map of each network, (size, size)
Inferred = tuple[Decoded, Maps, list[float | None]]  # and p(positive) by each network


@dataclass(frozen=True)
class PredictionJob:
    """Images to predict, the system, and the folder of the outputs.

    Attributes:
        batch: images at a time; None: by the size of each network's input.
        workers: threads that read and write images.
        segmentations: write DICOM Segmentation objects too.
    """

    images: Sequence[ImageFile]
    system: TrainedSystem
    out: Path
    device: torch.device
    batch: int | None = None
    workers: int = 1
    segmentations: bool = False

    @property
    def chunk(self) -> int:
        """Images that are decoded before the networks run: a batch of the smallest input."""
        return self.batch or max(self.batch_of(network) for network in self.system.networks)

    def batch_of(self, network: TrainedNetwork) -> int:
        """Return the images at a time of a network, as stage 03 has them."""
        return self.batch or default_batch(network.size, self.device)


@dataclass
class Outcome:
    """The images that were predicted now, and the files that failed."""

    predicted: int = 0
    failed: list[Failed] = field(default_factory=list)


def predict_images(job: PredictionJob) -> Outcome:
    """Predict the images whose outputs are missing or older than their file.

    Threads decode the next images and write the last outputs while the networks compute. A limited
    number of images is in memory, however many there are.
    """
    cv2.setNumThreads(1)  # images are spread over threads; more only compete with the networks
    journal, outcome = Journal(job.out / JOURNAL_FILE), Outcome()
    records = outputs.finished_records(job.out, job.segmentations)
    todo = [image for image in job.images if not is_current(records.get(image.name), image)]
    inputs = sorted({network.input for network in job.system.networks})
    depth = job.chunk + job.workers
    cure = f"give a smaller --batch than {job.chunk}; finished images stay"
    with (
        machine.friendly_errors(cure),
        ThreadPoolExecutor(job.workers, initializer=_yield_to_networks) as pool,
        tqdm(total=len(todo), desc="predict", unit="image", disable=None) as bar,
    ):
        decoded = prefetch(pool, partial(files.decode, inputs=inputs), todo, depth)
        good = _take_failures(decoded, outcome.failed, bar)
        inferred = _infer(job, good) if todo else iter(())
        for record in prefetch(pool, partial(_write, job), inferred, job.workers):
            journal.append([record])
            outcome.predicted += 1
            bar.update()
    return outcome


def _yield_to_networks() -> None:
    """Lower the priority of this thread, on Linux, where each thread has one of its own.

    Each layer of a network waits for the slowest of its threads, so a core that an image takes from
    one of them stops all: at 256 px this was a twentieth of the time.
    """
    if sys.platform == "linux":
        os.nice(10)


def _take_failures(
    results: Iterable[Decoded | Failed], failures: list[Failed], bar: tqdm
) -> Iterator[Decoded]:
    """Yield the decoded images; name and collect the others."""
    for result in results:
        if isinstance(result, Failed):
            failures.append(result)
            bar.write(f"skipped {result.file.path}: {result.reason}", file=sys.stderr)
            bar.update()
        else:
            yield result


@torch.inference_mode()
def _infer(job: PredictionJob, decoded: Iterator[Decoded]) -> Iterator[Inferred]:
    """Yield each image with the maps of all networks."""
    networks = job.system.networks
    models = [
        load_models(
            network.recipe, map(job.system.paths.__getitem__, network.checkpoints), job.device
        )
        for network in networks
    ]
    for chunk in _chunks(decoded, job.chunk):
        maps: list[Maps] = [[] for _ in chunk]
        p_positive: list[list[float | None]] = [[] for _ in chunk]
        for network, checkpoints in zip(networks, models, strict=True):
            batch = job.batch_of(network)
            for start in range(0, len(chunk), batch):
                part = slice(start, start + batch)
                grays = np.stack([image.grays[network.input][None] for image in chunk[part]])
                values, p = _infer_batch(job, network, checkpoints, grays)
                for image_maps, value in zip(maps[part], values, strict=True):
                    image_maps.append(value)
                for image_p, value in zip(p_positive[part], p, strict=True):
                    image_p.append(value)
        yield from zip(chunk, maps, p_positive, strict=True)


def _chunks(items: Iterator[Decoded], length: int) -> Iterator[list[Decoded]]:
    while chunk := [item for _, item in zip(range(length), items, strict=False)]:
        yield chunk


def _infer_batch(
    job: PredictionJob,
    network: TrainedNetwork,
    models: Sequence[SegmentationNetwork],
    grays: np.ndarray,
) -> tuple[np.ndarray, list[Any]]:
    """Return the maps of a batch, (N, size, size) uint8, and p(positive) of each image."""
    images = torch.from_numpy(grays).to(job.device)
    maps, finite, p = predict_batch(models, images, network.flip)
    if not finite:
        raise InputError(
            f"{network.run} fold {network.fold} predicts values that are not finite; train it "
            "again with a lower lr"
        )
    return maps.cpu().numpy(), [None] * len(grays) if p is None else p.tolist()


def _write(job: PredictionJob, inferred: Inferred) -> dict[str, Any]:
    """Apply the rule to an image, write its outputs, and return its record."""
    image, maps, p_of_networks = inferred
    system = job.system
    map_8bit = system.average(maps)
    p_positive = system.p_positive(p_of_networks)
    mask = outputs.to_image(system.rule.apply(map_8bit, p_positive), image.rows, image.columns)
    prediction = Prediction(image, mask, system.p_pneumothorax(map_8bit, p_positive))
    outputs.write(job.out, prediction)
    state = dicom_seg.write(job.out, prediction, system) if job.segmentations else ""
    return prediction.record | {"segmentation": state}
