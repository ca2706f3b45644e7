"""Averaging and deciding, on tiny maps made by hand."""

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest

from lib import artifacts, csv_files, dataset, images, metrics
from lib.artifacts import Artifact
from lib.decision import histograms, rules
from lib.decision.rules import ThresholdRule
from lib.ensemble import average, decide, evaluation, members, params
from lib.ensemble.options import DecisionOptions, parse_options
from lib.errors import InputError
from lib.layout import ALL_DATA, Work
from lib.recipes.published_rules import PUBLISHED
from tests import fakes

ROOT = Path(__file__).resolve().parents[1]
TRUTH = fakes.masks(12)
RULE_KEYS = {"top", "min_area", "bottom", "component_min_area", "fill_holes", "class_min"}


@pytest.fixture
def work(tmp_path: Path) -> Work:
    """A dataset of two folds, and the maps of runs a and b."""
    work = Work(tmp_path)
    fakes.make_dataset(work, TRUTH)
    for seed, run in enumerate("ab"):
        for fold in (0, 1):
            fakes.make_probs(work, run, fold, TRUTH, seed=2 * seed + fold)
    return work


def gather(
    work: Work, *runs: str, folds: list[str] | None = None, weights: str = "equal"
) -> list[members.MemberFold]:
    return members.load_members(work, dataset.read(work), runs, folds, weights.split())


def make_average(work: Work, *runs: str, weights: str = "equal", name: str = "both") -> Artifact:
    data, sources = dataset.read(work), gather(work, *runs, weights=weights)
    return average.average(begin(work, name, sources), sources, data)


def begin(work: Work, name: str, sources: list[members.MemberFold]) -> artifacts.Draft:
    data = dataset.read(work)
    inputs = [data.artifact, *(source.probs for source in sources)]
    draft = artifacts.begin(work.ensemble(name), average.config(sources, data), inputs)
    assert draft
    return draft


def make_decision(
    work: Work, ensemble: Artifact, asked: DecisionOptions, tag: str = "x"
) -> dict[str, object]:
    data = dataset.read(work)
    location = work.decision(f"{ensemble.location.folder.name}-{tag}")
    draft = artifacts.begin(location, asked.config, [ensemble, data.artifact])
    assert draft
    decide.decide(draft, ensemble, data, asked)
    return json.loads(artifacts.read(location).path("decision.json").read_bytes())


def uniform(value: int, size: int = fakes.FRAME) -> np.ndarray:
    return np.full((size, size), value, np.uint8)


# Averaging


def test_maps_are_the_weighted_mean_over_members_and_the_mean_over_folds(tmp_path: Path) -> None:
    work = Work(tmp_path)
    fakes.make_dataset(work, TRUTH)
    for run, fold, value in (("a", 0, 100), ("a", 1, 200), ("b", 0, 40), ("b", 1, 0)):
        every = dict.fromkeys([*TRUTH, "test0", "test1"], uniform(value))
        fakes.make_probs(work, run, fold, TRUTH, maps=every)
    made = make_average(work, "a", "b", weights="3 1")
    for file, value in {
        "oof/image00.png": (3 * 100 + 40) / 4,
        "oof/image01.png": (3 * 200 + 0) / 4,
        "test/test0.png": (3 * (100 + 200) / 2 + (40 + 0) / 2) / 4,
    }.items():
        assert (images.read_png(made.path(file)) == round(value)).all(), file
    rows = csv_files.read(made.path("members.csv"), ("member", "fold", "weight", "id"))
    assert list(rows["weight"].astype(float)) == [0.75, 0.75, 0.25, 0.25]
    assert rows["id"].iloc[0] == artifacts.read(work.probs("a", 0)).id


def test_a_single_member_keeps_every_value(tmp_path: Path) -> None:
    work = Work(tmp_path)
    fakes.make_dataset(work, TRUTH)
    ramp = np.arange(256, dtype=np.uint8).reshape(fakes.FRAME, fakes.FRAME)
    for fold in (0, 1):
        fakes.make_probs(work, "a", fold, TRUTH, maps={"image00": ramp, "test0": ramp})
    made = make_average(work, "a")
    assert (images.read_png(made.path("oof/image00.png")) == ramp).all()
    assert (images.read_png(made.path("test/test0.png")) == ramp).all()


