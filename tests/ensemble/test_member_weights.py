"""The search for weights, against plain loops, on tiny maps made by hand."""

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lib.ensemble.blend import Counter, Labelled

from lib import artifacts, csv_files, dataset, images, parallel, rle
from lib.artifacts import Artifact
from lib.decision import histograms
from lib.decision.histograms import Histograms
from lib.decision.threshold_search import PRESETS, search
from lib.ensemble import average, member_weights, members
from lib.errors import InputError
from lib.files import Journal
from lib.layout import ALL_DATA, Work
from tests import fakes

TRUTH = fakes.masks(18)
SPLIT = 3
RNG = np.random.default_rng(7)
EVERY = [*TRUTH, "test0", "test1"]
NOISE = {name: np.kron(RNG.integers(0, 2, (4, 4), np.uint8), np.full((4, 4), 255, np.uint8))
         for name in EVERY}  # fmt: skip


@pytest.fixture(autouse=True)
def _one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting others takes seconds."""
    monkeypatch.setattr(parallel, "MAX_PROCESSES", 1)


def make_work(root: Path, truth: dict[str, np.ndarray] = TRUTH) -> Work:
    """Runs good and fair, which see TRUTH more and less, and noise, which does not."""
    work, folds = Work(root), SPLIT
    fakes.make_dataset(work, truth, folds=folds)
    for seed, (run, quality) in enumerate({"good": 0.8, "fair": 0.5}.items()):
        rng = np.random.default_rng(seed)
        empty = np.zeros((16, 16), bool)
        maps = {name: fakes.noisy_map(TRUTH.get(name, empty), rng, quality) for name in EVERY}
        for fold in range(folds):
            fakes.make_probs(work, run, fold, truth, folds=folds, maps=maps)
    for fold in range(folds):
        fakes.make_probs(work, "noise", fold, truth, folds=folds, maps=NOISE)
    return work


def make_average(work: Work, *runs: str, shares: str = "search", name: str = "x") -> Artifact:
    data = dataset.read(work)
    sources = members.load_members(work, data, runs, None, shares.split())
    made = average.config(sources, data, members.searched(shares.split()))
    draft = artifacts.begin(work.ensemble(name), made, [data.artifact])
    assert draft
    return average.average(draft, sources, data)


def report(ensemble: Artifact) -> dict[str, object]:
    return json.loads(ensemble.path("weights.json").read_bytes())


def shares(ensemble: Artifact) -> dict[str, float]:
    table = csv_files.read(ensemble.path("members.csv"), ("member", "fold", "weight", "id"))
    return dict(zip(table["member"], table["weight"].astype(float), strict=True))


# The selection


class Table(dict):
    """Scores by bag's weights, in place of `Scores`; remembers what was asked for."""

    def __init__(self, seed: int, levels: int) -> None:
        self.seed, self.levels = seed, levels

    def measure(self, wanted: object) -> None:
        list(wanted)

    def __missing__(self, key: tuple[tuple[int, ...], int | None]) -> float:
        bag, left_out = key
        parts = [count // math.gcd(*bag) for count in bag]
        rng = np.random.default_rng([self.seed, left_out or 99, *parts])
        return float(rng.integers(self.levels))


def naive_greedy(scores: Table, count: int, left_out: int | None) -> list[float]:
    """The same by a plain loop over lists of members."""
    path, chosen = [list(range(count))], []
    for _ in range(member_weights.STEPS):
        options = [[*chosen, member] for member in range(count)]
        values = [scores[as_bag(option, count), left_out] for option in options]
        chosen = options[values.index(max(values))]
        path.append(chosen)
    values = [scores[as_bag(option, count), left_out] for option in path]
    best = path[values.index(max(values))]
    return [best.count(member) / len(best) for member in range(count)]


def as_bag(chosen: list[int], count: int) -> tuple[int, ...]:
    return tuple(chosen.count(member) for member in range(count))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.sampled_from([2, 5, 1000]))
def test_the_selection_is_the_greedy_one_without_each_fold(
    seed: int, count: int, levels: int
) -> None:
    scores = Table(seed, levels)
    found = member_weights.select(scores, count, [None, 1, 2])  # type: ignore[arg-type]
    assert [one.left_out for one in found] == [None, 1, 2]
    for one in found:
        assert one.shares == naive_greedy(scores, count, one.left_out)


# The scores


def random_blend(seed: int) -> tuple[Histograms, np.ndarray]:
    rng = np.random.default_rng(seed)
    maps = rng.integers(0, 256, (12, 4, 4), np.uint8)
    truth = (rng.random((12, 4, 4)) < 0.4) & (rng.random((12, 1, 1)) < 0.5)
    counts = [histograms.count(one, mask) for one, mask in zip(maps, truth, strict=True)]
    pixels, inside = (np.stack(column) for column in zip(*counts, strict=True))
    return Histograms(np.arange(12).astype(str), pixels, inside), np.arange(12) % 3


