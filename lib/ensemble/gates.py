"""Image probabilities for a class gate: of the ensemble itself, or of runs that are gates only."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lib import csv_files
from lib.artifacts import Artifact
from lib.dataset import Dataset
from lib.decision.honest import Gate, GateFit, identity_gate
from lib.ensemble import members
from lib.ensemble.members import EQUAL, MemberFold
from lib.errors import InputError
from lib.layout import CLASSES, Work

ONLY, MEAN, STACK = "only", "mean", "stack"  # the ensemble's own alone; of --gate-fit
DECIMALS = 6  # as class.csv has them: sums in another order must not move an image past a gate
NEAREST = 10.0**-DECIMALS  # to 0 and 1, where logits have no end
MEMBERS = "members"  # the column of the ensemble's own mean


def load_gates(
    work: Work, dataset: Dataset, names: Sequence[str], sources: Sequence[MemberFold]
) -> list[MemberFold]:
    """Open the gates' image probabilities, of the folds that the members have.

    Args:
        names: of runs.
        sources: the members'.

    Raises:
        InputError: if a gate does not fit the dataset, or has no image head.
    """
    if not names:
        return []
    folds = [str(fold) for fold in dict.fromkeys(source.fold for source in sources)]
    gates = members.load_members(work, dataset, names, folds, [EQUAL])
    for gate in gates:
        if gate.classes.empty:
            raise InputError(
                f"--gate {gate.member}: {gate.probs.location} has no image probabilities; "
                "name a run whose recipe has an image head"
            )
    return gates


def features(ensemble: Artifact, gates: Sequence[MemberFold], gate_fit: str) -> pd.DataFrame:
    """What p(positive) is made of: a row an image, a column a gate.

    Of an out-of-fold image, a gate says what its network says that did not see it; of a test image,
    the mean of all. The members' own mean is a column without gates, and in a stack.
    """
    columns: dict[str, list[pd.Series]] = {}
    for gate in gates:
        columns.setdefault(gate.member, []).append(_floats(gate.classes))
    joined = {name: pd.concat(parts).groupby(level=0).mean() for name, parts in columns.items()}
    own = _floats(csv_files.read(ensemble.path(CLASSES), ("ImageId", "p")))
    if not gates or (gate_fit == STACK and not own.empty):
        joined[MEMBERS] = own
    return pd.DataFrame(joined)


def mean(features: np.ndarray, positive: np.ndarray) -> Gate:
    """The mean of the gates; nothing is fitted."""
    return lambda features: features.mean(axis=1).round(DECIMALS)


def stack(features: np.ndarray, positive: np.ndarray) -> Gate:
    """Logistic regression on the gates' logits.

    Args:
        features: (N, G) probabilities.
        positive: (N,) bool, whether the truth is not empty.

    Raises:
        InputError: if all images are positive, or none is.
    """
    from sklearn.linear_model import LogisticRegression  # late: it takes a second to load

    if positive.all() or not positive.any():
        raise InputError(
            "--gate-fit stack needs images with and without a pneumothorax outside of every fold; "
            "give --gate-fit mean"
        )
    model = LogisticRegression().fit(_logits(features), positive)
    return lambda features: model.predict_proba(_logits(features))[:, 1].round(DECIMALS)


FITS: Mapping[str, GateFit] = {ONLY: identity_gate, MEAN: mean, STACK: stack}


def _logits(features: np.ndarray) -> np.ndarray:
    inner = np.clip(features, NEAREST, 1 - NEAREST)
    return np.log(inner / (1 - inner))


def _floats(classes: pd.DataFrame) -> pd.Series:
    return classes.set_index("ImageId")["p"].astype(float)
