"""Complete artifacts: read, and verified together."""

import os
from pathlib import Path

import pytest

from lib import artifacts
from lib.artifacts import MANIFEST
from lib.errors import InputError
from lib.files import write_bytes
from lib.layout import Work
from tests.artifacts.builders import RECIPE, files_under, make


def flip_bit(path: Path, position: int = -1) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(bytes(content))


class TestReading:
    def test_it_is_read_back_as_it_was_made(self, work: Work) -> None:
        run = make(work.run("a", 0))
        read = artifacts.read(work.run("a", 0))
        assert read == run
        assert read.path("weights/a.pt").read_bytes() == b"weights"

    def test_a_missing_or_unfinished_one_names_the_stage(self, work: Work) -> None:
        with pytest.raises(InputError, match="probs/a/fold0 does not exist; run 03_infer.py"):
            artifacts.read(work.probs("a", 0))
        artifacts.begin(work.cache(64), {})
        with pytest.raises(InputError, match="cache/64 is unfinished; run 01_pre.* --sizes 64"):
            artifacts.read(work.cache(64))

    def test_a_file_that_is_not_listed_is_refused(self, work: Work) -> None:
        with pytest.raises(InputError, match="runs/a/fold0 has no b.pt; .*02_train.py"):
            make(work.run("a", 0)).path("b.pt")

    def test_a_file_with_another_byte_is_refused_when_it_is_opened(self, work: Work) -> None:
        run = make(work.run("a", 0))
        (run.location.folder / "weights/a.pt").write_bytes(b"weightS")
        read = artifacts.read(work.run("a", 0))  # the size fits, and hashing all takes minutes
        with pytest.raises(InputError, match=r"a.pt is damaged.*02_train.py .*--replace"):
            read.path("weights/a.pt")


class TestReadingWithInputs:
    def test_an_input_that_was_remade_is_refused(self, work: Work) -> None:
        make(work.run("a", 0), inputs=[make(work.dataset)])
        assert artifacts.read_chained(work.run("a", 0))
        make(work.dataset, {"rle_size": 256}, replace=True)
        with pytest.raises(InputError, match="runs/a/fold0 .* another dataset .*02_.* --replace"):
            artifacts.read_chained(work.run("a", 0))

    def test_a_damaged_input_names_its_own_stage(self, work: Work) -> None:
        make(work.run("a", 0), inputs=[make(work.dataset)])
        (work.dataset.folder / MANIFEST).write_text("{")
        with pytest.raises(InputError, match="dataset has a damaged .*01_prepare.py .*--replace"):
            artifacts.read_chained(work.run("a", 0))


def test_what_an_earlier_artifact_was_made_into_is_named(work: Work) -> None:
    ensemble = make(work.ensemble("e"))
    for tag in "ab":
        make(work.decision(f"e-{tag}"), inputs=[ensemble])
    assert artifacts.describe_outdated(ensemble) is None
    ensemble = make(work.ensemble("e"), content=b"others", replace=True)
    make(work.decision("e-b"), inputs=[ensemble], replace=True)
    line = artifacts.describe_outdated(ensemble)
    assert line
    assert "ensembles/e: decisions/e-a;" in line
    assert f"python -m lib.artifacts verify {work.root}" in line


@pytest.mark.parametrize("weights", [[0.25, 0.75], "search"])
def test_a_decision_is_remade_on_the_ensemble_that_is_here(
    work: Work, weights: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not on the earlier one: that would outdate the others."""
    command = "04_ensemble.py --members a --name e --folds 0 1 --rule duplet"
    monkeypatch.setattr("sys.argv", command.split())
    make(work.decision("e-duplet"), inputs=[make(work.ensemble("e"))])
    config = {"members": ["a", "b"], "folds": [0], "weights": weights}
    make(work.ensemble("e"), config, replace=True)
    (fault,) = artifacts.verify(work.root)
    words = "search" if weights == "search" else "0.25 0.75"
    flags = f"--members a b --folds 0 --weights {words}"
    assert f"04_ensemble.py --name e --rule duplet --work {work.root} {flags} --replace" in fault


class TestVerify:
    @pytest.fixture
    def chain(self, work: Work) -> Work:
        dataset = make(work.dataset)
        run = make(work.run("a", 0), inputs=[dataset])
        make(work.probs("a", 0), inputs=[dataset, run])
        artifacts.begin(work.run("a", 1), RECIPE)
        return work

    def test_an_intact_chain_has_no_fault_and_unfinished_ones_do_not_count(self, chain) -> None:
        assert artifacts.verify(chain.root) == []

    def test_a_change_of_any_byte_is_found(self, chain: Work) -> None:
        folder = chain.run("a", 0).folder
        for name, content in files_under(folder).items():
            for position in range(0, len(content), 7):
                flip_bit(folder / name, position)
                faults = artifacts.verify(chain.root)
                assert any("runs/a/fold0" in fault for fault in faults), (name, position)
                flip_bit(folder / name, position)
        assert artifacts.verify(chain.root) == []

    def test_the_damaged_file_is_named_with_the_stage(self, chain: Work) -> None:
        flip_bit(chain.run("a", 0).folder / "weights" / "a.pt")
        (fault,) = artifacts.verify(chain.root)
        assert fault.startswith("runs/a/fold0/weights/a.pt is damaged")
        command = f"02_train.py --recipe NAME --name a --folds 0 --work {chain.root} --replace"
        assert fault.endswith(command)

    @pytest.mark.parametrize("kind", ["lost", "folder", "loop", "pipe"])
    def test_a_manifest_that_is_not_a_file_is_found_beside_the_other_faults(
        self, chain: Work, kind: str
    ) -> None:
        manifest = chain.dataset.folder / MANIFEST
        manifest.unlink()
        if kind == "folder":
            manifest.mkdir()
        elif kind == "loop":
            manifest.symlink_to(manifest)
        elif kind == "pipe":
            os.mkfifo(manifest)
        flip_bit(chain.run("a", 0).folder / "history.csv")
        first, second = artifacts.verify(chain.root)
        assert first.startswith("dataset has a damaged or missing manifest.json")
        assert second.startswith("runs/a/fold0/history.csv is damaged")

    def test_an_unreadable_folder_is_a_fault_among_the_others(self, open_work, user) -> None:
        for fold in (0, 1):
            make(open_work.run("a", fold))
        flip_bit(open_work.run("a", 1).folder / "history.csv")
        weights = open_work.run("a", 0).folder / "weights"
        weights.chmod(0)
        with user():
            first, second = artifacts.verify(open_work.root)
        assert first.startswith("runs/a/fold0 cannot be checked: Permission denied: ")
        assert str(weights) in first
        assert second.startswith("runs/a/fold1/history.csv is damaged")

    def test_an_input_that_was_remade_is_found(self, chain: Work) -> None:
        make(chain.run("a", 0), RECIPE | {"limit": 2}, replace=True)
        (fault,) = artifacts.verify(chain.root)
        assert fault.startswith("probs/a/fold0 was made from another runs/a/fold0 than")
        assert fault.endswith(f"03_infer.py --run a --folds 0 --work {chain.root} --replace")

    def test_inputs_made_elsewhere_may_be_missing(self, chain: Work) -> None:
        os.replace(chain.dataset.folder, chain.root / "gone.removed")
        assert artifacts.verify(chain.root) == []

    def test_the_log_may_grow(self, chain: Work) -> None:
        write_bytes(chain.run("a", 0).folder / "log" / "times.csv", b"late")
        assert artifacts.verify(chain.root) == []
