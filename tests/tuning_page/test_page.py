"""The tuning page: its own JavaScript, run in headless chromium, against the rules in Python."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest

from lib import metrics
from lib.bootstrap import standard_error
from lib.decision.histograms import OofSample
from lib.decision.rules import LEVELS, ThresholdRule
from lib.decision.threshold_search import PRESETS, search
from lib.decision.tuning import FittedRule, RuleFitter, mean_gate, tune
from lib.ensemble.options import parse_params
from lib.layout import check_name
from lib.tuning_page import page
from tests import browser
from tests.decision.samples import MappedSample, mapped_sample, noisy_sample

SIDE = 16
needs_chromium = pytest.mark.skipif(not browser.CHROMIUM, reason=browser.NO_CHROMIUM)

# Scores of rules by the functions of the page, and what the page shows of them.
SCORE_RULES = """
const rules = %s;
return rules.map((one) => {
  rule = one;
  draw();
  const shown = summarize(counts, masks, counts.groups[0].images);
  return {
    ...shown, dices: [...masks.dice], text: element("dice").textContent,
    command: element("command").textContent, changed: changedImages(counts, masks),
  };
});
"""


def write_page(folder: Path, sample: OofSample, fitter: RuleFitter) -> Path:
    path = folder / page.TUNING_FILE
    page.write(path, sample, tune(sample, fitter), "triplet", "python 04_ensemble.py", SIDE)
    return path


def random_rules(count: int, max_area: int, with_gate: bool = False) -> list[dict[str, float]]:
    rng = np.random.default_rng(0)
    levels = np.sort(rng.integers(LEVELS, size=(count, 2))).tolist()
    areas = np.exp(rng.uniform(0, np.log(max_area), count)).astype(int) - 1
    gates = rng.uniform(0, 1, count).round(4) * with_gate
    return [
        {"top": top, "bottom": bottom, "minArea": int(area), "classMin": float(gate)}
        for (bottom, top), area, gate in zip(levels, areas, gates, strict=True)
    ]


def stated_rule(command: str) -> ThresholdRule:
    """The rule that stage 04 reads from the page's command."""
    words = shlex.split(command)
    assert words[:4] == ["python", "04_ensemble.py", "--work", "WORK"]
    check_name(words[words.index("--tag") + 1])
    return parse_params(words[words.index("--params") + 1 : words.index("--tag")])


@needs_chromium
def test_the_page_scores_200_random_triplets_as_stage_04_does(tmp_path: Path) -> None:
    sample = noisy_sample(60, folds=3)
    path = write_page(tmp_path, sample, RuleFitter())
    rules = random_rules(200, SIDE**2)
    saved = tune(sample, RuleFitter()).fitted.areas(sample)[0] > 0
    scores = browser.run_script(path, SCORE_RULES % json.dumps(rules))
    positive = sample.histograms.positive
    for rule, score in zip(rules, scores, strict=True):
        stated = stated_rule(score["command"])
        assert (*stated.levels, stated.min_area) == (rule["top"], rule["bottom"], rule["minArea"])
        areas = FittedRule(stated).areas(sample)
        dice = metrics.dice(*areas)
        assert score["dices"] == pytest.approx(dice.tolist(), abs=1e-12)
        assert score["dice"] == pytest.approx(dice.mean(), abs=1e-12)
        assert score["text"] == f"{score['dice']:.4f}"
        half = 1.959964 * standard_error(dice, sample.patients)
        assert score["low"] == pytest.approx(max(0, dice.mean() - half), abs=1e-12)
        assert score["positiveDice"] == pytest.approx(dice[positive].mean(), abs=1e-12)
        counted = metrics.confusion(areas[0] > 0, positive)
        shown = score["found"], score["missed"], score["wrong"]
        assert (counted.both, counted.missed, counted.false) == shown
        assert sorted(score["changed"]) == np.flatnonzero((areas[0] > 0) != saved).tolist()


