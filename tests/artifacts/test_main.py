"""The command `python -m lib.artifacts verify WORK`."""

from pathlib import Path

import pytest

from lib import artifacts
from lib.artifacts.__main__ import main
from lib.errors import InputError
from lib.files import write_bytes
from lib.layout import Work
from tests.artifacts.builders import make


@pytest.fixture
def verify(monkeypatch: pytest.MonkeyPatch):
    def verify(work: Path) -> None:
        monkeypatch.setattr("sys.argv", ["artifacts", "verify", str(work)])
        main()

    return verify


def test_it_counts_artifacts_without_fault(
    work: Work, verify, capsys: pytest.CaptureFixture
) -> None:
    make(work.run("a", 0), inputs=[make(work.dataset)])
    verify(work.root)
    assert ": 2 artifacts, each complete" in capsys.readouterr().out


def test_it_prints_every_fault(work: Work, verify) -> None:
    for location in (work.dataset, work.run("a", 0)):
        (make(location).location.folder / "history.csv").write_bytes(b"epoch\n9\n")
    with pytest.raises(InputError, match=r"(?s)dataset/history.csv.*\nerror: runs/a/fold0/his"):
        verify(work.root)


def test_it_names_what_interrupted_commands_left(
    work: Work, verify, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["04_ensemble.py", "--members", "a", "--name", "e"])
    for replace in (False, True):
        for name in ("e", "new"):
            draft = artifacts.begin(work.ensemble(name), {}, replace=replace)
            write_bytes(draft.path("histograms.npz"), b"half")
            if name == "e" and not replace:
                draft.finish()
            else:
                draft.lock.release()
    (work.root / "runs" / "a" / "fold0.removed").mkdir(parents=True)
    (work.root / "replaced.txt").touch()
    verify(work.root)
    lines = dict(line.split(" ", 1) for line in capsys.readouterr().out.splitlines()[:-1])
    command = f"run 04_ensemble.py --members a --name e --work {work.root}"
    assert f"{command} --replace to continue, or remove it" in lines["ensembles/e.partial"]
    assert f"{command} to continue, or remove it" in lines["ensembles/new.partial"]
    assert lines["runs/a/fold0.removed"].endswith("if interrupted, remove it")
    assert "REPLACE=1 bash run_all.sh to continue, or remove it" in lines["replaced.txt"]


def test_it_refuses_a_path_that_is_not_a_folder(verify) -> None:
    with pytest.raises(InputError, match="nowhere is not a folder; .*--work"):
        verify(Path("nowhere"))


def test_it_refuses_a_folder_without_artifacts(tmp_path: Path, verify) -> None:
    """A typing error must not look like a success."""
    with pytest.raises(InputError, match="has no artifact; give the folder of --work"):
        verify(tmp_path)
