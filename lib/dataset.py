"""The tables of WORK/dataset, as every stage after the first reads them."""

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
    """Which images there are, what is known of them, and how they are split."""

    artifact: Artifact

    @property
    def rle_size(self) -> int:
        """The side of the RLE frame, in pixels."""
        return self.artifact.config["rle_size"]

    @cached_property
    def truth(self) -> dict[str, str]:
        """The united code of every labelled training image, "-1" for none."""
        frame = self._table("truth.csv", csv_files.RLE_COLUMNS)
        return dict(zip(frame["ImageId"], frame["EncodedPixels"], strict=True))

    @cached_property
    def folds(self) -> dict[str, int]:
        """The fold of every labelled training image."""
        frame = self._table("folds.csv", ("ImageId", "fold", "patient_id", "positive"))
        return dict(zip(frame["ImageId"], frame["fold"].astype(int), strict=True))

    @cached_property
    def patients(self) -> dict[str, str]:
        """The patient of every labelled training image; the image itself where it is unknown."""
        frame = self._table("folds.csv", ("ImageId", "fold", "patient_id", "positive"))
        patients = frame["patient_id"].where(frame["patient_id"] != "", frame["ImageId"])
        return dict(zip(frame["ImageId"], patients, strict=True))

    @cached_property
    def sample(self) -> list[str]:
        """The ids that a submission must have, in its order."""
        return list(self._table("sample.csv", ("ImageId",))["ImageId"])

    @cached_property
    def images(self) -> pd.DataFrame:
        """images.csv as text, indexed by ImageId."""
        return self._table("images.csv", ("ImageId", "split")).set_index("ImageId", drop=False)

    @cached_property
    def test_ids(self) -> list[str]:
        """Test images, sorted."""
        return sorted(self.images.index[self.images["split"] == "test"])

    def positive(self, image_id: str) -> bool:
        """Whether a labelled image shows a pneumothorax."""
        return self.truth[image_id] != rle.EMPTY

    def training_ids(self, fold: Fold) -> list[str]:
        """What a fold trains on, sorted: every labelled image outside it."""
        self.check_fold(fold)
        return sorted(name for name, own in self.folds.items() if own != fold)

    def validation_ids(self, fold: Fold) -> list[str]:
        """The images of a fold, sorted; none for all-data."""
        self.check_fold(fold)
        return sorted(name for name, own in self.folds.items() if own == fold)

    def checked_folds(self, asked: Sequence[str] | None) -> list[Fold]:
        """The folds asked for, or else all of the split.

        Raises:
            InputError: if one does not exist.
        """
        folds: list[Fold] = [layout.parse_fold(fold) for fold in asked or ()]
        for fold in folds or [0]:
            self.check_fold(fold)
        return folds or list(sorted(set(self.folds.values())))

    def check_fold(self, fold: Fold) -> None:
        """Refuse a fold that the split does not have.

        Raises:
            InputError: naming the folds that there are.
        """
        there = sorted(set(self.folds.values()))
        if not there:
            raise InputError(
                "the dataset has no labels, so there are no folds to train or validate; give them "
                "to 01_prepare.py: --labels CSV"
            )
        if fold != ALL_DATA and fold not in there:
            listed = ", ".join(map(str, there))
            raise InputError(f"fold {fold} does not exist; the split has folds {listed}")

    def _table(self, name: str, columns: tuple[str, ...]) -> pd.DataFrame:
        return csv_files.read(self.artifact.path(name), columns)


def read(work: Work) -> Dataset:
    """Open WORK/dataset.

    Raises:
        InputError: if stage 01 has not made it, or it is damaged.
    """
    return Dataset(artifacts.read(work.dataset))
