"""Plan of the phantoms: patient, pneumothorax and annotations of each image."""

import uuid
from dataclasses import dataclass

import numpy as np
from pydicom.uid import generate_uid

from lib.prepare.phantom.pneumothorax import Lesion

SPLITS = ("train", "test")
POSITIVE_RATE = 0.24  # of the labelled images
POSITIVE_RATE_IN_SICK_PATIENTS = 0.56  # of the images of a patient who has a pneumothorax
N_UNLABELLED = 2  # training images
AP_RATE = 0.4
MULTI_ANNOTATION_RATE = 0.25  # of the positive images; in half of these the annotations overlap
# Quantile of positive images -> area in pixels of 1024 x 1024, from the competition's labels.
AREA_QUANTILES = ((0, 55), (0.01, 567), (0.05, 1363), (0.1, 2005), (0.25, 4059), (0.5, 8630),
                  (0.75, 18388), (0.9, 33432), (0.95, 45772), (0.99, 80416),
                  (1, 161421))  # fmt: skip


@dataclass(frozen=True)
class Case:
    """Description of an image to draw."""

    seed: int
    split: str
    number: int
    patient: str  # a UUID
    sex: str
    age: int  # as recorded
    ap: bool
    lesion: Lesion | None
    labelled: bool

    @property
    def view(self) -> str:
        return "AP" if self.ap else "PA"

    def uid(self, level: str) -> str:
        """Return the UID of a level: image, series or study."""
        return generate_uid(entropy_srcs=[level, str(self.seed), self.split, str(self.number)])

    def rng(self) -> np.random.Generator:
        """Return the random generator of the image; it does not depend on other images."""
        return np.random.default_rng([self.seed, SPLITS.index(self.split), self.number])

    def patient_rng(self) -> np.random.Generator:
        """Return the random generator of the patient: the same for all their images."""
        return np.random.default_rng(uuid.UUID(self.patient).int)


def plan_cases(split: str, count: int, seed: int) -> list[Case]:
    """Plan the images of a split.

    Args:
        split: train or test; no patient is in both.
        count: number of images.
        seed: of the whole data set.
    """
    rng = np.random.default_rng([seed, SPLITS.index(split)])
    owners = _draw_owners(count, rng)
    people = [_draw_person(f"{seed}/{split}/{owner}", rng) for owner in range(owners.max() + 1)]
    unlabelled = rng.choice(count, N_UNLABELLED if split == "train" else 0, replace=False)
    labelled = ~np.isin(np.arange(count), unlabelled)
    lesions = _draw_lesions(_draw_positives(owners, labelled, rng), rng)
    ap = (rng.random(count) < AP_RATE).tolist()
    cases = []
    for number, owner in enumerate(owners):
        patient, sex, age = people[owner]
        case = Case(seed=seed, split=split, number=number, patient=patient, sex=sex, age=age,
                    ap=ap[number], lesion=lesions[number],
                    labelled=bool(labelled[number]))  # fmt: skip
        cases.append(case)
    return cases


def _draw_owners(count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the patient of each image.

    Most patients have one image, but most images are of patients with several.
    """
    images = rng.choice([1, 2, 3, 4, 6], size=count, p=[0.66, 0.16, 0.08, 0.06, 0.04])
    return np.repeat(np.arange(count), images)[:count]


def _draw_person(name: str, rng: np.random.Generator) -> tuple[str, str, int]:
    """Draw patient id, sex and age; one age in a hundred is wrong, as in the real files."""
    age = int(np.clip(rng.normal(47, 17), 2, 93)) + 100 * (rng.random() < 0.01)
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name)), "M" if rng.random() < 0.55 else "F", age


def _draw_positives(
    owners: np.ndarray, labelled: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Draw the positive images: exactly the rate, often several of a patient."""
    quota = round(POSITIVE_RATE * labelled.sum())
    positive = np.zeros(len(owners), bool)
    for owner in rng.permutation(owners.max() + 1):
        images = np.flatnonzero((owners == owner) & labelled)
        sick = images[rng.random(len(images)) < POSITIVE_RATE_IN_SICK_PATIENTS]
        positive[sick[: quota - positive.sum()]] = True
    return positive


def _draw_lesions(positive: np.ndarray, rng: np.random.Generator) -> list[Lesion | None]:
    """Draw a pneumothorax for each positive image.

    Areas are stratified over the real distribution, so that few images spread like many.
    """
    count = int(positive.sum())
    steps = (rng.permutation(count) + rng.random(count)) / max(count, 1)
    quantiles, areas = np.transpose(AREA_QUANTILES)
    sizes = np.exp(np.interp(steps, quantiles, np.log(areas))) / 1024**2
    annotations, overlapping = np.ones(count, int), np.zeros(count, bool)
    several = rng.permutation(count)[: max(2, round(MULTI_ANNOTATION_RATE * count))]
    annotations[several] = rng.choice([2, 3, 4], len(several), p=[0.72, 0.2, 0.08])
    overlapping[several[::2]] = True
    columns = (column.tolist() for column in (sizes, annotations, overlapping))
    lesions = iter([Lesion(*row) for row in zip(*columns, strict=True)])
    return [next(lesions) if is_positive else None for is_positive in positive]
