"""The five scripts as a user runs them on a few phantoms, and their refusals of bad input."""

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from lib import artifacts, dataset, images, rle
from lib.decision import schema
from lib.layout import Work
from lib.prepare.phantom import write_phantoms
from tests.stages.commands import ROOT, error_line, run

TINY = ["--set", "phases.0.size=64", "phases.0.epochs=2", "phases.0.batch=8",
        "network.decoder_channels=[8,8,4,4,4]", "tta=none"]  # fmt: skip


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("a raw folder")
    write_phantoms(folder, n_train=24, n_test=6, seed=1, size=128, workers=1)
    return folder


def commands(raw: Path, work: Path) -> Sequence[Sequence[object]]:
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
    """Working folder that the five stages have filled."""
    root = tmp_path_factory.mktemp("work with blanks")
    for command in commands(raw, root):
        assert "up to date" not in run(*command).stdout
    return Work(root)


def test_the_submission_has_the_ids_of_the_sample_in_its_order(work: Work, raw: Path) -> None:
    with (raw / "sample_submission.csv").open() as sample:
        sample_ids = list(dict.fromkeys(row["ImageId"] for row in csv.DictReader(sample)))
    path = artifacts.read(work.submission("final-triplet")).path("submission.csv")
    with path.open() as submission:
        assert [row["ImageId"] for row in csv.DictReader(submission)] == sample_ids


def test_a_second_run_is_up_to_date_and_changes_no_file(work: Work, raw: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in work.root.rglob("*") if path.is_file()}
    for command in commands(raw, work.root):
        assert "up to date" in run(*command).stdout
    after = {path: path.stat().st_mtime_ns for path in work.root.rglob("*") if path.is_file()}
    assert before == after


def test_a_replacement_that_was_begun_is_named(work: Work, raw: Path) -> None:
    partial = work.run("tiny", 0).partial
    partial.mkdir()
    output = run(*commands(raw, work.root)[1]).stdout
    partial.rmdir()
    assert "up to date: runs/tiny/fold0; a new one is unfinished, and --replace" in output


def test_the_leaderboard_has_the_costs_that_the_stages_record(work: Work) -> None:
    lines = run("-m", "lib.leaderboard", "--work", work.root, "--table", "runs").stdout.splitlines()
    header, _, row = lines[lines.index("Costs:") + 2 :][:3]
    costs = dict(zip(header.split(" | "), row.split(" | "), strict=True))
    missing = {name for name, cost in costs.items() if cost.startswith("–")}
    assert missing <= {"MB to train", "MB to infer |"}  # not on every system


def test_verify_accepts_all_artifacts(work: Work) -> None:
    assert "9 artifacts, each complete" in run("-m", "lib.artifacts", "verify", work.root).stdout


def test_maps_have_the_flips_of_the_recipe_or_those_of_the_flag_in_a_folder_of_their_own(
    work: Work, tmp_path: Path
) -> None:
    copy = Work(shutil.copytree(work.root, tmp_path / "work"))
    command = ("03_infer.py", "--run", "tiny", "--folds", 0, "--work", copy.root)
    assert "up to date: probs/tiny/fold0" in run(*command, "--tta", "none").stdout
    run(*command, "--tta", "flip")
    plain, flipped = (artifacts.read(copy.probs("tiny", 0, tta)) for tta in (None, "flip"))
    assert (plain.config["tta"], flipped.config["tta"]) == ("none", "flip")
    name = next(file for file in plain.files if file.startswith("test/"))
    one, mean = (images.read_png(maps.path(name)) for maps in (plain, flipped))
    assert (one != one[:, ::-1]).any()
    assert (one != mean).any()


def test_the_dice_of_the_decision_can_be_recomputed_from_the_files(work: Work) -> None:
    decision = schema.load(artifacts.read(work.decision("final-triplet")).path("decision.json"))
    ensemble = artifacts.read(work.ensemble("final"))
    dices = []
    for name, code in dataset.read(work).truth.items():
        truth = rle.decode(code, 128, 128)
        mask = decision.rule.apply(images.read_png(ensemble.path(f"oof/{name}.png")))
        total = mask.sum() + truth.sum()
        dices.append(2 * (mask & truth).sum() / total if total else 1.0)
    assert decision.oof_dice == pytest.approx(sum(dices) / len(dices), abs=1e-12)


def test_lib_score_scores_the_submission(work: Work, raw: Path) -> None:
    path = artifacts.read(work.submission("final-triplet")).path("submission.csv")
    words = ("-m", "lib.score", path, raw / "test-truth.csv", "--json", "--size", 128)
    score = json.loads(run(*words).stdout)
    assert score["images"] == 6
    assert 0 <= score["dice"] <= 1


