"""The probability maps of one fold of a run."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset
from tqdm import tqdm

from lib import device as machine
from lib import images, layout, ranks, tables
from lib.artifacts import Artifact, Draft
from lib.dataset import Dataset
from lib.errors import InputError
from lib.infer.tta import predict
from lib.models import SegmentationNetwork, build_model, weights
from lib.recipes import Recipe

WRITERS = 4
Key = tuple[str, str]  # ("oof" or "test", ImageId)


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


def default_batch(size: int) -> int:
    """Images at a time: 16 at 512 px, and as many pixels at other sizes, at most 64 images."""
    return max(1, min(64, 16 * 512**2 // size**2))


def out_of_fold(run: Artifact, data: Dataset) -> list[str]:
    """The images that a run may give out-of-fold maps of: those of its fold, in its own dataset.

    A dataset without labels has none, and any run may make its test maps.

    Raises:
        InputError: if the run was trained on another dataset, so that the split may differ.
    """
    if not data.folds:
        return []
    trained_on = run.inputs[data.artifact.place.name]
    if trained_on != data.artifact.id:
        raise InputError(
            f"{run.place} was trained on another dataset than {data.artifact.place} is now: its "
            "out-of-fold images may be ones it has seen; train it again with 02_train.py --replace"
        )
    return data.validation_ids(run.facts["fold"])


def infer_fold(job: Job) -> int:
    """Write oof/, test/ and class.csv; batches that an interrupted run finished are not redone.

    Of several processes, each makes its share of the batches; all write one journal.
    Batches are cut the same way every time, since the last bits of a sum can depend on its batch.

    Returns:
        How many maps there are.
    """
    keys = [("oof", name) for name in job.oof] + [("test", name) for name in job.test]
    batches = [keys[start : start + job.batch] for start in range(0, len(keys), job.batch)]
    done = ranks.from_first(lambda: _image_probabilities(job.draft))
    left = ranks.share([b for b in batches if any(name not in done for _, name in b)])
    cure = f"give a smaller --batch than {job.batch}; maps that are done stay"
    with machine.explained(cure), ThreadPoolExecutor(WRITERS) as pool:
        bar = tqdm(_predicted(job, left), total=len(left), disable=ranks.hides_bars())
        for batch, maps, p in bar:
            paths = [job.draft.path(layout.map_file(*key)) for key in batch]
            list(pool.map(images.write_png, paths, maps))
            records = [{"ImageId": key[1], "p": value} for key, value in zip(batch, p, strict=True)]
            job.draft.journal.append(records)
    ranks.wait()
    if ranks.is_first():
        _write_class(job.draft)
    return len(keys)


def _image_probabilities(draft: Draft) -> dict[str, float | None]:
    """p(positive) of every image whose map is there, whoever made it."""
    return {record["ImageId"]: record["p"] for record in draft.journal.read()}


class CacheImages(TorchDataset[torch.Tensor]):
    """Images of a cache in a recipe's contrast, as (1, H, W) uint8, by key."""

    def __init__(self, cache: Artifact, contrast: str) -> None:
        self.cache = cache
        self.correct = images.CONTRASTS[contrast]

    def __getitem__(self, key: Key) -> torch.Tensor:
        path = self.cache.path(layout.image_file(key[1]))
        return torch.from_numpy(self.correct(images.read_png(path)))[None]


@torch.inference_mode()
def _predicted(
    job: Job, batches: Sequence[Sequence[Key]]
) -> Iterator[tuple[Sequence[Key], np.ndarray, list[float | None]]]:
    """Each batch with its 8-bit maps (N, H, W) and its image probabilities."""
    models = _checkpoints(job)
    loader = DataLoader(
        CacheImages(job.cache, job.recipe.input.contrast),
        batch_sampler=[list(batch) for batch in batches],
        num_workers=job.workers,
        pin_memory=job.device.type == "cuda",
    )
    for batch, gray in zip(batches, loader, strict=True):
        with machine.autocast(job.device):
            maps, p = predict(models, gray.to(job.device, non_blocking=True), job.flip)
        values = [None] * len(batch) if p is None else p.tolist()
        probabilities = maps.squeeze(1).cpu().numpy()
        if not np.isfinite(probabilities).all():
            raise InputError(
                f"{job.run.place} predicts what is no number on {batch[0][1]} or those after it: "
                f"train it again with {job.run.place.maker} --replace and a lower lr"
            )
        yield batch, images.quantize(probabilities), values


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
    tables.write(draft.path(layout.CLASSES), frame)
