"""The out-of-fold side of an ensemble: the images whose truth is known."""

from functools import partial

import numpy as np
import pandas as pd

from lib.artifacts import Artifact
from lib.dataset import Dataset
from lib.decision import histograms
from lib.decision.components import ComponentCache
from lib.decision.histograms import Histograms
from lib.decision.oof_sample import OofSample
from lib.ensemble import member_weights
from lib.ensemble.average import HISTOGRAMS
from lib.errors import InputError


def has_labels(ensemble: Artifact) -> bool:
    """Whether it has out-of-fold maps, to fit rules on and to measure them."""
    return HISTOGRAMS in ensemble.files


def read(ensemble: Artifact, dataset: Dataset, features: pd.DataFrame | None = None) -> OofSample:
    """What rules are fitted on.

    Args:
        features: image probabilities, a row an image, if a class gate is wanted.

    Raises:
        InputError: if images lack one.
    """
    counted = histograms.load(ensemble.path(HISTOGRAMS))
    folds = np.array([dataset.folds[name] for name in counted.ids])
    patients = np.array([dataset.patients[name] for name in counted.ids])
    shapes = ComponentCache(ensemble.location.folder, dataset.truth, counted.ids)
    values = None if features is None else _of(features, counted.ids)
    searched = member_weights.WEIGHTS in ensemble.files
    blind = partial(_blind, ensemble) if searched else None
    return OofSample(counted, folds, patients, values, shapes, blind)


def _blind(ensemble: Artifact, fold: int) -> Histograms:
    return histograms.load(ensemble.path(member_weights.blind_file(fold)))


def _of(features: pd.DataFrame, names: np.ndarray) -> np.ndarray:
    """(N, G) float, of some images."""
    values = features.reindex(names).to_numpy(float)
    lacking = names[np.isnan(values).any(axis=1)]
    if len(lacking):
        raise InputError(
            f"{len(lacking)} images have no image probability ({lacking[0]}, ...): a member has an "
            "image head in some folds only; run 03_infer.py --replace for it, or use --gate"
        )
    return values
