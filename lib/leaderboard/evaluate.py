"""Metrics of one run at its recipe's published rule, image by image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lib import csv_files, metrics, rle, score
from lib.dataset import Dataset
from lib.decision.rules import DecisionRule
from lib.layout import ALL_DATA, map_file
from lib.leaderboard.runs import Run
from lib.parallel import map_in_processes
from lib.prob_maps import blend
from lib.score import Score

Truth = Mapping[str, Sequence[str]]  # ImageId -> the codes of its annotations
CLASS_THRESHOLD = 0.5
ONE_PROCESS_MAX = 500  # images: at 10 ms each they are done before other processes have started


class MapWithTruth(NamedTuple):
    """An image with its truth and a run's predictions.

    Attributes:
        codes: of its annotations, which are united.
        map_paths: the maps to average.
        p_positive: None without an image-level output.
    """

    image_id: str
    patient_id: str
    codes: Sequence[str]
    map_paths: Sequence[Path]
    p_positive: float | None


@dataclass(frozen=True)
class RunMetrics:
    """Metrics of a run. They are methods, so that a table can list its columns.

    Attributes:
        score: at the published rule.
        score_without_removal: at the same rule without a minimum area.
        size: the side of the RLE frame, in pixels.
        patient_ids: (N,) the patient of each image.
        p_positive: (N,) of each image; None without an image-level output.
    """

    run: Run
    score: Score
    score_without_removal: Score
    size: int
    patient_ids: np.ndarray
    p_positive: np.ndarray | None

    def without_removal(self) -> "RunMetrics":
        """Return the metrics at the rule without a minimum area."""
        return replace(self, score=self.score_without_removal)

    @property
    def gains(self) -> np.ndarray:
        """(N,) Dice of each image minus the Dice of an empty mask."""
        return self.score.dices - ~self.score.positive

    def differences(self, other: "RunMetrics") -> tuple[np.ndarray, np.ndarray]:
        """Return Dice minus the other run's for each image of both, and the images' patients."""
        others = dict(zip(other.score.ids, other.score.dices, strict=True))
        shared = np.array([name in others for name in self.score.ids])
        names = [name for name in self.score.ids if name in others]
        dices = self.score.dices[shared] - np.array([others[name] for name in names])
        return dices, self.patient_ids[shared]

    def dice(self) -> float:
        return self.score.dice

    def positive_dice(self) -> float:
        return self.score.positive_dice

    def balanced_dice(self) -> float:
        return metrics.balanced_dice(self.score.dices, self.score.positive)

    def iou(self) -> float:
        return float(metrics.iou(*self.score.areas.T).mean())

    def precision(self) -> float:
        return float(metrics.precision(*self.score.areas.T).mean())

    def recall(self) -> float:
        return float(metrics.recall(*self.score.areas.T).mean())

    def pixel_accuracy(self) -> float:
        predicted, truth, overlap = self.score.areas.T
        return float(metrics.pixel_accuracy(predicted, truth, overlap, self.size).mean())

    def sensitivity(self) -> float:
        return metrics.sensitivity(self.score.has_mask, self.score.positive)

    def specificity(self) -> float:
        return metrics.specificity(self.score.has_mask, self.score.positive)

    def loss(self) -> float:
        return self.run.loss

    def auc(self) -> float:
        """Return that of the image-level output; NaN without one."""
        if self.p_positive is None:
            return np.nan
        return metrics.auc(self.p_positive, self.score.positive)

    def class_accuracy(self) -> float:
        """Return the accuracy of the image-level output at 0.5; NaN without one."""
        if self.p_positive is None:
            return np.nan
        return float(((self.p_positive > CLASS_THRESHOLD) == self.score.positive).mean())

    def balanced_class_accuracy(self) -> float:
        """Return the mean of its sensitivity and specificity at 0.5; NaN without one."""
        if self.p_positive is None:
            return np.nan
        predicted, positive = self.p_positive > CLASS_THRESHOLD, self.score.positive
        rates = metrics.sensitivity(predicted, positive), metrics.specificity(predicted, positive)
        return float(np.mean(rates))


def oof_images(run: Run, dataset: Dataset) -> list[MapWithTruth]:
    """Return the validation images of the run's folds; none if it was trained on all data."""
    return [
        MapWithTruth(
            name,
            dataset.patients[name],
            [dataset.truth[name]],
            [fold_run.probs.location.folder / map_file("oof", name)],
            run.p_positive.get(name),
        )
        for fold_run in run.fold_runs
        if fold_run.fold != ALL_DATA
        for name in dataset.validation_ids(fold_run.fold)
    ]


