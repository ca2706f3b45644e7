"""Feeding: cached images to batches on the way to the device, the same whatever the workers."""

import os
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from lib import distributed, images, layout, rle
from lib.artifacts import Artifact
from lib.dataset import Dataset
from lib.recipes import Recipe
from lib.train.augment import Augmentation
from lib.train.sampling import EpochBatches, seed_of

Sample = tuple[torch.Tensor, ...]
MAX_WORKERS = 8  # there are two such loaders, for training and for validation


class CachedImages:
    """Images, in a recipe's contrast, and masks of a cache: (H, W) uint8, masks 0 or 1."""

    def __init__(self, cache: Artifact, dataset: Dataset, contrast: str) -> None:
        self.cache = cache
        self.dataset = dataset
        self.correct = images.CONTRASTS[contrast]

    def image(self, image_id: str) -> np.ndarray:
        return self.correct(images.read_png(self.cache.path(layout.image_file(image_id))))

    def mask(self, image_id: str) -> np.ndarray:
        if not self.dataset.positive(image_id):
            return np.zeros((self.cache.config["size"],) * 2, np.uint8)
        return images.read_png(self.cache.path(layout.mask_file(image_id))) // 255


class TrainingSet(TorchDataset[Sample]):
    """Augmented images and masks, (1, H, W) uint8, by (epoch, index)."""

    def __init__(
        self, source: CachedImages, ids: Sequence[str], augment: Augmentation, key: tuple
    ) -> None:
        self.source, self.ids, self.augment, self.key = source, ids, augment, key

    def __getitem__(self, item: tuple[int, int]) -> Sample:
        epoch, index = item
        image_id = self.ids[index]
        image, mask = self.source.image(image_id), self.source.mask(image_id)
        image, mask = self.augment(image, mask, seed_of(*self.key, epoch, image_id))
        return torch.from_numpy(image.copy())[None], torch.from_numpy(mask.copy())[None]


class ValidationSet(TorchDataset[Sample]):
    """Images and masks at the phase's size, and the truth in the RLE frame, (1, H, W) uint8."""

    def __init__(self, source: CachedImages, ids: Sequence[str]) -> None:
        self.source, self.ids = source, ids

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        image_id, dataset = self.ids[index], self.source.dataset
        truth = rle.decode(dataset.truth[image_id], dataset.rle_size, dataset.rle_size)
        arrays = self.source.image(image_id), self.source.mask(image_id), truth.view(np.uint8)
        return tuple(torch.from_numpy(array)[None] for array in arrays)


def epoch_batches(
    source: CachedImages, ids: Sequence[str], recipe: Recipe, phase: int
) -> EpochBatches:
    """The batches of a phase; set `epoch` before each."""
    positive = [source.dataset.positive(name) for name in ids]
    return EpochBatches(positive, recipe.phases[phase], key=(recipe.seed, phase))


def training_loader(
    source: CachedImages,
    ids: Sequence[str],
    recipe: Recipe,
    phase: int,
    batches: EpochBatches,
    how: dict[str, Any],
) -> DataLoader[Sample]:
    """The augmented images of an epoch, in its batches; `how` is what `loading` says."""
    settings = recipe.phases[phase]
    augment = Augmentation(recipe.augmentation, settings.size, settings.crop)
    dataset = TrainingSet(source, ids, augment, key=(recipe.seed, phase))
    return DataLoader(dataset, batch_sampler=batches, **how)


def validation_loader(
    source: CachedImages, ids: Sequence[str], batch: int, how: dict[str, Any]
) -> DataLoader[Sample]:
    """The images of a fold, in order; of several processes, each has its share of the batches."""
    batches = [
        list(range(start, min(start + batch, len(ids)))) for start in range(0, len(ids), batch)
    ]
    dataset = ValidationSet(source, ids)
    return DataLoader(dataset, batch_sampler=distributed.shard(batches), **how)


def default_workers(device: torch.device) -> int:
    """Processes that load images: a rank's share of the cores for a GPU, none beside a CPU."""
    if device.type == "cpu":
        return 0
    neighbours = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # torchrun's, on this machine
    return max(1, min(MAX_WORKERS, (os.cpu_count() or 1) // neighbours))


def loading(workers: int, device: torch.device) -> dict[str, Any]:
    """How every loader works: as many processes as asked, each with one thread, for a device."""
    return {
        "num_workers": workers,
        "persistent_workers": workers > 0,
        "pin_memory": device.type == "cuda",
        "worker_init_fn": _one_thread,
        "generator": torch.Generator(),  # so that a loader draws nothing from the training's
    }


def _one_thread(worker: int) -> None:
    cv2.setNumThreads(0)
