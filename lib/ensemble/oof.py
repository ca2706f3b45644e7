"""The out-of-fold side of an ensemble: what a rule makes of images whose truth is known."""

from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from lib import images, metrics, rle, tables
from lib.artifacts import Artifact
from lib.dataset import Dataset
from lib.decision import histograms, rules
from lib.decision.honest import Sample
from lib.ensemble.average import HISTOGRAMS
from lib.ensemble.members import CLASSES
from lib.layout import map_file
from lib.pool import in_processes
from lib.recipes.schema import Rule


@dataclass(frozen=True)
class OutOfFold:
    """The labelled images of an ensemble."""

    ensemble: Artifact
    dataset: Dataset

    @cached_property
    def sample(self) -> Sample:
        """What rules are fitted on."""
        counted = histograms.load(self.ensemble.path(HISTOGRAMS))
        folds = np.array([self.dataset.folds[name] for name in counted.ids])
        patients = np.array([self.dataset.patients[name] for name in counted.ids])
        return Sample(counted, folds, patients)

    def areas(self, rule: Rule) -> tuple[np.ndarray, ...]:
        """What any rule makes of every image, as `metrics.dice` takes it.

        Histograms are enough for gates and thresholds; components and holes are looked at in the
        maps of those images that still have a mask.

        Returns:
            |P|, |T| and |P and T|, each (N,) in pixels.
        """
        counted = self.sample.histograms
        classes = None if rule.class_min is None else self._image_probabilities(counted.ids)
        shapeless = replace(rule, component_min_area=0, fill_holes=False)
        predicted, truth, overlap = counted.areas(shapeless, classes)
        masked = np.flatnonzero(predicted)
        if rule != shapeless and masked.size:
            maps = [
                (self.ensemble.path(map_file("oof", name)), self.dataset.truth[name])
                for name in counted.ids[masked]
            ]
            count = partial(_count, replace(rule, class_min=None))  # those gated are left out
            counts = np.array(list(in_processes(count, maps, "components")))
            predicted[masked], overlap[masked] = counts.T
        return predicted, truth, overlap

    def _image_probabilities(self, names: np.ndarray) -> np.ndarray:
        """(N,) p(positive) of some images."""
        table = tables.read(self.ensemble.path(CLASSES), ("ImageId", "p")).set_index("ImageId")
        return table.loc[names, "p"].to_numpy(float)


def has_labels(ensemble: Artifact) -> bool:
    """Whether it has out-of-fold maps, to fit rules on and to measure them."""
    return HISTOGRAMS in ensemble.files


def _count(rule: Rule, image: tuple[Path, str]) -> tuple[int, int]:
    """The pixels of a mask, and those of them in the truth: |P| and |P and T|.

    Args:
        image: the path of its map, and the code of its truth.
    """
    path, code = image
    mask = rules.apply(rule, images.read_png(path))
    predicted, _, overlap = metrics.areas(mask, rle.decode(code, *mask.shape))
    return int(predicted), int(overlap)