@pytest.mark.parametrize("left_out", [None, 0, 2])
@pytest.mark.parametrize("seed", range(5))
def test_a_score_is_the_dice_of_each_fold_at_the_best_rule_of_the_others(
    seed: int, left_out: int | None
) -> None:
    blend, folds = random_blend(seed)
    dice = []
    for held in {0, 1, 2} - {left_out}:
        tuned_on = (folds != held) & (folds != (-1 if left_out is None else left_out))
        best = search(blend[tuned_on], PRESETS["triplet"]).best
        dice += list(blend[folds == held].dice(best))
    ours = member_weights.Tuned(blend, folds).honest_dice(left_out)
    assert ours == pytest.approx(np.mean(dice), abs=1e-12)


def test_with_one_fold_left_its_own_best_rule_must_do() -> None:
    blend, _ = random_blend(0)
    folds = np.arange(12) % 2
    own = search(blend[folds == 1], PRESETS["triplet"]).score.max()
    assert member_weights.Tuned(blend, folds).honest_dice(0) == pytest.approx(own, abs=1e-12)


@pytest.mark.parametrize("block", [1, 2, 4])
@pytest.mark.parametrize("side", [4, 8, 16])
def test_blends_are_counted_in_pixels_of_the_frame(tmp_path: Path, block: int, side: int) -> None:
    rng = np.random.default_rng(block + side)
    maps = [rng.integers(0, 256, (side, side), np.uint8) for _ in range(2)]
    for number, values in enumerate(maps):
        images.write_png(tmp_path / f"{number}/oof/a.png", values)
    truth = rng.random((16, 16)) < 0.3
    parts = np.array([[1.0, 1.0], [3.0, 1.0], [0.0, 2.0]])
    counter = Counter(16, {0: [tmp_path / "0", tmp_path / "1"]}, parts, block)
    counted = counter.count([Labelled("a", 0, rle.encode(truth)), Labelled("a", 0, "-1")], "")
    for row, both in zip(parts, counted, strict=True):
        mean = sum(w / row.sum() * resized(m, 16 // block) for w, m in zip(row, maps, strict=True))
        assert (both.pixels.sum(axis=1) == 16 * 16).all()
        assert both.truth.tolist() == [truth.sum(), 0]
        shown = np.kron(np.rint(mean), np.ones((block, block))).astype(np.uint8)
        assert (both.pixels[0] == both.pixels[1]).all()
        for counts, values in ((both.pixels[0], shown.ravel()), (both.inside[0], shown[truth])):
            moved = np.cumsum(counts.astype(int) - np.bincount(values, minlength=256))
            assert np.abs(moved).max() <= 2 * block**2  # float32 may fall across a half


def resized(values: np.ndarray, side: int) -> np.ndarray:
    """By block means where that is smaller, bilinearly where it is larger."""
    factor = len(values) // side
    if factor >= 1:
        return values.reshape(side, factor, side, factor).astype(float).mean(axis=(1, 3))
    return cv2.resize(values.astype(np.float64), (side, side), interpolation=cv2.INTER_LINEAR)


def test_an_interrupted_search_reads_no_map_twice(tmp_path: Path) -> None:
    work = make_work(tmp_path)
    data = dataset.read(work)
    jobs = [Labelled(name, data.folds[name], data.truth[name]) for name in sorted(data.folds)]
    folders = {
        fold: [work.probs(run, fold).folder for run in ("good", "noise")] for fold in range(SPLIT)
    }
    counter = Counter(16, folders, np.empty((0, 2)), 4)
    first = member_weights.Scores(counter, jobs, Journal(tmp_path / "journal"))
    first.measure([((1, 1), None), ((1, 0), 2)])
    again = member_weights.Scores(None, jobs, Journal(tmp_path / "journal"))  # type: ignore[arg-type]
    again.measure([((2, 2), None), ((3, 0), 2)])
    assert again[(3, 3), None] == first[(1, 1), None]
    assert again[(1, 0), 2] == first[(1, 0), 2]


# What an ensemble makes of it


def test_a_member_that_is_noise_weighs_nothing_and_stays_listed(tmp_path: Path) -> None:
    # Of whole blocks of 4 x 4 pixels, so that a member can see them without a fault.
    blocks = {name: mask.reshape(4, 4, 4, 4).any(axis=(1, 3)) for name, mask in TRUTH.items()}
    truth = {name: np.kron(few, np.ones((4, 4), bool)) for name, few in blocks.items()}
    work = make_work(tmp_path, truth)
    maps = {name: 255 * mask.astype(np.uint8) for name, mask in truth.items()}
    for fold in range(SPLIT):
        fakes.make_probs(work, "perfect", fold, truth, folds=SPLIT, maps=maps)
    made = make_average(work, "noise", "perfect")
    assert made.config["weights"] == "search"
    assert shares(made) == {"noise": 0.0, "perfect": 1.0}
    found = report(made)
    assert 1 == found["cross_fitted_dice"] > found["cross_fitted_dice_of_equal"]
    assert found["without_fold"].keys() == {"0", "1", "2"}


def test_equal_weights_win_ties(tmp_path: Path) -> None:
    work = make_work(tmp_path)
    for fold in range(SPLIT):
        maps = {path.stem: images.read_png(path)
                for path in work.probs("good", fold).folder.glob("*/*.png")}  # fmt: skip
        fakes.make_probs(work, "twin", fold, TRUTH, folds=SPLIT, maps=maps, seed=1)
    found = report(make_average(work, "good", "twin"))
    assert found["weights"] == [0.5, 0.5]
    assert set(map(tuple, found["without_fold"].values())) == {(0.5, 0.5)}
    assert found["cross_fitted_dice"] == found["cross_fitted_dice_of_equal"]


def test_one_member_weighs_all(tmp_path: Path) -> None:
    assert shares(make_average(make_work(tmp_path), "fair")) == {"fair": 1.0}


def test_the_maps_and_histograms_are_those_of_the_weights_found(tmp_path: Path) -> None:
    work = make_work(tmp_path)
    made = make_average(work, "good", "fair", "noise")
    stated = [str(share) for share in shares(made).values()]
    same = make_average(work, "good", "fair", "noise", shares=" ".join(stated), name="stated")
    for file in same.files:
        assert made.files[file] == same.files[file], file
    for fold, found in report(made)["without_fold"].items():
        words = " ".join(map(str, found))
        other = make_average(work, "good", "fair", "noise", shares=words, name=f"other{fold}")
        blind = made.files[member_weights.blind_file(int(fold))]
        assert blind == other.files["histograms.npz"]


def test_the_truth_of_a_fold_changes_nothing_in_the_weights_for_it(tmp_path: Path) -> None:
    held = {name: number % SPLIT == 1 for number, name in enumerate(sorted(TRUTH))}
    flipped = {name: ~mask if held[name] else mask for name, mask in TRUTH.items()}
    runs = "good", "fair", "noise"
    plain = make_average(make_work(tmp_path / "plain"), *runs)
    other = make_average(make_work(tmp_path / "flipped", flipped), *runs)
    assert report(plain)["cross_fitted_dice"] != report(other)["cross_fitted_dice"]
    assert report(plain)["without_fold"]["1"] == report(other)["without_fold"]["1"]
    before, after = (histograms.load(one.path("histograms.without1.npz")) for one in (plain, other))
    assert (before.pixels == after.pixels).all()
    seen = [not held[name] for name in before.ids]
    assert (before.inside[seen] == after.inside[seen]).all()


def test_with_one_fold_nothing_is_blind_to_it(tmp_path: Path) -> None:
    work = make_work(tmp_path)
    for run in ("good", "noise"):
        for fold in (1, 2):
            artifacts.begin(work.probs(run, fold), {}, replace=True)
    made = make_average(work, "good", "noise")
    assert report(made)["without_fold"] == {}
    assert not [file for file in made.files if "without" in file]


def test_image_probabilities_count_equally_as_weights_are_found_for_maps(tmp_path: Path) -> None:
    work = make_work(tmp_path)
    for fold in range(SPLIT):
        for run, p in (("one", 0.2), ("two", 0.8)):
            maps = NOISE if run == "two" else None
            fakes.make_probs(work, run, fold, TRUTH, folds=SPLIT, maps=maps,
                classes=dict.fromkeys(EVERY, p))  # fmt: skip
    made = make_average(work, "one", "two")
    assert shares(made)["two"] < 0.5
    p = csv_files.read(made.path("class.csv"), ("ImageId", "p"))["p"].astype(float)
    assert p.to_numpy() == pytest.approx(0.5)


def test_without_out_of_fold_maps_there_is_nothing_to_search_on(tmp_path: Path) -> None:
    work = make_work(tmp_path)
    fakes.make_probs(work, "final", ALL_DATA, TRUTH, folds=SPLIT)
    with pytest.raises(InputError, match="no out-of-fold maps of .* to search weights on; state"):
        members.load_members(work, dataset.read(work), ["final"], None, ["search"])
