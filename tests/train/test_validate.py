"""Validation in the RLE frame, at a fixed rule."""

import numpy as np
import pytest
import torch

from lib.decision.rules import ThresholdRule
from lib.layout import Work
from lib.recipes import LossWeights
from lib.train.dataloaders import CachedImages, loader_options, validation_loader
from lib.train.losses import WeightedLoss
from lib.train.validate import validate
from tests.tiny_runs import CPU, SIZE, training_job


class Oracle(torch.nn.Module):
    """A network that predicts the truth, which is bright in the images."""

    factor = 1.0

    def evaluate(self, images: torch.Tensor, *args: object) -> tuple[dict, tuple]:
        return {"loss": torch.tensor(0.5)}, ((images > 127).float() * self.factor, None)


def test_the_truth_scores_1_and_empty_masks_score_the_fraction_of_negatives(work: Work) -> None:
    job, oracle = training_job(work), Oracle()
    ids = job.dataset.validation_ids(0)
    source = CachedImages(job.caches[SIZE], job.dataset, "none")
    loader = validation_loader(source, ids, 4, loader_options(0, CPU))
    criterion, rule = WeightedLoss(LossWeights(bce=1)), ThresholdRule(0.7, 1, 0.3)
    metrics = validate(oracle, loader, criterion, rule, CPU)
    assert metrics["dice"] == pytest.approx(1.0)
    assert metrics["loss"] == pytest.approx(0.5)
    oracle.factor = 0.7  # above bottom, but not above top
    metrics = validate(oracle, loader, criterion, rule, CPU)
    negatives = np.mean([not job.dataset.positive(name) for name in ids])
    assert metrics["dice"] == pytest.approx(negatives)
    assert metrics["positive_dice"] == 0
