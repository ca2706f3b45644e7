"""Decide what each phantom shows, before any is drawn: patients, pneumothoraces, annotations."""

import uuid
from dataclasses import dataclass

import numpy as np
from pydicom.uid import generate_uid

from lib.prepare.phantom.pneumothorax import Lesion

SPLITS = ("train", "test")
POSITIVE = 0.24  # of the labelled images
SIBLING = 0.56  # probability that an image is positive if another of the patient is
UNLABELLED = 2  # training images
PORTABLE = 0.4
SEVERAL = 0.25  # of the positive images have several annotations; in half of these they overlap
# Share of positive images -> area in pixels of 1024 x 1024, from the competition's labels.
AREAS = ((0, 55), (0.01, 567), (0.05, 1363), (0.1, 2005), (0.25, 4059), (0.5, 8630), (0.75, 18388),
         (0.9, 33432), (0.95, 45772), (0.99, 80416), (1, 161421))  # fmt: skip


@dataclass(frozen=True)
class Case:
    """An image to be made."""

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
        """The UID of the image, or of its series or study."""
        return generate_uid(entropy_srcs=[level, str(self.seed), self.split, str(self.number)])

    def rng(self) -> np.random.Generator:
        """The random numbers of the image, whatever else is drawn."""
        return np.random.default_rng([self.seed, SPLITS.index(self.split), self.number])

    def patient_rng(self) -> np.random.Generator:
        """The random numbers of the patient: the same in all their images."""
        return np.random.default_rng(uuid.UUID(self.patient).int)


def plan(split: str, count: int, seed: int) -> list[Case]:
    """Decide what the images of a split show.

    Args:
        split: train or test; no patient is in both.
        count: images.
        seed: of the whole data set.
    """
    rng = np.random.default_rng([seed, SPLITS.index(split)])
    owners = _owners(count, rng)
    people = [_person(f"{seed}/{split}/{owner}", rng) for owner in range(owners.max() + 1)]
    unlabelled = rng.choice(count, UNLABELLED if split == "train" else 0, replace=False)
    labelled = ~np.isin(np.arange(count), unlabelled)
    lesions = _lesions(_positive(owners, labelled, rng), rng)
    ap = (rng.random(count) < PORTABLE).tolist()
    cases = []
    for number, owner in enumerate(owners):
        patient, sex, age = people[owner]
        finding, known = lesions[number], bool(labelled[number])
        cases.append(Case(seed, split, number, patient, sex, age, ap[number], finding, known))
    return cases


def _owners(count: int, rng: np.random.Generator) -> np.ndarray:
    """The patient of each image: most have one, most images are of patients with several."""
    images = rng.choice([1, 2, 3, 4, 6], size=count, p=[0.66, 0.16, 0.08, 0.06, 0.04])
    return np.repeat(np.arange(count), images)[:count]


def _person(name: str, rng: np.random.Generator) -> tuple[str, str, int]:
    """Patient id, sex and age; one age in a hundred is a slip of the pen, as in the real files."""
    age = int(np.clip(rng.normal(47, 17), 2, 93)) + 100 * (rng.random() < 0.01)
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name)), "M" if rng.random() < 0.55 else "F", age


def _positive(owners: np.ndarray, labelled: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Which images are positive: exactly the share, siblings together."""
    quota = round(POSITIVE * labelled.sum())
    positive = np.zeros(len(owners), bool)
    for owner in rng.permutation(owners.max() + 1):
        images = np.flatnonzero((owners == owner) & labelled)
        sick = images[rng.random(len(images)) < SIBLING]
        positive[sick[: quota - positive.sum()]] = True
    return positive


def _lesions(positive: np.ndarray, rng: np.random.Generator) -> list[Lesion | None]:
    """A pneumothorax for each positive image.

    Areas go in even steps through the real distribution, so that few images spread like many.
    """
    count = int(positive.sum())
    steps = (rng.permutation(count) + rng.random(count)) / max(count, 1)
    shares, areas = np.transpose(AREAS)
    sizes = np.exp(np.interp(steps, shares, np.log(areas))) / 1024**2
    rows, overlapping = np.ones(count, int), np.zeros(count, bool)
    several = rng.permutation(count)[: max(2, round(SEVERAL * count))]
    rows[several] = rng.choice([2, 3, 4], len(several), p=[0.72, 0.2, 0.08])
    overlapping[several[::2]] = True
    columns = (column.tolist() for column in (sizes, rows, overlapping))
    drawn = iter([Lesion(*row) for row in zip(*columns, strict=True)])
    return [next(drawn) if image else None for image in positive]
