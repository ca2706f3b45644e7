"""The system of a decision in WORK: its networks and weights, and inputs that changed since."""

from dataclasses import replace

import pytest

from lib.errors import InputError
from lib.files import remove
from lib.layout import Work
from lib.predict import from_work
from tests.predict import builders
from tests.predict.builders import CLAHE, decide_by
from tests.tiny_runs import TINY


def test_networks_weights_and_checkpoints_of_a_decision(trained: Work) -> None:
    decide_by(trained, "weighted", params=["top=.5"], weights=["3", "1"])
    system = from_work.load(trained, "weighted-x")
    found = [(n.run, n.fold, n.map_weight, n.flip, len(n.checkpoints)) for n in system.networks]
    assert found == [
        ("a", 0, 0.375, True, 2), ("a", 1, 0.375, True, 2),
        ("b", 0, 0.125, False, 1), ("b", 1, 0.125, False, 1),
    ]  # fmt: skip
    assert [n.recipe for n in system.networks] == [TINY, TINY, CLAHE, CLAHE]
    assert all(system.paths[name].is_file() for n in system.networks for name in n.checkpoints)


def test_members_without_weight_are_left_out_unless_they_gate(trained: Work) -> None:
    decide_by(trained, "zero", params=["top=.5"], weights=["1", "0"])
    assert {n.run for n in from_work.load(trained, "zero-x").networks} == {"a"}
    decide_by(trained, "zero-gate", params=["class_min=.5"], weights=["1", "0"], gate=["b"])
    assert {n.run for n in from_work.load(trained, "zero-gate-x").networks} == {"a", "b"}


def test_a_run_that_was_trained_again_is_refused(tmp_path) -> None:
    work = builders.make_systems(tmp_path / "work")
    decide_by(work, "old", params=["top=.5"])
    for fold in builders.FOLDS:  # maps may go once they are averaged
        remove(work.probs("b", fold).folder)
    assert len(from_work.load(work, "old-x").networks) == 4
    remove(work.run("a", 1).folder)
    with pytest.raises(InputError, match="runs/a/fold1 does not exist; run 02_train.py"):
        from_work.load(work, "old-x")
    maps = work.probs("a", 1).folder
    maps.rename(tmp_path / "maps")
    builders.make_run(work, "a", replace(TINY, seed=5), 1)
    remove(maps)
    (tmp_path / "maps").rename(maps)
    with pytest.raises(InputError, match="made from another runs/a/fold1"):
        from_work.load(work, "old-x")