def test_another_config_is_an_error_that_names_the_value_and_the_cure(work: Work) -> None:
    changed = [word.replace("epochs=2", "epochs=3") for word in TINY]
    line = error_line(
        "02_train.py", "--recipe", "demo", "--name", "tiny", *changed, "--work", work.root
    )
    assert all(text in line for text in ("runs/tiny/fold0", "epochs", "2", "3", "--replace"))


@pytest.mark.parametrize(
    ("words", "value", "cure"),
    [
        (["02_train.py", "--recipe", "dema"], "'dema'", "demo"),
        (["02_train.py", "--recipe", "demo", "--set", "phases.0.epochs=1"], "--set", "--name"),
        (["02_train.py", "--recipe", "demo", "--name", "x", "--set", "epochs=1"], "epochs", ""),
        (["02_train.py", "--recipe", "demo", "--folds", "7"], "fold 7", ""),
        (["02_train.py", "--recipe", "demo", "--folds", "one"], "'one'", "all-data"),
        (["02_train.py", "--recipe", "demo"], "cache/128", "01_prepare.py"),
        (["02_train.py", "--recipe", "demo", "--name", "x", "--device", "cuda:9", *TINY],
         "cuda:9", "cpu"),
        (["03_infer.py", "--run", "nothing"], "nothing", "02_train.py"),
        (["03_infer.py", "--run", "tiny", "--folds", "9"], "runs/tiny/fold9", "02_train.py"),
        (["04_ensemble.py", "--members", "nothing", "--name", "x"], "nothing", "03_infer.py"),
        (["05_submit.py", "--decision", "nothing-triplet"], "nothing-triplet", "04_ensemble.py"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_with_value_and_cure_and_writes_nothing(
    work: Work, words: Sequence[str], value: str, cure: str
) -> None:
    before = sorted(work.root.rglob("*"))
    line = error_line(*words, "--work", work.root)
    assert value in line
    assert cure in line
    assert sorted(work.root.rglob("*")) == before


def test_a_refused_training_leaves_no_folder(work: Work, raw: Path) -> None:
    line = error_line(
        "02_train.py", "--recipe", "demo", "--name", "refused", *TINY, "--work", work.root,
        "--encoder-weights", raw / "train-rle.csv",
    )  # fmt: skip
    assert "train-rle.csv" in line
    assert not work.run("refused", 0).folder.parent.exists()


def test_maps_stay_if_their_replacement_is_refused(work: Work, raw: Path, tmp_path: Path) -> None:
    other = Work(tmp_path / "other")
    shutil.copytree(work.root, other.root)
    prepare, *_ = commands(raw, other.root)
    run(*prepare, "--limit", 20, "--replace")
    maps = artifacts.read(other.probs("tiny", 0)).id
    line = error_line("03_infer.py", "--run", "tiny", "--replace", "--work", other.root)
    assert "was trained on another dataset" in line
    assert artifacts.read(other.probs("tiny", 0)).id == maps


def test_the_cells_of_the_kaggle_page_make_a_gallery_and_a_submission(
    work: Work, raw: Path, tmp_path: Path
) -> None:
    """The page as it stands, but for the names and sizes of these runs."""
    page = (ROOT / "tests/bench/kaggle.md").read_text()
    script = "\n".join(re.findall(r"```bash\n(.*?)```", page, flags=re.DOTALL))
    trained = shlex.quote(str(work.root))
    for published, here in {
        "git archive --format=tar HEAD | tar -x": 'cp -r lib folds [0-9]*.py "$CODE" #',
        "lib.predict export": f"lib.predict export --work {trained}",
        "work/runs work/decisions": f"{trained}/runs {trained}/decisions",
        "$PWD/build/kaggle": shlex.quote(str(tmp_path)),
        "--recipe r34_512": f"--recipe demo --name tiny {shlex.join(TINY)}",
        "r34_512": "tiny",
        "--sizes 512": "--sizes 64 --rle-size 128",
    }.items():
        assert published in script
        script = script.replace(published, here)
    out = tmp_path / "out"
    settings = {"OUT": str(out), "RAW_DIR": str(raw), "IMAGES": str(raw / "dicom-images-test")}
    settings["WEIGHTS"] = "none"
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=ROOT, capture_output=True, text=True,
        env=os.environ | settings | {"OMP_NUM_THREADS": "1", "PATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (out / "predictions/index.html").exists()
    made = artifacts.read(Work(out / "work").submission("final-params"))
    here, there = (pd.read_csv(each.path("submission.csv"), index_col=0) for each in (
        artifacts.read(work.submission("final-triplet")), made))  # fmt: skip
    assert there.loc[here.index].equals(here)