def test_smaller_maps_are_brought_to_the_frame_in_float_before_they_are_averaged(
    tmp_path: Path,
) -> None:
    work = Work(tmp_path)
    fakes.make_dataset(work, TRUTH)
    small = fakes.masks(12, 8)
    for run, seed in (("a", 0), ("b", 1)):
        for fold in (0, 1):
            fakes.make_probs(work, run, fold, small, size=8, seed=seed)
    made = make_average(work, "a", "b")
    parts = [
        images.read_png(work.probs(run, 0).folder / "oof/image00.png").astype(np.float64)
        for run in "ab"
    ]
    expected = cv2.resize((parts[0] + parts[1]) / 2, (16, 16), interpolation=cv2.INTER_LINEAR)
    assert np.abs(images.read_png(made.path("oof/image00.png")) - expected).max() <= 0.5 + 1e-4


def test_the_histograms_are_those_of_the_maps(work: Work) -> None:
    made = make_average(work, "a", "b")
    counted = histograms.load(made.path("histograms.npz"))
    assert list(counted.ids) == sorted(TRUTH)
    for name, pixels, inside in zip(counted.ids, counted.pixels, counted.inside, strict=True):
        values = images.read_png(made.path(f"oof/{name}.png"))
        assert (pixels == np.bincount(values.ravel(), minlength=256)).all()
        assert (inside == np.bincount(values[TRUTH[name]], minlength=256)).all()


def test_what_was_interrupted_goes_on_and_ends_as_if_it_had_not_been(work: Work) -> None:
    whole, sources = make_average(work, "a", name="whole"), gather(work, "a")
    draft = begin(work, "cut", sources)
    kept = draft.path("oof/image03.png")
    images.write_png(kept, images.read_png(whole.path("oof/image03.png")))
    written = kept.stat().st_mtime_ns
    cut = average.average(draft, sources, dataset.read(work))
    assert cut.path("oof/image03.png").stat().st_mtime_ns == written
    assert cut.id == whole.id


def test_image_probabilities_are_averaged_over_the_members_that_have_them(tmp_path: Path) -> None:
    work = Work(tmp_path)
    fakes.make_dataset(work, TRUTH)
    names = [*TRUTH, "test0", "test1"]
    for run, fold, p in (("a", 0, 0.2), ("a", 1, 0.6), ("b", 0, 0.8), ("b", 1, 0.8)):
        fakes.make_probs(work, run, fold, TRUTH, classes=dict.fromkeys(names, p))
    for fold in (0, 1):
        fakes.make_probs(work, "headless", fold, TRUTH)
    made = make_average(work, "a", "headless", "b", weights="3 5 1")
    table = csv_files.read(made.path("class.csv"), ("ImageId", "p")).set_index("ImageId")
    p = table["p"].astype(float)
    assert sorted(table.index) == sorted(names)
    assert p["image00"] == pytest.approx((3 * 0.2 + 0.8) / 4)
    assert p["image01"] == pytest.approx((3 * 0.6 + 0.8) / 4)
    assert p["test1"] == pytest.approx((3 * 0.4 + 0.8) / 4)


def test_without_image_heads_the_class_table_has_a_header_only(work: Work) -> None:
    assert make_average(work, "a", "b").path("class.csv").read_text() == "ImageId,p\n"


def test_a_run_on_all_data_gives_test_maps_only(work: Work) -> None:
    fakes.make_probs(work, "a", ALL_DATA, TRUTH)
    fakes.make_probs(work, "final", ALL_DATA, TRUTH)
    assert {source.fold for source in gather(work, "a")} == {0, 1}
    assert {source.fold for source in gather(work, "a", folds=["0", ALL_DATA])} == {0, ALL_DATA}
    made = make_average(work, "final")
    assert [file for file in made.files if file.startswith("test/")]
    assert not [file for file in made.files if file.startswith("oof/")]
    with pytest.raises(InputError, match="no out-of-fold maps.*state a rule: --params"):
        parse_options(gather(work, "final"), "triplet", "plateau", None)


# What does not fit together


