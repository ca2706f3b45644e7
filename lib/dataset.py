"""Tables of WORK/dataset, for the stages after the first."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from lib import artifacts, csv_files, layout, rle
from lib.artifacts import Artifact
from lib.errors import InputError
from lib.layout import ALL_DATA, Fold, Work


@dataclass(frozen=True)
class Dataset:
    """Images of the dataset, their labels and patients, and their split."""

    artifact: Artifact

    @property
    def rle_size(self) -> int:
        """Side of the RLE frame, in pixels."""
        return self.artifact.config["rle_size"]

    @cached_property
    def truth(self) -> dict[str, str]:
        """RLE of every labelled training image, annotations united; "-1" for no mask."""
        frame = self._read("truth.csv", csv_files.RLE_COLUMNS)
        return dict(zip(frame["ImageId"], frame["EncodedPixels"], strict=True))

    @cached_property
    def folds(self) -> dict[str, int]:
        """Fold of every labelled training image."""
        frame = self._read("folds.csv", ("ImageId", "fold", "patient_id", "positive"))
        return dict(zip(frame["ImageId"], frame["fold"].astype(int), strict=True))

    @cached_property
    def patients(self) -> dict[str, str]:
        """Patient of every labelled training image; the ImageId where the patient is unknown."""
        frame = self._read("folds.csv", ("ImageId", "fold", "patient_id", "positive"))
        patients = frame["patient_id"].where(frame["patient_id"] != "", frame["ImageId"])
        return dict(zip(frame["ImageId"], patients, strict=True))

    @cached_property
    def test_patients(self) -> dict[str, str]:
        """Patient of every test image; the ImageId where the patient is unknown."""
        patients = self.images.get("patient_id", self.images["ImageId"])
        return {name: patients[name] or name for name in self.test_ids}

    @cached_property
    def sample(self) -> list[str]:
        """ImageIds that a submission must have, in its order."""
        return list(self._read("sample.csv", ("ImageId",))["ImageId"])

    @cached_property
    def images(self) -> pd.DataFrame:
        """Table images.csv as text, indexed by ImageId."""
        return self._read("images.csv", ("ImageId", "split")).set_index("ImageId", drop=False)

    @cached_property
    def test_ids(self) -> list[str]:
        """ImageIds of the test images, sorted."""
        return sorted(self.images.index[self.images["split"] == "test"])

    def largest_cache(self) -> Artifact | None:
        """Return the cache of this dataset with the largest images; None if there is none."""
        caches = [
            artifacts.read(location)
            for location in layout.artifact_paths(self.artifact.location.root)
            if location.kind == "cache"
        ]
        name, dataset_id = self.artifact.location.name, self.artifact.id
        matching = [cache for cache in caches if cache.inputs.get(name) == dataset_id]
        return max(matching, key=lambda cache: int(cache.location.folder.name), default=None)

    def positive(self, image_id: str) -> bool:
        """Return True if a labelled image shows a pneumothorax."""
        return self.truth[image_id] != rle.EMPTY

    def training_ids(self, fold: Fold) -> list[str]:
        """Return the labelled images outside a fold, sorted; for all-data, every labelled image."""
        self.check_fold(fold)
        return sorted(name for name, number in self.folds.items() if number != fold)

    def validation_ids(self, fold: Fold) -> list[str]:
        """Return the images of a fold, sorted; none for all-data."""
        self.check_fold(fold)
        return sorted(name for name, number in self.folds.items() if number == fold)

    def checked_folds(self, requested: Sequence[str] | None) -> list[Fold]:
        """Return the requested folds; without a request, all of the split.

        Raises:
            InputError: if one does not exist, or is given twice.
        """
        folds = layout.parse_folds(requested or ())
        for fold in folds:
            self.check_fold(fold)
        return folds or list(self._existing_folds())

    def check_fold(self, fold: Fold) -> None:
        """Refuse a fold that the split does not have.

        Raises:
            InputError: naming the folds that exist.
        """
        existing = self._existing_folds()
        if fold != ALL_DATA and fold not in existing:
            listed = ", ".join(map(str, existing))
            raise InputError(f"fold {fold} does not exist; the split has folds {listed}")

    def _existing_folds(self) -> list[int]:
        existing = sorted(set(self.folds.values()))
        if not existing:
            raise InputError(
                "the dataset has no labels, so there are no folds to train or validate; give them "
                "to 01_prepare.py: --labels CSV"
            )
        return existing

    def _read(self, name: str, columns: tuple[str, ...]) -> pd.DataFrame:
        return csv_files.read(self.artifact.path(name), columns)


def read(work: Work) -> Dataset:
    """Open WORK/dataset.

    Raises:
        InputError: if stage 01 has not made it, or it is damaged.
    """
    return Dataset(artifacts.read(work.dataset))
