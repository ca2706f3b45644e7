"""Figure of cases: a radiograph a row, the truth, and the masks of several runs side by side."""

from collections.abc import Mapping, Sequence

import numpy as np

from lib import csv_files, images, metrics, rle
from lib.artifacts import Artifact
from lib.drawing import PANEL, Panel, draw_grid, draw_masks
from lib.errors import InputError
from lib.layout import image_file
from lib.leaderboard import evaluate
from lib.leaderboard.evaluate import MapWithTruth
from lib.leaderboard.leaderboard import Leaderboard
from lib.leaderboard.runs import Run
from lib.prob_maps import blend

N_CASES = 4
NOTE = "Orange: predicted, at the published rule of the run's recipe. Blue line: the truth."

ImagesByRun = Sequence[tuple[Run, Mapping[str, MapWithTruth]]]


def draw(leaderboard: Leaderboard, requested: Sequence[str]) -> bytes:
    """Return a PNG with a row for each case and a column for each run.

    Args:
        leaderboard: its images are those with a truth, out of fold or for test.
        requested: ImageIds, with the extension of a file or without; empty: positives of
            different sizes that all runs have, if there are.

    Raises:
        InputError: if there is no run, no cache, or no such image, or a map is damaged.
    """
    cache = leaderboard.dataset.largest_cache()
    if cache is None:
        raise InputError("there is no cache of this dataset to draw; run 01_prepare.py")
    images_by_run = [
        (run, {image.image_id: image for image in _images(leaderboard, run)})
        for run in leaderboard.index.runs.values()
    ]
    left_out = [run.title for run, images in images_by_run if not images]
    images_by_run = [(run, images) for run, images in images_by_run if images]
    if not images_by_run:
        raise InputError("no run has maps of images with a truth; run 03_infer.py")
    matches = csv_files.match_ids(requested, leaderboard.dataset.images.index)
    cases = [matches.get(name, name) for name in requested] or _choose_cases(images_by_run)
    unknown = [name for name in cases if not any(name in images for _, images in images_by_run)]
    if unknown:
        raise InputError(
            f"no run has a map with a truth of {', '.join(unknown[:3])}; without --truth, give "
            "labelled images of the folds that runs have, with it, test images"
        )
    size = leaderboard.dataset.rle_size
    first, *others = [_draw_case(name, cache, images_by_run, size) for name in cases]
    untitled = [[panel._replace(title="") for panel in row] for row in others]
    note = f"{NOTE} Without maps of such images: {', '.join(left_out)}." if left_out else NOTE
    return draw_grid([first, *untitled], note)


def _images(leaderboard: Leaderboard, run: Run) -> list[MapWithTruth]:
    if leaderboard.truth is None:
        return evaluate.oof_images(run, leaderboard.dataset)
    return evaluate.test_images(run, leaderboard.dataset, leaderboard.truth)


def _choose_cases(images_by_run: ImagesByRun) -> list[str]:
    """Choose positive images from the largest area to the smallest, the same at every call."""
    counts: dict[str, int] = {}
    areas: dict[str, int] = {}
    for _, images_of_run in images_by_run:
        for name, image in images_of_run.items():
            counts[name] = counts.get(name, 0) + 1
            areas[name] = sum(map(rle.area, image.codes))
    common = [name for name in sorted(areas) if counts[name] == max(counts.values())]
    ranked = sorted([name for name in common if areas[name]] or common, key=lambda n: -areas[n])
    count = min(N_CASES, len(ranked))
    return [ranked[int((place + 0.5) * len(ranked) / count)] for place in range(count)]


def _draw_case(name: str, cache: Artifact, images_by_run: ImagesByRun, size: int) -> list[Panel]:
    """Return the panels of a row: the radiograph, its truth, and the masks of every run."""
    radiograph = images.read_png(cache.path(image_file(name)))
    images_of_case = [images_of_run.get(name) for _, images_of_run in images_by_run]
    truth = rle.union(next(filter(None, images_of_case)).codes, size, size)
    panels = [
        Panel(draw_masks(radiograph, PANEL), "radiograph", name),
        Panel(draw_masks(radiograph, PANEL, true=truth), "truth", f"{int(truth.sum()):,} px"),
    ]
    for (run, _), image in zip(images_by_run, images_of_case, strict=True):
        if image is None:
            panels.append(Panel(None, run.title, "no map out of fold"))
            continue
        mask = _predict(run, image, size)
        dice = float(metrics.dice(*metrics.areas(mask, truth)))
        drawn = draw_masks(radiograph, PANEL, mask, truth)
        panels.append(Panel(drawn, run.title, f"Dice {dice:.3f}"))
    return panels


def _predict(run: Run, image: MapWithTruth, size: int) -> np.ndarray:
    """Return the mask at the run's rule, (size, size) bool."""
    (values,) = blend(image.map_paths, np.ones((1, len(image.map_paths))), size)
    return run.rule.in_frame(size).apply(values, image.p_positive)