@pytest.mark.parametrize(
    ("runs", "folds", "weights", "message"),
    [
        ("c", None, "equal", "there are no maps of c; run 03_infer.py --run c"),
        ("a b", ["0", "2"], "equal", "fold 2 does not exist; the split has folds 0, 1"),
        ("a b", ["0", "0"], "equal", "fold 0 is given twice"),
        ("a a", None, "equal", "member a is given twice"),
        ("a b", ["zero"], "equal", "'zero' is no fold: give numbers"),
        ("a b", None, "1", "weights 1 for 2 members; give one each, equal or search"),
        ("a b", None, "1 x", "weights 1 x are not all numbers; give numbers, equal or search"),
        ("a b", None, "search 1", "weights search 1 are not all numbers"),
        ("a b", None, "0 0", "weights 0 0 must sum to a positive number"),
        ("a b", None, "2 -1", "must sum to a positive number, and none be negative"),
        ("a b", None, "1 nan", "must sum to a positive number"),
        ("a b", None, "1 inf", "must sum to a positive number"),
    ],
)
def test_flags_that_make_no_ensemble(
    work: Work, runs: str, folds: list[str] | None, weights: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        gather(work, *runs.split(), folds=folds, weights=weights)


def test_a_member_that_lacks_a_fold(work: Work) -> None:
    fakes.make_probs(work, "c", 0, TRUTH)
    with pytest.raises(InputError, match=r"probs/c/fold1 is not there; run 03_infer\.py"):
        gather(work, "a", "c")


@pytest.mark.parametrize(
    ("oof", "message"),
    [
        pytest.param([0, 2, 4, 6, 8], r"c/fold0 lacks 1 of the maps \(oof/image10", id="missing"),
        pytest.param(range(12), "fold0 of the dataset lacks 6 of the maps", id="twice-out-of-fold"),
        pytest.param([0, 2, 4, 6, 8, 10, 99], r"lacks 1 of .*oof/image99", id="unknown"),
    ],
)
def test_maps_of_other_images_than_the_fold_holds(
    work: Work, oof: Iterable[int], message: str
) -> None:
    fakes.make_probs(work, "c", 0, TRUTH, oof=[f"image{number:02}" for number in oof])
    with pytest.raises(InputError, match=f"{message}.*run 03_infer.py --run c --folds 0 --rep"):
        gather(work, "c")


def test_maps_made_from_another_dataset(work: Work) -> None:
    artifacts.begin(work.dataset, {}, replace=True)
    work.dataset.partial.rename(work.dataset.partial.with_name("left"))
    fakes.make_dataset(work, {**TRUTH, "image00": TRUTH["image03"]})
    with pytest.raises(InputError, match="probs/a/fold0 was made from another dataset than"):
        gather(work, "a")


@pytest.mark.parametrize(
    "shape", [pytest.param((32, 32), id="too-large"), pytest.param((8, 9), id="not-square")]
)
def test_maps_of_a_size_that_cannot_be_the_frame_s(work: Work, shape: tuple[int, int]) -> None:
    fakes.make_probs(work, "c", 0, TRUTH, maps={"image00": np.zeros(shape, np.uint8)})
    with pytest.raises(
        InputError, match=f"{shape[0]}x{shape[1]}, which cannot be the 16x16 frame's; remake"
    ):
        gather(work, "c", folds=["0"])


def test_image_probabilities_of_some_images_only(work: Work) -> None:
    fakes.make_probs(work, "c", 0, TRUTH, classes={"image00": 0.5, "test0": 0.5})
    with pytest.raises(InputError, match=r"probs/c/fold0/class\.csv is not of the maps beside it"):
        gather(work, "c")


# A rule stated by hand


def test_a_stated_rule_is_read_in_published_units() -> None:
    words = "top=.7 min_area=800 bottom=.3 component_min_area=100 fill_holes=1 class_min=.4"
    assert params.parse(words.split()) == ThresholdRule(0.7, 800, 0.3, 100, True, 0.4)
    assert params.parse(["top=.75"]) == ThresholdRule(top=0.75)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("tpo=.7", "give key=value, with a key of top, min_area, bottom"),
        ("top", "give key=value"),
        ("top=.7 top=.8", "top is given twice"),
        ("top=seven", "--params top=seven: .*valid number"),
        ("top=1.2", "--params top=1.2: .*less than or equal to 1"),
        ("top=1", "threshold 1 is out of range"),
        ("top=nan", "--params top=nan"),
        ("min_area=-1", "--params min_area=-1: .*greater than or equal to 0"),
        ("min_area=.5", "--params min_area=.5: .*integer"),
        ("fill_holes=2", "--params fill_holes=2: .*boolean"),
        ("top=.3 bottom=.7", "bottom 0.7 is above top 0.3"),
    ],
)
def test_words_that_state_no_rule(words: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        params.parse(words.split())


def test_a_class_gate_without_image_heads_is_refused_before_anything_is_averaged(
    work: Work,
) -> None:
    with pytest.raises(InputError, match=r"class_min=0\.4 needs image probabilities"):
        parse_options(gather(work, "a"), "triplet", "plateau", ["class_min=.4"])


# Deciding


def by_hand(work: Work, ensemble: Artifact, decision: dict[str, object]) -> float:
    """What anyone gets by applying a decision's rule to the maps."""
    rule = rules.from_json(decision)
    classes = csv_files.read(ensemble.path("class.csv"), ("ImageId", "p")).set_index("ImageId")["p"]
    dices = []
    for name, truth in TRUTH.items():
        p = float(classes[name]) if name in classes.index else None
        mask = rules.apply(rule, images.read_png(ensemble.path(f"oof/{name}.png")), p)
        dices.append(float(metrics.dice(*metrics.areas(mask, truth))))
    return float(np.mean(dices))


@pytest.mark.parametrize("choose", ["best", "plateau"])
@pytest.mark.parametrize("rule", ["single", "duplet", "triplet", "components"])
def test_the_out_of_fold_dice_can_be_had_from_the_files(work: Work, rule: str, choose: str) -> None:
    ensemble = make_average(work, "a", "b")
    decision = make_decision(work, ensemble, DecisionOptions(rule, choose))
    assert decision["oof_dice"] == pytest.approx(by_hand(work, ensemble, decision), abs=1e-12)
    chosen = decision[choose]
    assert {key: decision[key] for key in RULE_KEYS} == {key: chosen[key] for key in RULE_KEYS}
    for one in ("best", "plateau"):
        stated = by_hand(work, ensemble, decision[one])
        assert decision[one]["oof_dice"] == pytest.approx(stated, abs=1e-12)
    assert decision["best"]["oof_dice"] >= decision["plateau"]["oof_dice"]
    assert decision["rule"] == rule
    assert decision["images"] == 12
    assert sum(decision["confusion"].values()) == 12
    assert decision["optimism"] == decision["oof_dice"] - decision["cross_fitted_dice"]
    assert decision["ci95"][0] <= decision["cross_fitted_dice"] <= decision["ci95"][1]


@pytest.mark.parametrize(
    "words", ["top=.45 bottom=.3", "top=.6 min_area=9 bottom=.35 component_min_area=4",
              "fill_holes=1 top=.42 bottom=.42", "top=.4 bottom=.4 class_min=.5",
              "class_min=.5 component_min_area=6 fill_holes=1"],
)  # fmt: skip
def test_so_can_that_of_a_stated_rule(tmp_path: Path, words: str) -> None:
    work = Work(tmp_path)
    fakes.make_dataset(work, TRUTH)
    rng = np.random.default_rng(0)
    for fold in (0, 1):
        p = dict(zip([*TRUTH, "test0", "test1"], rng.random(14).tolist(), strict=True))
        fakes.make_probs(work, "a", fold, TRUTH, classes=p, seed=fold)
    ensemble = make_average(work, "a")
    asked = parse_options(gather(work, "a"), "triplet", "plateau", words.split())
    decision = make_decision(work, ensemble, asked)
    assert 0 < decision["oof_dice"] < 1
    assert decision["oof_dice"] == pytest.approx(by_hand(work, ensemble, decision), abs=1e-12)
    assert decision["cross_fitted_dice"] == decision["oof_dice"]
    assert decision["cross_fitted_reason"] == "the rule was stated, nothing was fitted"
    assert decision["optimism"] == 0


@pytest.mark.parametrize("name", ["see", "sneddy_v1"])
def test_a_published_rule_is_stated_by_its_name(work: Work, name: str) -> None:
    asked = parse_options(gather(work, "a"), name, "plateau", None)
    assert asked == DecisionOptions(name, None, PUBLISHED[name])
    decision = make_decision(work, make_average(work, "a"), asked)
    assert {key: decision[key] for key in RULE_KEYS} == rules.to_json(PUBLISHED[name])
    assert decision["cross_fitted_dice"] == decision["oof_dice"]


@pytest.mark.parametrize(
    ("ranked", "stated"), [((True, False), True), ((False, False), False), ((None, False), None)]
)
def test_whether_checkpoints_were_ranked_on_these_folds_is_what_the_maps_say(
    work: Work, ranked: tuple[bool | None, ...], stated: bool | None
) -> None:
    sources = gather(work, "a")
    for source, fact in zip(sources, ranked, strict=True):
        source.probs.config["ranked"] = fact
    data, ensemble = dataset.read(work), make_average(work, "a")
    asked = DecisionOptions("see", None, PUBLISHED["see"])
    draft = artifacts.begin(work.decision("a-see"), asked.config, [ensemble, data.artifact])
    decision = decide.decide(draft, ensemble, data, asked, sources)
    assert decision["checkpoints_selected_on_these_folds"] is stated


def test_one_fold_has_no_honest_dice_and_says_why(work: Work) -> None:
    for other in ("a", "b"):
        fakes.make_probs(work, f"{other}0", 0, TRUTH, seed=ord(other))
    ensemble = make_average(work, "a0", "b0")
    decision = make_decision(work, ensemble, DecisionOptions("triplet", "plateau"))
    assert decision["cross_fitted_dice"] is None
    assert decision["optimism"] is None
    assert decision["cross_fitted_reason"] == "one fold: there is no other to fit on"
    assert list(decision["folds"]) == ["0"]
    line = evaluation.summary(decision, dataset.read(work))
    assert "on the 6 of 12 labelled images (folds 0) that it was tuned on" in line
    voted = evaluation.summary(decision | {"test_rule": "vote"}, dataset.read(work))
    assert "(before the vote, which is on test images only)" in voted


def test_equal_decisions_are_equal_bytes(work: Work) -> None:
    ensemble = make_average(work, "a", "b")
    for tag in ("one", "two"):
        make_decision(work, ensemble, DecisionOptions("triplet", "plateau"), tag)
    one, two = (artifacts.read(work.decision(f"both-{tag}")) for tag in ("one", "two"))
    assert one.id == two.id
    picture = cv2.imread(str(one.path("surface.png")))
    assert picture.shape[1] > picture.shape[0] > 500


def test_the_interval_is_wider_when_images_share_patients(tmp_path: Path) -> None:
    widths = []
    for folder, per_patient in (("alone", 1), ("shared", 4)):
        work = Work(tmp_path / folder)
        patients = {name: str(n // per_patient) for n, name in enumerate(sorted(TRUTH))}
        alike = {name: TRUTH["image00"] & (n % 8 < 4) for n, name in enumerate(sorted(TRUTH))}
        fakes.make_dataset(work, alike, patients=patients)
        for fold in (0, 1):
            fakes.make_probs(work, "a", fold, alike)
        asked = DecisionOptions("params", None, ThresholdRule(0.9, 1, 0.9))
        low, high = make_decision(work, make_average(work, "a"), asked)["ci95"]
        widths.append(high - low)
    assert widths[0] < widths[1]


# The stage


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "04_ensemble.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def test_the_stage_averages_once_and_decides_as_often_as_wanted(work: Work) -> None:
    flags = ["--work", str(work.root), "--members", "a", "b", "--name", "ab"]
    first = run(*flags)
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("cross-fitted Dice 0.")
    assert first.stdout.rstrip().endswith(f"-> {work.decision('ab-triplet').folder}")
    assert run(*flags).stdout == "up to date: ensembles/ab\nup to date: decisions/ab-triplet\n"
    stated = run(*flags, "--params", "top=.6", "bottom=.4", "--tag", "by-hand")
    assert stated.stdout.startswith("up to date: ensembles/ab\nDice 0.")
    assert "of the stated rule on 12 images" in stated.stdout
    other = run(*flags, "--choose", "best")
    assert other.returncode == 2
    assert "was made with choose = 'plateau', not 'best'" in other.stderr
    assert artifacts.verify(work.root) == []


def test_without_labels_a_rule_must_be_stated(tmp_path: Path) -> None:
    work = Work(tmp_path)
    fakes.make_dataset(work, {})
    fakes.make_probs(work, "a", 0, {})
    flags = ["--work", str(tmp_path), "--members", "a", "--name", "a"]
    refused = run(*flags)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: there are no out-of-fold maps")
    assert refused.stderr.count("\n") == 1
    assert not (tmp_path / "ensembles").exists()
    made = run(*flags, "--params", "top=.7", "min_area=800", "bottom=.3")
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("a stated rule, not measured: there are no labelled images")
    decision = artifacts.read(work.decision("a-params"))
    content = json.loads(decision.path("decision.json").read_bytes())
    assert (content["top"], content["min_area"], content["bottom"]) == (178, 800, 76)
    assert content["oof_dice"] is None


@pytest.mark.parametrize("p", ["nan", "", float("inf"), -0.1, 1.5, "half"])
def test_a_p_positive_that_is_no_probability_is_refused(work: Work, p: float | str) -> None:
    names = [*TRUTH, "test0", "test1"]
    for fold in (0, 1):
        fakes.make_probs(work, "c", fold, TRUTH, classes=dict.fromkeys(names, 0.5) | {"test0": p})
    message = f"probs/c/fold0/class.csv: p of test0 is '{p}', .*03_infer.py --run c --folds 0"
    with pytest.raises(InputError, match=message):
        gather(work, "c")


def test_the_cure_for_maps_without_flips_is_a_command_that_there_is(work: Work) -> None:
    with pytest.raises(InputError, match=r"run 03_infer.py --run a --tta none$"):
        gather(work, "a.noflip")
    fakes.make_probs(work, "a", 0, TRUTH, oof=[], tta="none")
    with pytest.raises(InputError, match=r"03_infer.py --run a --tta none --folds 0 --replace$"):
        gather(work, "a.noflip")
