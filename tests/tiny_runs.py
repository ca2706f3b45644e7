"""Trainings and inferences that take a second: a dozen images of 32 px, a tiny U-Net."""

from dataclasses import asdict, replace
from pathlib import Path

import torch

from lib import artifacts, dataset, recipes
from lib.artifacts import Artifact
from lib.files import sha256
from lib.infer.predict import InferenceJob, out_of_fold
from lib.layout import Fold, Work
from lib.recipes import Keep, LossWeights, Network, Phase, Recipe
from lib.train.trainer import TrainingJob
from tests import fakes

SIZE = 32
CPU = torch.device("cpu")
TINY = replace(
    recipes.get("demo"),
    select="dice",
    network=Network("unet", "mobilenet_v2", "none", decoder_channels=(8, 8, 4), image_head=True),
    phases=(
        Phase(size=SIZE, epochs=2, batch=4, lr=1e-3, loss=LossWeights(bce=1, image_bce=1)),
        Phase(
            size=SIZE, epochs=3, batch=3, lr=1e-3, positive_rate=0.5, keep=Keep(count=2),
            accumulate=2,
        ),
    ),
)  # fmt: skip
SHORT = Phase(size=SIZE, epochs=3, batch=3, lr=1e-3, positive_rate=0.5)


def make_work(root: Path) -> Work:
    """WORK with a dataset of 12 images in two folds, and its cache."""
    work, truth = Work(root), fakes.masks(12, SIZE)
    fakes.make_dataset(work, truth, size=SIZE)
    fakes.make_cache(work, truth, SIZE)
    return work


def training_job(
    work: Work, recipe: Recipe = TINY, fold: Fold = 0, workers: int = 0, compile: bool = False
) -> TrainingJob:
    """Begin runs/tiny, or go on with it."""
    data = dataset.read(work)
    cache = artifacts.read(work.cache(SIZE))
    config = {"recipe": asdict(recipe), "fold": fold}
    draft = artifacts.begin(work.run("tiny", fold), config, [data.artifact, cache])
    assert draft
    return TrainingJob(draft, recipe, fold, data, {SIZE: cache}, "none", CPU, workers, compile)


def inference_job(work: Work, run: Artifact, batch: int = 4, workers: int = 1) -> InferenceJob:
    """Begin probs/tiny, or go on with it."""
    data, cache = dataset.read(work), artifacts.read(work.cache(SIZE))
    draft = artifacts.begin(work.probs("tiny", 0), {"tta": "flip"}, [run, cache, data.artifact])
    assert draft
    oof = out_of_fold(run, data)
    return InferenceJob(draft, TINY, run, cache, oof, data.test_ids, True, batch, CPU, workers)


def hashes(folder: Path) -> dict[str, str]:
    """The SHA-256 of an artifact's files, without log/ and state.pt."""
    return {
        path.relative_to(folder).as_posix(): sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and "log" not in path.relative_to(folder).parts
        and path.name != artifacts.STATE
    }
