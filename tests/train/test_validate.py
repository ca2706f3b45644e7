"""Validation in the RLE frame, at a fixed rule and at the best triplet."""

import numpy as np
import pytest
import torch

from lib import dataset, rle
from lib.decision.rules import ThresholdRule
from lib.layout import Work
from lib.recipes import LossWeights
from lib.train.dataloaders import CachedImages, loader_options, validation_loader
from lib.train.losses import WeightedLoss
from lib.train.validate import validate
from tests.tiny_runs import CPU, SIZE, training_job


class Oracle(torch.nn.Module):
    """A network that predicts the truth, which is bright in the images."""

    factor, background, noise = 1.0, 0.0, 0.0

    def evaluate(self, images: torch.Tensor, *args: object) -> tuple[dict, tuple]:
        maps = (images > 127).float() * (self.factor - self.background) + self.background
        torch.manual_seed(0)
        return {"loss": torch.tensor(0.5)}, (maps + self.noise * torch.rand(maps.shape), None)


RULE = ThresholdRule(0.7, 1, 0.3)


def score(work: Work, oracle: Oracle, rule: ThresholdRule, tune: bool) -> dict[str, float]:
    job = training_job(work)
    source = CachedImages(job.caches[SIZE], job.dataset, "none")
    loader = validation_loader(source, job.dataset.validation_ids(0), 4, loader_options(0, CPU))
    metrics = validate(oracle, loader, WeightedLoss(LossWeights(bce=1)), rule, CPU, tune)
    job.draft.lock.release()
    return metrics


@pytest.fixture
def all_empty_dice(work: Work) -> float:
    data = dataset.read(work)
    return float(np.mean([not data.positive(name) for name in data.validation_ids(0)]))


def test_the_truth_scores_1_and_empty_masks_score_the_fraction_of_negatives(
    work: Work, all_empty_dice: float
) -> None:
    oracle = Oracle()
    metrics = score(work, oracle, RULE, tune=False)
    assert metrics["dice"] == metrics["iou"] == pytest.approx(1.0)
    assert metrics["loss"] == pytest.approx(0.5)
    assert "tuned_dice" not in metrics
    oracle.factor = 0.7  # above bottom, but not above top
    metrics = score(work, oracle, RULE, tune=False)
    assert metrics["dice"] == metrics["iou"] == pytest.approx(all_empty_dice)
    assert metrics["positive_dice"] == 0


def test_the_iou_of_each_image_follows_from_its_dice(work: Work) -> None:
    """Everything is predicted: the Dice of a lesion of a pixels in n is 2a / (n + a), IoU a / n."""
    oracle = Oracle()
    oracle.background = 1.0
    metrics = score(work, oracle, RULE, tune=False)
    data = dataset.read(work)
    ids = data.validation_ids(0)
    areas = [rle.decode(data.truth[name], SIZE, SIZE).sum() for name in ids]
    ious = [area / SIZE**2 for area in areas]
    assert metrics["iou"] == pytest.approx(np.mean(ious))
    assert metrics["dice"] == pytest.approx(np.mean([2 * iou / (1 + iou) for iou in ious]))


def test_the_best_triplet_ranks_an_epoch_that_finds_something_above_one_that_finds_nothing(
    work: Work, all_empty_dice: float
) -> None:
    """The fixed rule prefers nothing to lesions with a false mask, as in the first real epochs."""
    nothing, noisy = Oracle(), Oracle()
    nothing.factor, noisy.background = 0.0, 0.8
    fixed = [score(work, oracle, RULE, tune=True)["dice"] for oracle in (nothing, noisy)]
    tuned = [score(work, oracle, RULE, tune=True)["tuned_dice"] for oracle in (nothing, noisy)]
    assert fixed[0] == tuned[0] == pytest.approx(all_empty_dice)
    assert fixed[1] < fixed[0]
    assert tuned[1] == pytest.approx(1.0)


def test_the_best_triplet_has_its_score_as_a_fixed_rule(work: Work) -> None:
    oracle = Oracle()
    oracle.factor, oracle.noise = 0.2, 0.8
    tuned = score(work, oracle, RULE, tune=True)
    rule = ThresholdRule(tuned["tuned_top"], tuned["tuned_min_area"], tuned["tuned_bottom"])
    assert score(work, oracle, rule, tune=False)["dice"] == pytest.approx(tuned["tuned_dice"])
    assert 0 < tuned["dice"] < tuned["tuned_dice"] < 1
