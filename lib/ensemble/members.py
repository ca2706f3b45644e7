"""Which maps are averaged, and whether they fit together."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from lib import artifacts, csv_files, layout
from lib.artifacts import Artifact
from lib.dataset import Dataset
from lib.errors import InputError
from lib.layout import ALL_DATA, CLASSES, Fold, Work, fold_name, map_file, parse_fold
from lib.prob_maps import read_map

EQUAL, SEARCH = "equal", "search"


@dataclass(frozen=True)
class MemberFold:
    """The maps of one fold of one member.

    Attributes:
        weight: of the member; those of all members sum to 1.
    """

    member: str
    fold: Fold
    weight: float
    probs: Artifact

    @cached_property
    def maps(self) -> list[str]:
        """Its maps, as oof/<ImageId>.png and test/<ImageId>.png."""
        return sorted(file for file in self.probs.files if file.endswith(".png"))

    @property
    def out_of_fold(self) -> bool:
        """Whether it has maps of labelled images."""
        return any(file.startswith("oof/") for file in self.maps)

    @cached_property
    def classes(self) -> pd.DataFrame:
        """ImageId and p(positive), as text; no rows without an image head."""
        return csv_files.read(self.probs.path(CLASSES), ("ImageId", "p"))[["ImageId", "p"]]

    @property
    def cure(self) -> str:
        return f"run {_maker(self.member)} --folds {self.fold} --replace"


def _maker(member: str) -> str:
    """The command that makes the maps of a member."""
    run = member.removesuffix(layout.NO_FLIP_SUFFIX)
    return f"03_infer.py --run {run}" + (f" --tta {layout.NO_FLIP}" if run != member else "")


def load_members(
    work: Work,
    dataset: Dataset,
    members: Sequence[str],
    folds: Sequence[str] | None,
    weights: Sequence[str],
) -> list[MemberFold]:
    """Open the maps of every member and fold, and check that all cover the dataset's images.

    Args:
        members: names of runs.
        folds: of every member; None: those that the first member has maps of, all-data only if
            there are no others.
        weights: "equal", a number for each member, or "search": equal until they are found.

    Raises:
        InputError: if maps are missing, are of other images than the dataset has in that fold, or
            cannot be the frame's; if the weights make no mean, or cannot be searched.
    """
    _refuse_repeated("member", members)
    shares = _shares(weights, members)
    chosen = [parse_fold(fold) for fold in folds] if folds else _folds_of(work, members[0])
    _refuse_repeated("fold", chosen)
    sources = []
    for member in members:
        for fold in chosen:
            if dataset.folds:
                dataset.check_fold(fold)
            probs = artifacts.read_chained(work.probs(member, fold))
            sources.append(MemberFold(member, fold, shares[member], probs))
            _check(sources[-1], dataset)
    if searched(weights) and not any(source.out_of_fold for source in sources):
        raise InputError(
            "there are no out-of-fold maps of labelled images to search weights on; "
            "state them, or leave --weights out for equal ones"
        )
    return sources


def searched(weights: Sequence[str]) -> bool:
    """Whether --weights asks for a search."""
    return list(weights) == [SEARCH]


def _shares(weights: Sequence[str], members: Sequence[str]) -> dict[str, float]:
    """Weights that sum to 1, by member."""
    listed = " ".join(weights)
    if listed in (EQUAL, SEARCH):
        weights = ["1"] * len(members)
    if len(weights) != len(members):
        raise InputError(
            f"weights {listed} for {len(members)} members; give one each, {EQUAL} or {SEARCH}"
        )
    try:
        numbers = [float(weight) for weight in weights]
    except ValueError:
        raise InputError(
            f"weights {listed} are not all numbers; give numbers, {EQUAL} or {SEARCH}"
        ) from None
    total = sum(numbers)
    if min(numbers) < 0 or not 0 < total < math.inf:
        raise InputError(
            f"weights {listed} must sum to a positive number, and none be negative; "
            "leave out a member that does not help"
        )
    return {member: number / total for member, number in zip(members, numbers, strict=True)}


def _folds_of(work: Work, member: str) -> list[Fold]:
    """The numbered folds that there are maps of; all-data if there are none."""
    parent = work.probs(member, ALL_DATA).folder.parent
    numbers = [path.name.removeprefix("fold") for path in parent.glob("fold*")]
    numbered: list[Fold] = sorted(int(number) for number in numbers if number.isdecimal())
    if not numbered and not (parent / ALL_DATA).exists():
        raise InputError(f"there are no maps of {member}; run {_maker(member)}")
    return numbered or [ALL_DATA]


def _refuse_repeated(what: str, names: Sequence[Fold]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{what} {name} is given twice; give it once")


def _check(source: MemberFold, dataset: Dataset) -> None:
    """Refuse maps that do not fit the dataset, before anything is written."""
    probs = source.probs
    # A map out of fold in another fold would come from a network that has seen the image.
    held_out = dataset.validation_ids(source.fold) if dataset.folds else []
    wanted = {map_file("oof", name) for name in held_out}
    wanted |= {map_file("test", name) for name in dataset.test_ids}
    _refuse_other(f"{probs.location} lacks", wanted - set(source.maps), source)
    _refuse_other(
        f"{fold_name(source.fold)} of the dataset lacks", set(source.maps) - wanted, source
    )
    _check_classes(source)
    with_p = source.classes["ImageId"]
    if len(with_p) and sorted(with_p) != sorted(Path(file).stem for file in source.maps):
        raise InputError(f"{probs.location}/{CLASSES} is not of the maps beside it; {source.cure}")
    if source.maps:  # all are of one size; each is looked at again when it is read
        read_map(probs.path(source.maps[0]), dataset.rle_size)


def _check_classes(source: MemberFold) -> None:
    """Refuse a p(positive) that is no probability: a mean would go on without it."""
    table = source.classes
    sound = pd.to_numeric(table["p"], errors="coerce").between(0, 1)
    if not sound.all():
        name, p = table[~sound].iloc[0]
        raise InputError(
            f"{source.probs.location}/{CLASSES}: p of {name} is {p[:40]!r}, not a number "
            f"from 0 to 1; {source.cure}"
        )


def _refuse_other(finding: str, files: Iterable[str], source: MemberFold) -> None:
    """Refuse files that only one side has, with the first few by name."""
    names = sorted(files)
    if names:
        more = ", ..." if len(names) > 3 else ""
        raise InputError(
            f"{finding} {len(names)} of the maps ({', '.join(names[:3])}{more}); {source.cure}"
        )