def test_images(run: Run, dataset: Dataset, truth: Truth) -> list[MapWithTruth]:
    """Return the test images of the truth, with the maps of all folds of the run."""
    folders = [fold_run.probs.location.folder for fold_run in run.fold_runs]
    return truth_images(folders, run.p_positive, dataset, truth)


def truth_images(
    folders: Sequence[Path], p_positive: Mapping[str, float], dataset: Dataset, truth: Truth
) -> list[MapWithTruth]:
    """Return the test images of the truth, with their maps in folders of probs/ or ensembles/."""
    return [
        MapWithTruth(
            name,
            dataset.test_patients[name],
            codes,
            [folder / map_file("test", name) for folder in folders],
            p_positive.get(name),
        )
        for name, codes in truth.items()
    ]


def read_truth(path: Path, dataset: Dataset) -> tuple[Truth, int]:
    """Read the truth of test images.

    Returns:
        The codes of the dataset's test images, and the number of other ids in the file.

    Raises:
        InputError: if a code is wrong, or no image is a test image.
    """
    score.check_test(path, dataset.rle_size, dataset.test_ids, dataset.artifact.location)
    frame = csv_files.read_rles(path)
    groups = frame.groupby("ImageId", sort=False)["EncodedPixels"]
    codes = {str(name): list(annotations) for name, annotations in groups}
    names = {name: name for name in codes} | csv_files.match_ids(dataset.test_ids, codes)
    truth = {name: codes[names[name]] for name in dataset.test_ids if name in names}
    return truth, len(codes) - len(truth)


def evaluate_run(run: Run, images: Sequence[MapWithTruth], size: int) -> RunMetrics:
    """Apply the run's rule to every image, with and without its minimum area.

    Args:
        run: to evaluate.
        images: at least one.
        size: the side of the RLE frame, in pixels.

    Raises:
        InputError: if a map is damaged.
    """
    rule = run.rule.in_frame(size)
    variants = list(dict.fromkeys([rule, replace(rule, min_area=0)]))
    areas = count_areas(images, variants, size, run.title)
    ids = tuple(image.image_id for image in images)
    return RunMetrics(
        run,
        Score(ids, areas[:, 0]),
        Score(ids, areas[:, -1]),
        size,
        np.array([image.patient_id for image in images]),
        np.array([image.p_positive for image in images]) if run.p_positive else None,
    )


def count_areas(
    images: Sequence[MapWithTruth], rules: Sequence[DecisionRule], size: int, label: str
) -> np.ndarray:
    """Return |P|, |T| and |P and T| in pixels of every image under each rule: (N, rules, 3)."""
    count = partial(_count_areas, variants=rules, size=size)
    workers = 1 if len(images) <= ONE_PROCESS_MAX else None
    return np.array(list(map_in_processes(count, images, label, workers)))


def _count_areas(
    image: MapWithTruth, variants: Sequence[DecisionRule], size: int
) -> list[tuple[int, ...]]:
    """Return |P|, |T| and |P and T| in pixels under each variant of the rule."""
    (values,) = blend(image.map_paths, np.ones((1, len(image.map_paths))), size)
    truth = rle.union(image.codes, size, size)
    masks = [rule.apply(values, image.p_positive) for rule in variants]
    return [tuple(map(int, metrics.areas(mask, truth))) for mask in masks]
