"""The search for member weights, against plain loops, on tiny maps made by hand."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib import csv_files, dataset, images
from lib.artifacts import Artifact
from lib.decision import histograms
from lib.decision.histograms import Histograms
from lib.decision.threshold_search import PRESETS, search
from lib.ensemble import member_weights
from lib.ensemble.average import BlendCounter, LabelledImage
from lib.ensemble.member_weights import BlendTuner, SelectionScores
from lib.files import Journal
from lib.layout import Work
from tests import fakes
from tests.decision.samples import count_all, random_maps
from tests.ensemble.builders import make_ensemble, read_p_positive

TRUTH = fakes.masks(18)
FOLDS = 3
RNG = np.random.default_rng(7)
IMAGES = (*TRUTH, "test0", "test1")
NOISE = {i: np.kron(RNG.integers(0, 2, (4, 4), np.uint8), np.full((4, 4), 255, np.uint8))
         for i in IMAGES}  # fmt: skip


def make_work(root: Path, truth: dict[str, np.ndarray] = TRUTH) -> Work:
    """Runs good and fair, whose maps resemble TRUTH more and less, and noise."""
    work = Work(root)
    fakes.make_dataset(work, truth, folds=FOLDS)
    for seed, (run, quality) in enumerate({"good": 0.8, "fair": 0.5}.items()):
        rng = np.random.default_rng(seed)
        empty = np.zeros((16, 16), bool)
        maps = {i: fakes.noisy_map(TRUTH.get(i, empty), rng, quality) for i in IMAGES}
        add_run(work, run, truth, maps)
    add_run(work, "noise", truth, NOISE)
    return work


def add_run(
    work: Work, run: str, truth: dict[str, np.ndarray], maps: dict[str, np.ndarray] | None,
    p: float | None = None,
) -> None:  # fmt: skip
    classes = None if p is None else dict.fromkeys(IMAGES, p)
    for fold in range(FOLDS):
        fakes.make_probs(work, run, fold, truth, folds=FOLDS, maps=maps, classes=classes)


def report(ensemble: Artifact) -> dict[str, object]:
    return json.loads(ensemble.path("weights.json").read_bytes())


def weights(ensemble: Artifact) -> dict[str, float]:
    table = csv_files.read(ensemble.path("members.csv"), ("member", "fold", "weight", "id"))
    return dict(zip(table["member"], table["weight"].astype(float), strict=True))


# The selection


class ScoreTable(dict):
    """Random scores by the weights of a selection, in place of SelectionScores."""

    def __init__(self, seed: int, values: int) -> None:
        self.seed, self.values = seed, values

    def measure(self, keys: object) -> None:
        list(keys)

    def __missing__(self, key: tuple[tuple[int, ...], int | None]) -> float:
        counts, left_out = key
        parts = [count // math.gcd(*counts) for count in counts]
        rng = np.random.default_rng([self.seed, left_out or 99, *parts])
        return float(rng.integers(self.values))


def greedy_weights(scores: ScoreTable, members: int, left_out: int | None) -> list[float]:
    """The same selection by a plain loop over lists of members."""
    path, chosen = [list(range(members))], []
    for _ in range(member_weights.STEPS):
        options = [[*chosen, member] for member in range(members)]
        values = [scores[counts_of(option, members), left_out] for option in options]
        chosen = options[values.index(max(values))]
        path.append(chosen)
    values = [scores[counts_of(option, members), left_out] for option in path]
    best = path[values.index(max(values))]
    return [best.count(member) / len(best) for member in range(members)]


def counts_of(chosen: list[int], members: int) -> tuple[int, ...]:
    return tuple(chosen.count(member) for member in range(members))


@settings(max_examples=100)
@given(st.integers(0, 10**6), st.integers(1, 4), st.sampled_from([2, 5, 1000]))
def test_the_selection_is_the_greedy_one_without_each_fold(
    seed: int, members: int, values: int
) -> None:
    scores = ScoreTable(seed, values)
    selections = member_weights.select(scores, members, [None, 1, 2])
    assert [selection.left_out for selection in selections] == [None, 1, 2]
    for selection in selections:
        assert selection.weights == greedy_weights(scores, members, selection.left_out)


# The scores


def random_blend(seed: int) -> Histograms:
    return count_all(random_maps(np.random.default_rng(seed), 12, 4, range(256)))


@pytest.mark.parametrize("left_out", [None, 0, 2])
@pytest.mark.parametrize("seed", range(5))
def test_a_score_is_the_dice_of_each_fold_at_the_best_rule_of_the_others(
    seed: int, left_out: int | None
) -> None:
    blend, folds = random_blend(seed), np.arange(12) % 3
    dice = []
    for heldout in {0, 1, 2} - {left_out}:
        fitted_on = (folds != heldout) & (folds != (-1 if left_out is None else left_out))
        best = search(blend[fitted_on], PRESETS["triplet"]).best
        dice += list(best.histogram_dice(blend[folds == heldout]))
    score = BlendTuner(blend, folds).cross_fitted_dice(left_out)
    assert score == pytest.approx(np.mean(dice), abs=1e-12)


def test_a_last_fold_is_scored_at_its_own_best_rule() -> None:
    blend, folds = random_blend(0), np.arange(12) % 2
    own = search(blend[folds == 1], PRESETS["triplet"]).score.max()
    assert BlendTuner(blend, folds).cross_fitted_dice(0) == pytest.approx(own, abs=1e-12)


def test_an_interrupted_search_reads_no_map_twice(tmp_path: Path) -> None:
    work = make_work(tmp_path)
    data = dataset.read(work)
    labelled = [LabelledImage(i, data.folds[i], data.truth[i]) for i in sorted(data.folds)]
    folders = {
        fold: [work.probs(run, fold).folder for run in ("good", "noise")] for fold in range(FOLDS)
    }
    counter, journal = BlendCounter(16, folders, np.empty((0, 2)), 4), Journal(tmp_path / "journal")
    first = SelectionScores(counter, labelled, journal)
    first.measure([((1, 1), None), ((1, 0), 2)])
    without_maps = BlendCounter(16, {}, np.empty((0, 2)), 4)
    again = SelectionScores(without_maps, labelled, journal)
    again.measure([((2, 2), None), ((3, 0), 2)])
    assert again[(3, 3), None] == first[(1, 1), None]
    assert again[(1, 0), 2] == first[(1, 0), 2]


# The ensemble


def test_a_member_of_noise_has_weight_zero_and_stays_listed(tmp_path: Path) -> None:
    # Truths of whole blocks of 4 x 4 pixels, so that a blend in blocks can be perfect.
    blocks = {i: mask.reshape(4, 4, 4, 4).any(axis=(1, 3)) for i, mask in TRUTH.items()}
    truth = {i: np.kron(mask, np.ones((4, 4), bool)) for i, mask in blocks.items()}
    work = make_work(tmp_path, truth)
    add_run(work, "perfect", truth, {i: 255 * mask.astype(np.uint8) for i, mask in truth.items()})
    ensemble = make_ensemble(work, "noise", "perfect", weights="search")
    assert ensemble.config["weights"] == "search"
    assert weights(ensemble) == {"noise": 0.0, "perfect": 1.0}
    found = report(ensemble)
    assert 1 == found["cross_fitted_dice"] > found["cross_fitted_dice_of_equal"]
    assert found["without_fold"].keys() == {"0", "1", "2"}


def test_equal_weights_win_ties(tmp_path: Path) -> None:
    work = make_work(tmp_path)
    for fold in range(FOLDS):
        maps = {path.stem: images.read_png(path)
                for path in work.probs("good", fold).folder.glob("*/*.png")}  # fmt: skip
        fakes.make_probs(work, "twin", fold, TRUTH, folds=FOLDS, maps=maps, seed=1)
    found = report(make_ensemble(work, "good", "twin", weights="search"))
    assert found["weights"] == [0.5, 0.5]
    assert set(map(tuple, found["without_fold"].values())) == {(0.5, 0.5)}
    assert found["cross_fitted_dice"] == found["cross_fitted_dice_of_equal"]


def test_a_single_member_has_weight_one(tmp_path: Path) -> None:
    ensemble = make_ensemble(make_work(tmp_path), "fair", weights="search")
    assert weights(ensemble) == {"fair": 1.0}


def test_maps_and_histograms_are_those_of_the_weights_found(tmp_path: Path) -> None:
    work, runs = make_work(tmp_path), ("good", "fair", "noise")
    searched = make_ensemble(work, *runs, weights="search")
    words = " ".join(map(str, weights(searched).values()))
    stated = make_ensemble(work, *runs, weights=words, name="stated")
    for file in stated.files:
        assert searched.files[file] == stated.files[file], file
    for fold, found in report(searched)["without_fold"].items():
        words = " ".join(map(str, found))
        other = make_ensemble(work, *runs, weights=words, name=f"other{fold}")
        heldout = searched.files[member_weights.heldout_file(int(fold))]
        assert heldout == other.files["histograms.npz"]


def test_the_truth_of_a_fold_does_not_change_the_weights_found_without_it(tmp_path: Path) -> None:
    heldout = {i: number % FOLDS == 1 for number, i in enumerate(sorted(TRUTH))}
    inverted = {i: ~mask if heldout[i] else mask for i, mask in TRUTH.items()}
    runs = "good", "fair", "noise"
    plain = make_ensemble(make_work(tmp_path / "plain"), *runs, weights="search")
    other = make_ensemble(make_work(tmp_path / "inverted", inverted), *runs, weights="search")
    assert report(plain)["cross_fitted_dice"] != report(other)["cross_fitted_dice"]
    assert report(plain)["without_fold"]["1"] == report(other)["without_fold"]["1"]
    before, after = (histograms.load(e.path("histograms.without1.npz")) for e in (plain, other))
    assert (before.pixels == after.pixels).all()
    visible = [not heldout[image_id] for image_id in before.ids]
    assert (before.inside[visible] == after.inside[visible]).all()


def test_one_fold_has_no_weights_without_it(tmp_path: Path) -> None:
    work = make_work(tmp_path)
    ensemble = make_ensemble(work, "good", "noise", folds=["0"], weights="search")
    assert report(ensemble)["without_fold"] == {}
    assert not [file for file in ensemble.files if "without" in file]


def test_image_probabilities_have_equal_weights_where_weights_are_searched(tmp_path: Path) -> None:
    work = make_work(tmp_path)
    add_run(work, "one", TRUTH, None, p=0.2)
    add_run(work, "two", TRUTH, NOISE, p=0.8)
    ensemble = make_ensemble(work, "one", "two", weights="search")
    assert weights(ensemble)["two"] < 0.5
    assert list(read_p_positive(ensemble).values()) == pytest.approx([0.5] * len(IMAGES))
