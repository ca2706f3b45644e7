"""Tiny artifacts made by hand, for tests of the stages that read them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from lib import artifacts, csv_files, images, rle
from lib.artifacts import Artifact
from lib.decision import histograms
from lib.decision.rules import ThresholdRule
from lib.decision.schema import DECISION_FILE, SURFACE_FILE, Decision
from lib.layout import FLIP, Fold, Work, image_file, map_file, mask_file
from lib.recipes.schema import Recipe

FRAME = 16
HALF = ThresholdRule()  # .5, nothing removed
ONE_EPOCH = ({"phase": 0, "epoch": 0, "valid_loss": 1.0, "score": 0.5},)


def masks(count: int, size: int = FRAME, seed: int = 0) -> dict[str, np.ndarray]:
    """Truth by ImageId: a box in two of seven images, nothing in the others."""
    rng = np.random.default_rng(seed)
    truth = {}
    for number in range(count):
        mask = np.zeros((size, size), bool)
        if number % 7 in (0, 3):
            top, left = rng.integers(0, size // 2, 2)
            height, width = rng.integers(2, size // 2, 2)
            mask[top : top + height, left : left + width] = True
        truth[f"image{number:02}"] = mask
    return truth


def make_dataset(
    work: Work,
    truth: Mapping[str, np.ndarray] | None = None,
    test: Sequence[str] = ("test0", "test1"),
    folds: int = 2,
    size: int = FRAME,
    patients: Mapping[str, str] | None = None,
    first_fold: int = 0,
) -> Artifact:
    """WORK/dataset with folds dealt in turn; an empty `truth` is a dataset without labels."""
    truth = masks(12, size) if truth is None else truth
    names = sorted(truth)
    codes = {name: rle.encode(truth[name]) for name in names}
    draft = artifacts.begin(work.dataset, {"rle_size": size, "folds": folds})
    assert draft
    image_rows = [(name, "train") for name in names] + [(name, "test") for name in test]
    fold_rows = [
        (
            name,
            first_fold + number % folds,
            (patients or {}).get(name, ""),
            int(codes[name] != rle.EMPTY),
        )
        for number, name in enumerate(names)
    ]
    for file, columns, rows in (
        ("images.csv", ["ImageId", "split"], image_rows),
        ("truth.csv", list(csv_files.RLE_COLUMNS), list(codes.items())),
        ("folds.csv", ["ImageId", "fold", "patient_id", "positive"], fold_rows),
        ("sample.csv", ["ImageId"], [(name,) for name in reversed(test)]),
    ):
        csv_files.write(draft.path(file), pd.DataFrame(rows, columns=columns))
    return draft.finish()


def noisy_map(mask: np.ndarray, rng: np.random.Generator, quality: float = 0.4) -> np.ndarray:
    """An 8-bit map that resembles a mask, the more the nearer `quality` is to 1."""
    noise = rng.random(mask.shape) * rng.random()
    return images.quantize((quality * mask + (1 - quality) * noise).astype(np.float32))


def make_run(
    work: Work,
    run: str,
    fold: Fold,
    recipe: Recipe,
    history: Sequence[Mapping[str, float]] = ONE_EPOCH,
    averages: Sequence[Mapping[str, float]] = (),
    made: Mapping[str, Any] | None = None,
) -> Artifact:
    """WORK/runs/<run>/fold<k>: what was trained and how it went, without weights.

    Args:
        made: for `made` of the manifest.
    """
    config = {"recipe": asdict(recipe), "fold": fold, "encoder_weights": "none"}
    draft = artifacts.begin(work.run(run, fold), config, [artifacts.read(work.dataset)])
    assert draft
    for name, rows in (("history", history), ("averages", averages)):
        if rows:
            csv_files.write(draft.path(f"{name}.csv"), pd.DataFrame(rows))
    return draft.finish(**(made or {}))


def make_probs(
    work: Work,
    run: str,
    fold: Fold,
    truth: Mapping[str, np.ndarray] | None = None,
    test: Sequence[str] = ("test0", "test1"),
    folds: int = 2,
    size: int = FRAME,
    classes: Mapping[str, float] | None = None,
    maps: Mapping[str, np.ndarray] | None = None,
    oof: Sequence[str] | None = None,
    seed: int = 0,
    tta: str = FLIP,
    recipe_tta: str = FLIP,
    rule: ThresholdRule = HALF,
    made: Mapping[str, Any] | None = None,
) -> Artifact:
    """WORK/probs/<run>/fold<k> with the split of `make_dataset`, made from the run if it is there.

    Args:
        classes: p(positive) by id, for class.csv.
        maps: by id, in place of noisy ones.
        oof: the images with an out-of-fold map, if not those of the fold.
        tta: the flips of the maps.
        recipe_tta: those of the recipe.
        made: for `made` of the manifest.
    """
    truth = masks(12, size) if truth is None else truth
    rng = np.random.default_rng(seed)
    sources = [work.dataset, work.run(run, fold)]
    inputs = [artifacts.read(location) for location in sources if location.folder.exists()]
    config = {"seed": seed, "tta": tta, "rule": asdict(rule)}
    location = work.probs(run, fold, None if tta == recipe_tta else tta)
    draft = artifacts.begin(location, config, inputs)
    assert draft
    own = [name for number, name in enumerate(sorted(truth)) if number % folds == fold]
    nothing = np.zeros((size, size), bool)
    for split, names in (("oof", own if oof is None else oof), ("test", test)):
        for name in names:
            noisy = noisy_map(truth.get(name, nothing), rng)
            images.write_png(draft.path(map_file(split, name)), (maps or {}).get(name, noisy))
    csv_files.write(draft.path("class.csv"), _class_table([*own, *test], classes))
    return draft.finish(**(made or {}))


def make_ensemble(
    work: Work,
    name: str,
    maps: Mapping[str, Mapping[str, np.ndarray]],
    classes: Mapping[str, float] | None = None,
) -> Artifact:
    """WORK/ensembles/<name> from finished maps: {"oof": {id: uint8}, "test": {id: uint8}}."""
    dataset = artifacts.read(work.dataset)
    config = {"members": ["fake"], "folds": [0, 1], "weights": [1.0]}
    config |= {"rle_size": dataset.config["rle_size"]}
    draft = artifacts.begin(work.ensemble(name), config, [dataset])
    assert draft
    codes = csv_files.read(dataset.path("truth.csv"), csv_files.RLE_COLUMNS).set_index("ImageId")
    rows = []
    for split, content in maps.items():
        for image_id, values in content.items():
            images.write_png(draft.path(map_file(split, image_id)), values)
    for image_id, values in maps.get("oof", {}).items():
        mask = rle.decode(codes.loc[image_id, "EncodedPixels"], *values.shape)
        rows.append(histograms.count(values, mask if mask.any() else None))
    if rows:
        pixels, inside = (np.stack(column) for column in zip(*rows, strict=True))
        counted = histograms.Histograms(np.array(list(maps["oof"])), pixels, inside)
        counted.save(draft.path("histograms.npz"))
    everything = [image_id for content in maps.values() for image_id in content]
    csv_files.write(draft.path("class.csv"), _class_table(everything, classes))
    members = pd.DataFrame([("fake", 0, 1.0, "0" * 64)], columns=["member", "fold", "weight", "id"])
    csv_files.write(draft.path("members.csv"), members)
    return draft.finish()


def make_decision(work: Work, ensemble: str, rule: ThresholdRule, tag: str = "params") -> Artifact:
    """WORK/decisions/<ensemble>-<tag> with a rule that nothing was fitted for."""
    inputs = [artifacts.read(work.ensemble(ensemble)), artifacts.read(work.dataset)]
    draft = artifacts.begin(work.decision(f"{ensemble}-{tag}"), {"rule": tag}, inputs)
    assert draft
    Decision(rule_name=tag, rule=rule).save(draft.path(DECISION_FILE))
    draft.path(SURFACE_FILE).touch()
    return draft.finish()


def _class_table(names: Iterable[str], classes: Mapping[str, float] | None) -> pd.DataFrame:
    rows = [(name, classes[name]) for name in sorted(names) if name in classes] if classes else []
    return pd.DataFrame(rows, columns=["ImageId", "p"])


def make_cache(
    work: Work, truth: Mapping[str, np.ndarray], size: int, test: Sequence[str] = ("test0", "test1")
) -> Artifact:
    """WORK/cache/<size>: noise, brighter where the truth is."""
    data = artifacts.read(work.dataset)
    draft = artifacts.begin(work.cache(size), {"size": size}, [data])
    assert draft
    rng = np.random.default_rng(0)
    for name in [*truth, *test]:
        mask = truth.get(name, np.zeros((size, size), bool))
        noise = rng.integers(0, 100, mask.shape)
        images.write_png(draft.path(image_file(name)), (noise + 150 * mask).astype(np.uint8))
        if mask.any():
            images.write_png(draft.path(mask_file(name)), mask.astype(np.uint8) * 255)
    return draft.finish()
