"""One run at its published rule, image by image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lib import csv_files, metrics, rle, score
from lib.bootstrap import interval
from lib.dataset import Dataset
from lib.decision import rules
from lib.decision.rules import ThresholdRule
from lib.layout import ALL_DATA, map_file
from lib.leaderboard.runs import Run
from lib.parallel import map_in_processes
from lib.prob_maps import blend
from lib.score import Score

Truth = Mapping[str, Sequence[str]]  # the codes of each image's annotations
CLASS_THRESHOLD = 0.5
FEW = 500  # images that are counted, at 10 ms each, before other processes have started


class Labelled(NamedTuple):
    """An image whose truth is known, and what a run says of it."""

    image_id: str
    patient: str
    codes: Sequence[str]
    maps: Sequence[Path]  # their mean is what is measured
    p: float | None


@dataclass(frozen=True)
class Counter:
    """Counts pixels under several rules; what another process needs for it."""

    size: int
    rules: Sequence[ThresholdRule]

    def __call__(self, image: Labelled) -> list[tuple[int, ...]]:
        """|P|, |T| and |P and T| of an image, for each rule."""
        (values,) = blend(image.maps, np.ones((1, len(image.maps))), self.size)
        truth = rle.union(image.codes, self.size, self.size)
        masks = [rules.apply(rule, values, image.p) for rule in self.rules]
        return [tuple(map(int, metrics.areas(mask, truth))) for mask in masks]


@dataclass(frozen=True)
class RunMetrics:
    """What a run scores: figures are methods, so that a table can name its columns' by them.

    Attributes:
        score: by its published rule.
        unremoved: the same without a minimum area.
        patients: (N,) the patient of each image.
        p: (N,) image probabilities; None without an image-level output.
    """

    run: Run
    score: Score
    unremoved: Score
    patients: np.ndarray
    p: np.ndarray | None

    def without_removal(self) -> "RunMetrics":
        """The same run, its rule without a minimum area."""
        return replace(self, score=self.unremoved)

    @property
    def ci95(self) -> tuple[float, float]:
        """The 95 % interval of the mean Dice, over patients."""
        return interval(self.score.dices, self.patients)

    @property
    def gains(self) -> np.ndarray:
        """(N,) what each image's Dice has more than that of an empty mask."""
        return self.score.dices - ~self.score.positive

    @property
    def gain_ci95(self) -> tuple[float, float]:
        return interval(self.gains, self.patients)

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

    def sensitivity(self) -> float:
        return metrics.sensitivity(self.score.found, self.score.positive)

    def specificity(self) -> float:
        return metrics.specificity(self.score.found, self.score.positive)

    def loss(self) -> float:
        return self.run.loss

    def auc(self) -> float:
        """Of the image-level output; NaN without one, as the two below."""
        return np.nan if self.p is None else metrics.auc(self.p, self.score.positive)

    def class_accuracy(self) -> float:
        """Share of images that the image-level output, at .5, takes for what they are."""
        if self.p is None:
            return np.nan
        return float(((self.p > CLASS_THRESHOLD) == self.score.positive).mean())

    def balanced_class_accuracy(self) -> float:
        """The same, positives and negatives counting alike."""
        if self.p is None:
            return np.nan
        found, positive = self.p > CLASS_THRESHOLD, self.score.positive
        shares = metrics.sensitivity(found, positive), metrics.specificity(found, positive)
        return float(np.mean(shares))


def out_of_fold(run: Run, dataset: Dataset) -> list[Labelled]:
    """The images that a fold of the run did not see; none if it was trained on all data."""
    return [
        Labelled(
            name,
            dataset.patients[name],
            [dataset.truth[name]],
            [part.probs.location.folder / map_file("oof", name)],
            run.classes.get(name),
        )
        for part in run.parts
        if part.fold != ALL_DATA
        for name in dataset.validation_ids(part.fold)
    ]


def tested(run: Run, dataset: Dataset, truth: Truth) -> list[Labelled]:
    """The test images of the truth; what is measured is the mean over the run's folds."""
    folders = [part.probs.location.folder for part in run.parts]
    patients = dataset.images.get("patient_id", dataset.images["ImageId"])
    return [
        Labelled(
            name,
            patients[name] or name,
            codes,
            [folder / map_file("test", name) for folder in folders],
            run.classes.get(name),
        )
        for name, codes in truth.items()
    ]


def read_truth(path: Path, dataset: Dataset) -> tuple[Truth, int]:
    """Read the truth of test images.

    Returns:
        The annotations of those that are in the dataset, and how many others there are.

    Raises:
        InputError: if a code is wrong, or no image is a test image.
    """
    score.check_test(path, dataset.rle_size, dataset.test_ids, dataset.artifact.location)
    frame = csv_files.read_rles(path)
    codes = frame.groupby("ImageId", sort=False)["EncodedPixels"].agg(list).to_dict()
    known = {name: codes[name] for name in dataset.test_ids if name in codes}
    return known, len(codes) - len(known)


def measure(run: Run, images: Sequence[Labelled], size: int) -> RunMetrics:
    """Apply the run's rule to every image, with and without its minimum area.

    Args:
        images: at least one.
        size: the side of the RLE frame, in pixels.

    Raises:
        InputError: if a map is damaged.
    """
    used = list(dict.fromkeys([run.rule, replace(run.rule, min_area=0)]))
    workers = 1 if len(images) <= FEW else None
    areas = np.array(list(map_in_processes(Counter(size, used), images, run.title, workers)))
    ids = tuple(image.image_id for image in images)
    return RunMetrics(
        run,
        Score(ids, areas[:, 0]),
        Score(ids, areas[:, -1]),
        np.array([image.patient for image in images]),
        np.array([image.p for image in images]) if run.classes else None,
    )
