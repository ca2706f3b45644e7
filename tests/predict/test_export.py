"""An exported folder is the same system; it is written once, and damage is found."""

import json
import shutil
from pathlib import Path

import pytest

from lib.errors import InputError
from lib.layout import Work
from lib.predict import from_work, outputs, run, system
from lib.predict.export import export
from lib.predict.system import TrainedSystem
from tests.predict import builders
from tests.predict.builders import decide_by
from tests.tiny_runs import CPU


@pytest.fixture
def source(trained: Work) -> TrainedSystem:
    """A system with two runs, a stacked gate and a rule that was searched."""
    if not trained.decision("export-x").folder.exists():
        decide_by(trained, "export", rule="gated", gate=["b"], gate_fit="stack")
    return from_work.load(trained, "export-x")


def test_the_folder_holds_the_same_system_and_nothing_of_work(
    trained: Work, source: TrainedSystem, tmp_path: Path
) -> None:
    export(source, tmp_path / "model")
    loaded = system.load((tmp_path / "model").rename(tmp_path / "moved"))
    assert loaded == source
    assert loaded.id == source.id
    assert str(trained.root) not in (tmp_path / "moved/config.json").read_text()
    files = builders.raw_images(trained, tmp_path / "raw")
    for number, used in enumerate((source, loaded)):
        out = tmp_path / "out"
        outputs.begin(out, used).release()
        outcome = run.predict_images(run.PredictionJob(files, used, out, CPU))
        assert outcome.predicted == (0 if number else len(files))  # goes on with the other's


def test_the_files_are_those_that_prediction_needs(source: TrainedSystem, tmp_path: Path) -> None:
    export(source, tmp_path / "model")
    files = {
        path.relative_to(tmp_path / "model").as_posix()
        for path in (tmp_path / "model").rglob("*")
        if path.is_file()
    }
    names = {name for network in source.networks for name in network.checkpoints}
    assert files == {"config.json", "README.md", *names}
    assert len(names) == 6  # run a: 2 folds of 2 checkpoints; run b: 2 folds of one
    assert "weights/a/fold1/phase0_epoch001.pt" in names


def test_the_readme_says_how_to_run_it_and_what_it_scored(
    source: TrainedSystem, tmp_path: Path
) -> None:
    export(source, tmp_path / "model")
    text = (tmp_path / "model/README.md").read_text()
    score = f"Cross-fitted Dice {source.scores['cross_fitted_dice']:.4f} (95 % interval "
    for part in (score, "on 12 labelled images", "--model", "not a medical device", "| a | 1 |"):
        assert part in text
    assert "onnx" not in text


def test_an_interrupted_export_is_continued(source: TrainedSystem, tmp_path: Path) -> None:
    model = tmp_path / "model"
    export(source, model)
    kept, damaged = (model / f"weights/a/fold{fold}/phase0_epoch000.pt" for fold in (0, 1))
    time = kept.stat().st_mtime_ns
    (model / "config.json").unlink()
    damaged.write_bytes(b"half")
    with pytest.raises(InputError, match="model has no config.json"):
        system.load(model)
    export(source, model)
    assert system.load(model) == source
    assert kept.stat().st_mtime_ns == time


def test_a_folder_with_other_files_is_refused(source: TrainedSystem, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"\(notes.txt\); give a new folder"):
        export(source, tmp_path)
    with pytest.raises(InputError, match="notes.txt is a file"):
        export(source, tmp_path / "notes.txt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model: (model / "config.json").write_text("{"), "config.json is damaged"),
        (lambda model: (model / "config.json").write_text("{}"), "config.json is damaged"),
        (
            lambda model: (model / "config.json").write_text(json.dumps({"format": 99})),
            "format 99; this version reads 1",
        ),
        (
            lambda model: (model / "weights/b/fold0/phase0_epoch000.pt").write_bytes(b"x"),
            "phase0_epoch000.pt is missing or damaged",
        ),
        (lambda model: shutil.rmtree(model / "weights/b"), "epoch000.pt is missing or damaged"),
    ],
)
def test_damage_is_found(source: TrainedSystem, tmp_path: Path, change, message: str) -> None:
    export(source, tmp_path / "model")
    change(tmp_path / "model")
    with pytest.raises(InputError, match=message):
        system.load(tmp_path / "model")
