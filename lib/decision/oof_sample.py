"""What rules are fitted on, and what a rule makes of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from lib import metrics
from lib.decision.components import ComponentCache
from lib.decision.deciders import Decider
from lib.decision.expected_dice import ExpectedDiceRule
from lib.decision.histograms import Histograms
from lib.decision.rules import levels


@dataclass(frozen=True)
class OofSample:
    """Labelled images to fit rules on.

    Attributes:
        histograms: of N images.
        folds: (N,) int, the fold of each, whose network did not see it.
        patients: (N,) the patient of each.
        features: (N, G) image probabilities, for rules with a class gate.
        shapes: the components of their masks, for rules that look at them.
        heldout_histograms: by fold, the histograms of maps whose weights were found without it;
            None if no weights were searched.
    """

    histograms: Histograms
    folds: np.ndarray
    patients: np.ndarray
    features: np.ndarray | None = None
    shapes: ComponentCache | None = None
    heldout_histograms: Callable[[int], Histograms] | None = None

    def __len__(self) -> int:
        return len(self.folds)

    def __getitem__(self, chosen: np.ndarray) -> "OofSample":
        """Some of the images, by index or bool."""
        features = None if self.features is None else self.features[chosen]
        few = self.histograms[chosen], self.folds[chosen], self.patients[chosen]
        return OofSample(*few, features, self.shapes)

    def excluding_fold(self, fold: int) -> "OofSample":
        """All images, as they look to someone who never saw the truth of a fold."""
        if self.heldout_histograms is None:
            return self
        return replace(
            self, histograms=self.heldout_histograms(fold), shapes=None, heldout_histograms=None
        )

    def by_fold(self) -> dict[int, "OofSample"]:
        """The images of each fold."""
        return {int(fold): self[self.folds == fold] for fold in np.unique(self.folds)}

    def areas(self, rule: Decider, classes: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
        """What any rule makes of every image, as `metrics.dice` takes it.

        Histograms are enough for gates and thresholds and for the expected Dice; components are
        looked at in those images that still have a mask.

        Args:
            rule: as `deciders.apply` takes it.
            classes: (N,) p(positive), if the rule looks at it.

        Returns:
            |P|, |T| and |P and T|, each (N,) in pixels.
        """
        if isinstance(rule, ExpectedDiceRule):
            return rule.areas(self.histograms, classes)
        shapeless = replace(rule, component_min_area=0, fill_holes=False)
        predicted, truth, overlap = self.histograms.areas(shapeless, classes)
        if rule != shapeless:
            assert self.shapes
            masked = np.flatnonzero(predicted)
            names = self.histograms.ids[masked]
            spans = self.shapes.spans(levels(rule)[1], names, rule.fill_holes)
            counts = spans.areas(rule.component_min_area, len(masked))
            predicted[masked], overlap[masked] = counts
        return predicted, truth, overlap

    def dice(self, rule: Decider, classes: np.ndarray | None = None) -> np.ndarray:
        """(N,) Dice of every image; arguments as `areas`."""
        return metrics.dice(*self.areas(rule, classes))