@pytest.fixture
def gated(tmp_path: Path) -> MappedSample:
    return mapped_sample(tmp_path, seed=1, images=60)


@needs_chromium
def test_the_page_applies_a_class_gate_as_the_rule_does_to_maps(
    tmp_path: Path, gated: MappedSample
) -> None:
    fitter = RuleFitter(PRESETS["gated"], "best", mean_gate)
    path = write_page(tmp_path, gated.sample, fitter)
    rules = random_rules(60, 49, with_gate=True)
    rules += [rule | {"classMin": p} for rule in rules[:9] for p in (0.0, 0.1, 0.6)]
    for score in browser.run_script(path, SCORE_RULES % json.dumps(rules)):
        rule = stated_rule(score["command"])
        assert rule.class_min is not None
        assert score["dice"] == pytest.approx(gated.mean_dice(rule), abs=1e-12)


@needs_chromium
def test_the_surface_of_the_page_is_that_of_the_exact_search(tmp_path: Path) -> None:
    sample = noisy_sample()
    path = write_page(tmp_path, sample, RuleFitter())
    bottom = 90
    answer = browser.run_script(
        path, f"setRule({{bottom: {bottom}, top: 200}}); draw();"
        "return {areas, score: [...surface.score]}"
    )  # fmt: skip
    areas = np.array(answer["areas"])
    score = np.array(answer["score"], float).reshape(LEVELS, len(areas))  # null becomes NaN
    assert np.isnan(score[:bottom]).all()
    exact = search(sample.histograms, PRESETS["triplet"])
    for top in range(bottom, LEVELS, 7):
        curve = exact.curve(top, bottom)
        steps = np.searchsorted(curve.lowest, areas, side="right") - 1
        assert score[top] == pytest.approx(curve.score[steps], abs=1e-12)


@needs_chromium
def test_every_level_and_keys_of_the_fields_and_the_surface(tmp_path: Path) -> None:
    path = write_page(tmp_path, noisy_sample(), RuleFitter())
    answer = browser.run_script(
        path,
        """
        const press = (id, key) => {
          element(id).dispatchEvent(new KeyboardEvent("keydown", { key })); return { ...rule };
        };
        setRule({ top: 100, bottom: 100, minArea: 7 });
        const moved = [press("top-text", "ArrowDown"), press("bottom-text", "ArrowUp"),
          press("minArea-text", "ArrowUp"), press("surface", "ArrowUp")];
        element("top-text").value = "0,5";
        element("top-text").dispatchEvent(new Event("change"));
        const read = [...Array(LEVELS).keys()].map((level) => toLevel(Number(probability(level))));
        return { moved, typed: rule.top, read };
    """,
    )
    assert [(r["top"], r["bottom"], r["minArea"]) for r in answer["moved"]] == [
        (99, 99, 7), (100, 100, 7), (100, 100, 8), (101, 100, 8),
    ]  # fmt: skip
    assert answer["typed"] == ThresholdRule(top=0.5).levels[0]
    assert answer["read"] == list(range(LEVELS))


@needs_chromium
def test_an_expected_dice_rule_is_what_the_page_compares_with(tmp_path: Path) -> None:
    sample = noisy_sample(60)
    fitter = RuleFitter(PRESETS["expected"], None)
    path = write_page(tmp_path, sample, fitter)
    tuned = tune(sample, fitter)
    answer = browser.run_script(
        path, "return {saved: [...counts.saved.dice], rule, lead: element('lead').textContent}"
    )
    assert answer["saved"] == pytest.approx(tuned.fitted.dice(sample).tolist(), abs=1e-12)
    assert (answer["rule"]["top"], answer["rule"]["bottom"]) == tuned.search.middle.levels
    assert "It has no thresholds" in answer["lead"]


def test_equal_samples_are_equal_pages_without_links(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    pages = [write_page(f, noisy_sample(), RuleFitter()).read_bytes() for f in (first, second)]
    assert pages[0] == pages[1]
    assert b"http" not in pages[0]
    assert pages[0].count(b"</script>") == 3
