"""A WORK whose networks have random weights, decided and inferred by the stages' own functions."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from lib import artifacts, dataset, images
from lib.ensemble import members, options
from lib.ensemble.average import average, ensemble_config
from lib.ensemble.decide import decide
from lib.infer.predict import InferenceJob, infer_fold
from lib.layout import FLIP, Work, image_file
from lib.models import build_model, weights
from lib.predict.files import ImageFile
from lib.recipes import Recipe
from tests.tiny_runs import CPU, SIZE, TINY, make_work

FOLDS = (0, 1)
TEST = ("test0", "test1")
CLAHE = replace(TINY, tta="none", seed=7, input=replace(TINY.input, contrast="clahe"))


def make_run(work: Work, run: str, recipe: Recipe, fold: int, checkpoints: int = 2) -> None:
    """WORK/runs/<run>/fold<k> with random weights, and its maps, as stages 02 and 03 make them."""
    data, cache = dataset.read(work), artifacts.read(work.cache(SIZE))
    config = {"recipe": asdict(recipe), "fold": fold}
    draft = artifacts.begin(work.run(run, fold), config, [data.artifact, cache])
    assert draft
    for number in range(checkpoints):
        model = build_model(replace(recipe, seed=recipe.seed + 10 * fold + number))
        # Random weights of the last layers give values near .5; larger ones spread them.
        state = {
            name: 20 * value if "head" in name else value
            for name, value in model.state_dict().items()
        }
        weights.save(draft.path(f"weights/phase0_epoch{number:03}.pt"), state)
    made = draft.finish()
    config = {"tta": recipe.tta, "size": SIZE, "ranked": True, "rule": asdict(recipe.rule)}
    draft = artifacts.begin(work.probs(run, fold), config, [made, cache, data.artifact])
    assert draft
    oof = data.validation_ids(fold)
    job = InferenceJob(
        draft, recipe, made, cache, oof, data.test_ids, recipe.tta == FLIP, 8, CPU, workers=1
    )
    infer_fold(job)
    draft.finish()


def make_systems(root: Path) -> Work:
    """WORK with runs a (flips, an image head) and b (CLAHE, no flips), and no decision."""
    work = make_work(root)
    torch.set_num_threads(1)
    for fold in FOLDS:
        make_run(work, "a", TINY, fold)
        make_run(work, "b", CLAHE, fold, checkpoints=1)
    return work


def decide_by(
    work: Work,
    name: str,
    runs: Sequence[str] = ("a", "b"),
    weights: Sequence[str] = ("3", "1"),
    rule: str = "triplet",
    params: Sequence[str] | None = None,
    gate: Sequence[str] = (),
    gate_fit: str | None = None,
) -> str:
    """Make WORK/ensembles/<name> and its decision, as stage 04 does; return the decision's name."""
    data = dataset.read(work)
    loaded = members.load_members(work, data, runs, None, weights)
    gates = members.load_gates(work, data, gate, loaded)
    chosen = options.parse_options(loaded, data, rule, None, params, gate, gate_fit)
    inputs = [data.artifact, *(member.probs for member in loaded)]
    draft = artifacts.begin(work.ensemble(name), ensemble_config(loaded, data), inputs)
    assert draft
    ensemble = average(draft, loaded, data)
    inputs = [ensemble, data.artifact, *(member.probs for member in gates)]
    draft = artifacts.begin(work.decision(f"{name}-x"), chosen.config, inputs)
    assert draft
    decide(draft, ensemble, data, chosen, loaded, gates)
    return f"{name}-x"


def raw_images(work: Work, folder: Path, names: Sequence[str] = TEST) -> list[ImageFile]:
    """Images of the cache as files of a user, in the size of the frame."""
    cache = artifacts.read(work.cache(SIZE))
    for name in names:
        images.write_png(folder / f"{name}.png", images.read_png(cache.path(image_file(name))))
    return [ImageFile(folder / f"{name}.png", f"{name}.png") for name in names]


def noise(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (rows, columns), np.uint8)
