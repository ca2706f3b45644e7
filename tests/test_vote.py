"""The majority of the folds' decisions, worked by hand on tiny maps."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lib.decision.honest import FittedRule

from lib import artifacts, dataset, images
from lib.artifacts import Artifact, Draft
from lib.decision.rules import ThresholdRule, apply, from_json
from lib.ensemble import average, members, vote
from lib.errors import InputError
from lib.layout import ALL_DATA, Work
from tests import fakes

ROOT = Path(__file__).resolve().parents[1]
TRUTH = fakes.masks(12)
TESTS = ["test0", "test1"]
HALF = FittedRule(ThresholdRule(top=0.5, bottom=0.5))


def make_ensemble(
    work: Work, maps: dict[str, list[np.ndarray]], shares: str = "equal"
) -> tuple[Artifact, list[members.MemberFold]]:
    """Runs by name, with the map that each fold gives of every test image."""
    folds = len(next(iter(maps.values())))
    fakes.make_dataset(work, TRUTH, TESTS, folds=folds)
    for run, every in maps.items():
        for fold, values in enumerate(every):
            fakes.make_probs(
                work, run, fold, TRUTH, TESTS, folds=folds, maps=dict.fromkeys(TESTS, values)
            )
    data = dataset.read(work)
    sources = members.load_members(work, data, list(maps), None, shares.split())
    draft = artifacts.begin(work.ensemble("x"), average.config(sources, data), [data.artifact])
    assert draft
    return average.average(draft, sources, data), sources


def begin(work: Work) -> Draft:
    draft = artifacts.begin(work.decision("x-vote"), {})
    assert draft
    return draft


def cast(
    work: Work,
    made: tuple[Artifact, list[members.MemberFold]],
    fitted: list[FittedRule],
    features: pd.DataFrame | None = None,
) -> np.ndarray:
    """The mask of test0."""
    draft = begin(work)
    nothing = pd.DataFrame(index=TESTS)
    vote.cast(draft, *made, dict(enumerate(fitted)), nothing if features is None else features)
    return images.read_png(draft.path("masks/test0.png"))


def columns(*values: int) -> np.ndarray:
    """A map with one value a column, in four columns of the same width."""
    return np.repeat(np.array([values], np.uint8), fakes.FRAME // len(values), 1).repeat(16, 0)


def test_a_pixel_that_more_than_half_of_the_folds_have_is_in_the_mask(work: Work) -> None:
    three = [columns(200, 200, 0, 0), columns(200, 0, 200, 0), columns(0, 200, 200, 0)]
    mask = cast(work, make_ensemble(work, {"a": three}), [HALF] * 3)
    assert (mask == columns(255, 255, 255, 0)).all()


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path)


@pytest.mark.parametrize(
    ("maps", "mask"),
    [
        pytest.param([(200, 0, 0, 0), (0, 0, 0, 0)], (0, 0, 0, 0), id="one-of-two-is-a-tie"),
        pytest.param([(200, 200, 0, 0), (0, 200, 200, 0)], (0, 255, 0, 0), id="both-of-two"),
        pytest.param([(200, 0, 0, 0)] * 2 + [(0, 0, 0, 0)] * 2, (0, 0, 0, 0), id="two-of-four"),
        pytest.param([(200, 0, 0, 0)] * 3 + [(0, 0, 0, 0)], (255, 0, 0, 0), id="three-of-four"),
        pytest.param([(200, 0, 0, 0), (0, 200, 0, 0), (0, 0, 200, 0)], (0, 0, 0, 0),
            id="all-see-something-each-elsewhere"),
        pytest.param([(200, 0, 0, 0)], (255, 0, 0, 0), id="a-single-fold"),
    ],
)  # fmt: skip
def test_ties_are_empty(work: Work, maps: list[tuple[int, ...]], mask: tuple[int, ...]) -> None:
    made = make_ensemble(work, {"a": [columns(*values) for values in maps]})
    assert (cast(work, made, [HALF] * len(maps)) == columns(*mask)).all()


def test_each_fold_has_its_own_rule_with_its_own_gate(work: Work) -> None:
    made = make_ensemble(work, {"a": [columns(200, 150, 100, 50)] * 3})
    fitted = [
        FittedRule(ThresholdRule(top=0.7, bottom=0.3)),  # three columns
        FittedRule(ThresholdRule(top=0.7, bottom=0.5)),  # two
        FittedRule(
            ThresholdRule(top=0.7, min_area=65, bottom=0.1)
        ),  # 64 pixels pass the top: empty
    ]
    assert (cast(work, made, fitted) == columns(255, 255, 0, 0)).all()


def test_a_class_gate_is_each_fold_s_own(work: Work) -> None:
    made = make_ensemble(work, {"a": [columns(200, 0, 0, 0)] * 3})
    rule = ThresholdRule(top=0.5, bottom=0.5, class_min=0.5)
    features = pd.DataFrame({"gate": [0.4, 0.9]}, index=TESTS)
    same, doubled = FittedRule(rule, lambda p: p[:, 0]), FittedRule(rule, lambda p: 2 * p[:, 0])
    assert not cast(work, made, [same, same, doubled], features).any()
    assert images.read_png(begin(work).path("masks/test1.png")).any()
    begin(work).path("masks/test0.png").unlink()
    assert cast(work, made, [same, doubled, doubled], features).any()


def test_a_fold_s_map_is_the_weighted_mean_over_members(work: Work) -> None:
    maps = {"a": [columns(200, 0, 100, 0)] * 2, "b": [columns(0, 200, 200, 0)] * 2}
    made = make_ensemble(work, maps, shares="3 1")
    assert (
        cast(work, made, [FittedRule(ThresholdRule(top=0.45, bottom=0.45))] * 2)
        == columns(255, 0, 255, 0)
    ).all()


def test_empty_masks_are_written_too_and_what_is_there_is_kept(work: Work) -> None:
    made = make_ensemble(work, {"a": [columns(0, 0, 0, 0)] * 2})
    kept = begin(work).path("masks/test0.png")
    images.write_png(kept, columns(255, 0, 0, 0))
    assert (cast(work, made, [HALF] * 2) == columns(255, 0, 0, 0)).all()
    assert not images.read_png(begin(work).path("masks/test1.png")).any()


def test_a_run_on_all_data_has_no_vote(work: Work) -> None:
    fakes.make_dataset(work, TRUTH, TESTS)
    fakes.make_probs(work, "a", ALL_DATA, TRUTH, TESTS)
    sources = members.load_members(work, dataset.read(work), ["a"], None, ["equal"])
    with pytest.raises(InputError, match="--test-rule vote .* all-data .*name the folds"):
        vote.check(sources)


def test_the_stage_votes_with_the_rules_of_the_folds(work: Work) -> None:
    made, sources = make_ensemble(
        work, {"a": [columns(200, 150, 100, 50), columns(250, 0, 120, 0)]}
    )
    words = ["--work", str(work.root), "--members", "a", "--name", "v", "--test-rule", "vote"]
    stage = subprocess.run(
        [sys.executable, "04_ensemble.py", *words], capture_output=True, text=True, cwd=ROOT
    )
    assert stage.returncode == 0, stage.stderr
    decision = artifacts.read(work.decision("v-triplet"))
    assert {source.probs.location.name for source in sources} < decision.inputs.keys()
    content = json.loads(decision.path("decision.json").read_bytes())
    assert content["test_rule"] == "vote"
    ballots = []
    for fold, rule in content["votes"].items():
        values = images.read_png(work.probs("a", int(fold)).folder / "test/test0.png")
        ballots.append(apply(from_json(rule), values))
    written = images.read_png(decision.path("masks/test0.png"))
    assert (written == np.where(ballots[0] & ballots[1], 255, 0)).all()
