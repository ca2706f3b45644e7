"""Data loaders: batches of cached images; the number of workers does not change them."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import BatchSampler, DataLoader
from torch.utils.data import Dataset as TorchDataset

from lib import distributed, images, layout, rle
from lib.artifacts import Artifact
from lib.dataset import Dataset
from lib.recipes import Recipe
from lib.train.augment import Augmentation
from lib.train.sampling import EpochBatches, Item, seed_of

Sample = tuple[torch.Tensor, ...]
MAX_WORKERS = 8  # per loader: there are two, for training and validation


class CachedImages:
    """Images (in a recipe's contrast) and masks of a cache: (H, W) uint8, masks 0 or 1."""

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
    """Augmented images and masks, (1, H, W) uint8, by `Item`."""

    def __init__(
        self, source: CachedImages, ids: Sequence[str], augment: Augmentation, key: tuple
    ) -> None:
        self.source, self.ids, self.augment, self.key = source, ids, augment, key

    def __getitem__(self, item: Item) -> Sample:
        epoch, index, earlier_draws = item
        image_id = self.ids[index]
        image, mask = self.source.image(image_id), self.source.mask(image_id)
        key = (*self.key, epoch, image_id)
        if earlier_draws:  # a copy is not augmented as the first one
            key = (*key, earlier_draws)
        image, mask = self.augment(image, mask, seed_of(*key))
        return torch.from_numpy(image.copy())[None], torch.from_numpy(mask.copy())[None]


class ValidationSet(TorchDataset[Sample]):
    """Images and masks at the phase's size, and the truth in the RLE frame, (1, H, W) uint8."""

    def __init__(self, source: CachedImages, ids: Sequence[str]) -> None:
        self.source, self.ids = source, ids

    def __getitem__(self, index: int) -> Sample:
        image_id, dataset = self.ids[index], self.source.dataset
        truth = rle.decode(dataset.truth[image_id], dataset.rle_size, dataset.rle_size)
        arrays = self.source.image(image_id), self.source.mask(image_id), truth.view(np.uint8)
        return tuple(torch.from_numpy(array)[None] for array in arrays)


def training_loader(
    source: CachedImages, ids: Sequence[str], recipe: Recipe, index: int, options: dict[str, Any]
) -> tuple[DataLoader[Sample], EpochBatches]:
    """Return the loader of a phase's augmented images, and its batches.

    Set the `epoch` of the batches before each epoch. For `options` see `loader_options`.
    """
    phase, key = recipe.phases[index], (recipe.seed, index)
    positive = [source.dataset.positive(name) for name in ids]
    batches = EpochBatches(positive, phase, key)
    augment = Augmentation(recipe.augmentation, phase.size, phase.crop)
    dataset = TrainingSet(source, ids, augment, key)
    return DataLoader(dataset, batch_sampler=batches, **options), batches


def validation_loader(
    source: CachedImages, ids: Sequence[str], batch: int, options: dict[str, Any]
) -> DataLoader[Sample]:
    """Return the loader of a fold's images, in order; each process loads a shard of the batches."""
    batches = list(BatchSampler(range(len(ids)), batch, drop_last=False))
    dataset = ValidationSet(source, ids)
    return DataLoader(dataset, batch_sampler=distributed.shard(batches), **options)


def default_workers(device: torch.device) -> int:
    """Return the number of processes that load images: a GPU's part of the cores, 0 on a CPU."""
    if device.type == "cpu":
        return 0
    return distributed.cores_per_process(MAX_WORKERS)


def loader_options(workers: int | None, device: torch.device) -> dict[str, Any]:
    """Return the options that all data loaders share.

    Args:
        workers: processes that load images, each with one thread; None: `default_workers`.
        device: the batches' destination.
    """
    if workers is None:
        workers = default_workers(device)
    return {
        "num_workers": workers,
        "persistent_workers": workers > 0,
        "pin_memory": device.type == "cuda",
        "worker_init_fn": _one_thread,
        "generator": torch.Generator(),  # its own, so training draws the same numbers
    }


def _one_thread(worker: int) -> None:
    cv2.setNumThreads(0)
