"""Loading of members and gates, and the flags and maps that are refused."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from lib import recipes
from lib.ensemble import members
from lib.errors import InputError
from lib.files import remove
from lib.layout import ALL_DATA, Work
from tests import fakes
from tests.ensemble.builders import IMAGES, TRUTH, load, load_gate_runs, noisy_p_positive


def test_numbered_folds_are_taken_unless_others_are_named(work: Work) -> None:
    fakes.make_probs(work, "a", ALL_DATA, TRUTH)
    fakes.make_probs(work, "final", ALL_DATA, TRUTH)
    assert {member.fold for member in load(work, "a")} == {0, 1}
    assert {member.fold for member in load(work, "a", folds=["0", ALL_DATA])} == {0, ALL_DATA}
    assert {member.fold for member in load(work, "final")} == {ALL_DATA}


@pytest.mark.parametrize(
    ("weights", "expected"), [("equal", [0.5, 0.5]), ("search", [0.5, 0.5]), ("3 1", [0.75, 0.25])]
)
def test_weights_of_runs_sum_to_one(work: Work, weights: str, expected: list[float]) -> None:
    weight_of = {member.run: member.weight for member in load(work, "a", "b", weights=weights)}
    assert list(weight_of.values()) == expected


@pytest.mark.parametrize(
    ("runs", "folds", "weights", "message"),
    [
        ("c", None, "equal", r"no maps of c; run 03_infer\.py --run c"),
        ("a b", ["0", "2"], "equal", "fold 2 does not exist.*0, 1"),
        ("a b", ["0", "0"], "equal", "fold 0 is given twice"),
        ("a a", None, "equal", "member a is given twice"),
        ("a b", ["zero"], "equal", "'zero' is not a fold: give numbers"),
        ("a b", None, "1", "weights 1 for 2 members; give equal, search, or a number for each"),
        ("a b", None, "1 x", "weights 1 x for 2 members"),
        ("a b", None, "search 1", "weights search 1 for 2"),
        ("a b", None, "0 0", "weights 0 0 .*of a positive sum"),
        ("a b", None, "2 -1", "weights 2 -1 .*none negative"),
        ("a b", None, "1 nan", "weights 1 nan for 2"),
        ("a b", None, "1 inf", "weights 1 inf for 2"),
    ],
)
def test_flags_that_make_no_ensemble_are_refused(
    work: Work, runs: str, folds: list[str] | None, weights: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        load(work, *runs.split(), folds=folds, weights=weights)


def test_weights_cannot_be_searched_without_out_of_fold_maps(work: Work) -> None:
    fakes.make_probs(work, "final", ALL_DATA, TRUTH)
    with pytest.raises(InputError, match="no out-of-fold maps .*search weights on; state"):
        load(work, "final", weights="search")


# Maps that do not fit the dataset


def test_a_member_that_lacks_a_fold_is_refused(work: Work) -> None:
    fakes.make_probs(work, "c", 0, TRUTH)
    with pytest.raises(InputError, match=r"probs/c/fold1 does not exist; run 03_infer\.py"):
        load(work, "a", "c")


@pytest.mark.parametrize("runs", [("a", "final"), ("final", "a")])
@pytest.mark.parametrize("folds", [None, [ALL_DATA], ["0", "1"]])
def test_an_all_data_run_among_runs_of_folds_is_refused_with_a_cure_that_works(
    work: Work, runs: tuple[str, str], folds: list[str] | None
) -> None:
    fakes.make_probs(work, "final", ALL_DATA, TRUTH)
    cure = f"leave final out, or give --folds {ALL_DATA} --params-from DECISION, after 02_train.py"
    with pytest.raises(InputError, match=f"{cure} .* --name a .*03_infer.py --run a --folds all-"):
        load(work, *runs, folds=folds)
    fakes.make_probs(work, "a", ALL_DATA, TRUTH)
    if folds != [ALL_DATA]:
        with pytest.raises(InputError, match="or give --folds all-data --params-from DECISION$"):
            load(work, *runs, folds=["0"])
    assert len(load(work, *runs, folds=[ALL_DATA])) == 2


@pytest.mark.parametrize(
    ("oof", "message"),
    [
        pytest.param([0, 2, 4, 6, 8], r"c/fold0 lacks 1 of the maps \(oof/image10", id="missing"),
        pytest.param(range(12), "fold0 of the dataset lacks 6 of the maps", id="twice-out-of-fold"),
        pytest.param([0, 2, 4, 6, 8, 10, 99], r"lacks 1 of .*oof/image99", id="unknown"),
    ],
)
def test_maps_of_other_images_than_the_fold_has_are_refused(
    work: Work, oof: Iterable[int], message: str
) -> None:
    fakes.make_probs(work, "c", 0, TRUTH, oof=[f"image{number:02}" for number in oof])
    with pytest.raises(InputError, match=rf"{message}.*03_infer\.py --run c --folds 0 .*--replace"):
        load(work, "c")


def test_maps_of_another_dataset_are_refused(work: Work) -> None:
    remove(work.dataset.folder)
    fakes.make_dataset(work, {**TRUTH, "image00": TRUTH["image03"]})
    with pytest.raises(InputError, match="probs/a/fold0 was made from another dataset"):
        load(work, "a")


@pytest.mark.parametrize(
    "shape", [pytest.param((32, 32), id="too-large"), pytest.param((8, 9), id="not-square")]
)
def test_maps_of_a_size_that_cannot_be_the_frame_s_are_refused(
    work: Work, shape: tuple[int, int]
) -> None:
    fakes.make_probs(work, "c", 0, TRUTH, maps={"image00": np.zeros(shape, np.uint8)})
    height, width = shape
    with pytest.raises(InputError, match=f"{height}x{width}, which cannot be the 16x16 frame's"):
        load(work, "c", folds=["0"])


# Image probabilities


def test_image_probabilities_of_some_images_only_are_refused(work: Work) -> None:
    fakes.make_probs(work, "c", 0, TRUTH, classes={"image00": 0.5, "test0": 0.5})
    with pytest.raises(InputError, match=r"probs/c/fold0/class\.csv is not of the maps beside it"):
        load(work, "c")


@pytest.mark.parametrize("p", ["nan", "", float("inf"), -0.1, 1.5, "half"])
def test_a_p_positive_that_is_no_probability_is_refused(work: Work, p: float | str) -> None:
    fakes.make_probs(work, "c", 0, TRUTH, classes=dict.fromkeys(IMAGES, 0.5) | {"test0": p})
    message = rf"c/fold0/class\.csv: p of test0 is '{p}', .*03_infer\.py --run c --folds 0"
    with pytest.raises(InputError, match=message):
        load(work, "c")


def test_a_gate_without_an_image_head_is_refused(work: Work) -> None:
    with pytest.raises(InputError, match="--gate a: probs/a/fold0 has no image probabilities"):
        load_gate_runs(work, "a")


def test_a_gate_that_lacks_a_fold_of_the_members_is_refused(work: Work) -> None:
    fakes.make_probs(work, "z", 0, TRUTH, classes=noisy_p_positive(0, 1))
    with pytest.raises(InputError, match=r"probs/z/fold1 does not exist, .*; run 03_infer\.py"):
        load_gate_runs(work, "z")


def test_a_finished_ensemble_does_not_serve_a_gate_without_its_maps(work: Work) -> None:
    members = load(work, "a")
    remove(work.probs("x", 1).folder)
    with pytest.raises(
        InputError, match="x/fold1 does not exist, and an ensemble keeps no .*gates"
    ):
        load_gate_runs(work, "x", members=members)


def test_maps_with_other_flips_than_the_recipes_have_their_own_command(work: Work) -> None:
    for name, tta in (("a.noflip", "none"), ("a.flip", "flip")):
        with pytest.raises(InputError, match=rf"run 03_infer\.py --run a --tta {tta} --work"):
            load(work, name)
    fakes.make_probs(work, "a", 0, TRUTH, oof=[], tta="none")
    with pytest.raises(InputError, match=r"03_infer\.py --run a --tta none .*--replace$"):
        load(work, "a.noflip")


def test_folds_of_one_run_with_different_recipes_are_named(work: Work) -> None:
    recipe = recipes.get("demo")
    for fold, name in ((0, "mixed"), (1, "mixed"), (0, "same"), (1, "same")):
        changed = replace(recipe, seed=fold if name == "mixed" else 0)
        fakes.make_run(work, name, fold, changed)
        fakes.make_probs(work, name, fold, TRUTH)
    loaded = load(work, "mixed", "same", "a")  # a is not on this machine
    (line,) = members.describe_mixed_recipes(work, loaded)
    assert "runs/mixed/fold1 has another recipe than runs/mixed/fold0" in line
