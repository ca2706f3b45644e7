"""The five scripts as a user runs them, on a few small phantoms, and what they say to bad input."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from lib import artifacts
from lib.layout import Work
from lib.prepare.phantom import write_phantoms

ROOT = Path(__file__).resolve().parents[1]
TINY = ["--set", "phases.0.size=64", "phases.0.epochs=2", "phases.0.batch=8",
        "network.decoder_channels=[8,8,4,4,4]"]  # fmt: skip


def run(*words: object, expect: int = 0, env: dict[str, str] | None = None) -> str:
    """Run a script or module of the project; its output, stdout before stderr."""
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", **(env or {})},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


def error_of(*words: object) -> str:
    """The one line that a script says to bad input, after exit code 2."""
    output = run(*words, expect=2)
    assert "Traceback" not in output
    errors = [line for line in output.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert output.rstrip().endswith(errors[0])
    return errors[0]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("a raw folder")
    write_phantoms(folder, n_train=24, n_test=6, seed=1, size=128, workers=1)
    return folder


def stages(raw: Path, work: Path) -> Sequence[Sequence[object]]:
    common = ("--work", work)
    return [
        ("01_prepare.py", "--raw", raw, "--sizes", 64, "--rle-size", 128, "--n-folds", 2,
         "--workers", 1, *common),
        ("02_train.py", "--recipe", "demo", "--name", "tiny", *TINY, *common),
        ("03_infer.py", "--run", "tiny", *common),
        ("04_ensemble.py", "--members", "tiny", "--name", "final", *common),
        ("05_submit.py", "--decision", "final-triplet", "--truth", raw / "test-truth.csv", *common),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def work(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Work:
    """A working folder that the five stages have filled."""
    root = tmp_path_factory.mktemp("work with blanks")
    for command in stages(raw, root):
        assert "up to date" not in run(*command)
    return Work(root)


def test_the_submission_has_the_samples_ids_in_its_order(work: Work, raw: Path) -> None:
    with (raw / "sample_submission.csv").open() as sample:
        wanted = list(dict.fromkeys(row["ImageId"] for row in csv.DictReader(sample)))
    path = artifacts.read(work.submission("final-triplet")).path("submission.csv")
    with path.open() as submission:
        assert [row["ImageId"] for row in csv.DictReader(submission)] == wanted


def test_every_stage_says_up_to_date_when_run_again(work: Work, raw: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in work.root.rglob("*") if path.is_file()}
    for command in stages(raw, work.root):
        assert "up to date" in run(*command)
    after = {path: path.stat().st_mtime_ns for path in work.root.rglob("*") if path.is_file()}
    assert before == after


def test_the_chain_is_whole(work: Work) -> None:
    assert "whole" in run("-m", "lib.artifacts", "verify", work.root)


def test_the_decision_can_be_recomputed_from_the_files(work: Work) -> None:
    from lib import dataset, images, rle
    from lib.decision.rules import apply, from_json

    decision = json.loads(
        artifacts.read(work.decision("final-triplet")).path("decision.json").read_text()
    )
    ensemble = artifacts.read(work.ensemble("final"))
    dices = []
    for name, code in dataset.read(work).truth.items():
        truth = rle.decode(code, 128, 128)
        mask = apply(from_json(decision), images.read_png(ensemble.path(f"oof/{name}.png")))
        total = mask.sum() + truth.sum()
        dices.append(2 * (mask & truth).sum() / total if total else 1.0)
    assert decision["oof_dice"] == pytest.approx(sum(dices) / len(dices), abs=1e-12)


def test_the_score_module_scores_the_submission(work: Work, raw: Path) -> None:
    path = artifacts.read(work.submission("final-triplet")).path("submission.csv")
    score = json.loads(
        run("-m", "lib.score", path, raw / "test-truth.csv", "--json", "--size", 128)
    )
    assert score.keys() == {"dice", "positive_dice", "images", "missing"}
    assert score["images"] == 6
    assert 0 <= score["dice"] <= 1


def test_changed_facts_are_an_error_that_names_the_fact(work: Work, raw: Path) -> None:
    other = [word if word != "phases.0.epochs=2" else "phases.0.epochs=3" for word in TINY]
    line = error_of(
        "02_train.py", "--recipe", "demo", "--name", "tiny", *other, "--work", work.root
    )
    assert "recipe.phases.0.epochs = 2, not 3" in line
    assert "--replace" in line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["02_train.py", "--recipe", "dema"], "no recipe 'dema'"),
        (["02_train.py", "--recipe", "demo", "--set", "phases.0.epochs=1"], "needs a --name"),
        (["02_train.py", "--recipe", "demo", "--name", "x", "--set", "epochs=1"], "no 'epochs'"),
        (["02_train.py", "--recipe", "demo", "--folds", "7"], "fold 7 does not exist"),
        (["02_train.py", "--recipe", "demo", "--folds", "one"], "'one' is no fold"),
        (["02_train.py", "--recipe", "demo", "--name", "../x", *TINY], "cannot be a name"),
        (["02_train.py", "--recipe", "demo"], "cache/128 is not there; run 01_prepare.py"),
        (["02_train.py", "--recipe", "demo", "--name", "x", "--device", "cuda:9", *TINY],
         "--device cuda:9 cannot be used"),
        (["03_infer.py", "--run", "nothing"], "run 02_train.py"),
        (["03_infer.py", "--run", "tiny", "--folds", "9"], "runs/tiny/fold9 is not there"),
        (["04_ensemble.py", "--members", "nothing", "--name", "x"], "03_infer.py"),
        (["05_submit.py", "--decision", "nothing-triplet"], "run 04_ensemble.py"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_leaves_nothing(
    work: Work, words: Sequence[str], message: str
) -> None:
    before = sorted(work.root.rglob("*"))
    assert message in error_of(*words, "--work", work.root)
    assert sorted(work.root.rglob("*")) == before


@pytest.mark.parametrize("script", sorted(path.name for path in ROOT.glob("0*.py")))
def test_every_script_explains_itself(script: str) -> None:
    assert "--work" in run(script, "--help")
