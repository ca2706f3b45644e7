"""The benchmark of all recipes on phantoms: failures, costs, and what a second call reuses."""

from pathlib import Path

import pytest

from lib import dataset
from lib import recipes as all_recipes
from lib.errors import InputError
from lib.layout import Work
from tests import fakes
from tests.bench import recipes


def test_the_other_recipes_are_trained_after_one_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands: list[str] = []

    def run_stage(work: Path, *words: str | Path) -> None:
        commands.append(" ".join(map(str, words)))
        if words[:3] == ("02_train.py", "--recipe", "niu_vgg16_demo"):
            raise InputError("02_train.py: no")

    monkeypatch.setattr(recipes, "run_stage", run_stage)
    monkeypatch.setattr(recipes, "training_cost", lambda *_: (2.0, 1000))
    names = ["niu_vgg16", "abedalla_exp1"]
    failures = recipes.bench(tmp_path, names, ["0", "1"], tmp_path / "raw")
    assert failures == ["niu_vgg16_demo: 02_train.py: no"]
    assert commands[0].endswith("--recipes niu_vgg16_demo abedalla_exp1_demo")
    assert commands[2:] == [
        "02_train.py --recipe abedalla_exp1_demo --folds 0 1",
        "03_infer.py --run abedalla_exp1_demo --folds 0 1",
        "03_infer.py --run abedalla_exp1_demo --folds 0 1 --tta none",
    ]
    log = capsys.readouterr().err
    assert "abedalla_exp1_demo: 4 s of training, 2,000 images presented" in log


def test_the_cost_of_a_run_is_the_time_and_the_images_of_all_epochs(tmp_path: Path) -> None:
    work = Work(tmp_path)
    fakes.make_dataset(work)
    recipe = all_recipes.get("r34_512_demo")
    history = [{"phase": phase, "epoch": 0} for phase in (0, 1)]
    run = fakes.make_run(work, recipe.name, 0, recipe, history).location
    (run.folder / "log").mkdir()
    (run.folder / "log/times.csv").write_text("0,0,1.5,0.25\n1,0,2.0,0.25\n")
    data = dataset.read(work)
    positives = sum(data.positive(name) for name in data.training_ids(0))
    images = [positives + round(positives / rate - positives) for rate in (0.6, 0.35)]
    assert recipes.training_cost(work, recipe.name, 0) == (4.0, sum(images))


def test_phantoms_of_a_killed_call_are_drawn_again_and_finished_ones_kept(tmp_path: Path) -> None:
    few = {"n_train": 4, "n_test": 4, "size": 64}
    (tmp_path / "raw_phantoms.partial").mkdir()  # left by a killed call
    (tmp_path / "raw_phantoms.partial/half").touch()
    raw = recipes.draw_phantoms(tmp_path, **few)
    assert not (raw / "half").exists()
    before = (raw / "test-truth.csv").stat().st_mtime_ns
    assert recipes.draw_phantoms(tmp_path, **few) == raw
    assert (raw / "test-truth.csv").stat().st_mtime_ns == before


def test_a_failed_stage_is_an_error_with_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="^03_infer.py: .*dataset does not exist"):
        recipes.run_stage(tmp_path, "03_infer.py", "--run", "none")
