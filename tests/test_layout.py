"""Paths of artifacts, and names that may become folders and files."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lib import layout
from lib.errors import InputError
from lib.layout import Work

WORK = Work(Path("work"))


@pytest.mark.parametrize(
    ("location", "folder", "kind", "command"),
    [
        (WORK.raw_demo, "work/raw_demo", "raw_demo", "01_prepare.py --demo"),
        (WORK.dataset, "work/dataset", "dataset", "01_prepare.py --raw DIR"),
        (WORK.cache(512), "work/cache/512", "cache", "01_prepare.py --raw DIR --sizes 512"),
        (
            WORK.run("demo", 0),
            "work/runs/demo/fold0",
            "run",
            "02_train.py --recipe NAME --name demo --folds 0",
        ),
        (
            WORK.run("demo", "all-data"),
            "work/runs/demo/all-data",
            "run",
            "02_train.py --recipe NAME --name demo --folds all-data",
        ),
        (
            WORK.probs("demo", 1),
            "work/probs/demo/fold1",
            "probs",
            "03_infer.py --run demo --folds 1",
        ),
        (
            WORK.probs("demo", 1, "none"),
            "work/probs/demo.noflip/fold1",
            "probs",
            "03_infer.py --run demo --tta none --folds 1",
        ),
        (
            WORK.probs("demo", 1, "flip"),
            "work/probs/demo.flip/fold1",
            "probs",
            "03_infer.py --run demo --tta flip --folds 1",
        ),
        (
            WORK.ensemble("final"),
            "work/ensembles/final",
            "ensemble",
            "04_ensemble.py --members RUN --name final",
        ),
        (
            WORK.decision("final-t"),
            "work/decisions/final-t",
            "decision",
            "04_ensemble.py --members RUN --name NAME",
        ),
        (
            WORK.submission("final-t"),
            "work/submissions/final-t",
            "submission",
            "05_submit.py --decision final-t",
        ),
    ],
)
def test_paths_and_commands(
    location: layout.ArtifactPath,
    folder: str,
    kind: str,
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)  # an artifact that is there records its own command
    assert location.folder == Path(folder)
    assert location.partial == Path(f"{folder}.partial")
    assert (location.kind, location.command) == (kind, command)
    assert str(location) == folder.removeprefix("work/")


RECORDED = [
    ("run", "'/a b/02_train.py' --recipe r --folds 0 1 --set 'x=a b' --work=old --replace",
     "02_train.py --recipe r --set 'x=a b' --folds 0 --work {}"),
    ("decision", "04_ensemble.py --members a b --name e --folds 0 1 --work old --rule duplet",
     "04_ensemble.py --members a b --name e --folds 0 1 --rule duplet --work {}"),
    ("submission", "05_submit.py --decision e-t --upload siim --work old",
     "05_submit.py --decision e-t --work {}"),
]  # fmt: skip


@pytest.mark.parametrize("is_finished", [True, False])
@pytest.mark.parametrize(("kind", "recorded", "command"), RECORDED)
def test_a_recorded_command_is_repeated_for_this_folder(
    tmp_path: Path, kind: str, recorded: str, command: str, is_finished: bool
) -> None:
    location = layout.ArtifactPath(tmp_path, "x/fold0", kind)
    folder, name = location.folder, "manifest.json"
    if not is_finished:
        folder, name = location.partial, "config.json"
    folder.mkdir(parents=True)
    (folder / name).write_text(json.dumps({"made": {"command": recorded}}))
    assert location.command == command.format(tmp_path)


def test_a_cache_without_a_record_is_made_as_the_dataset_was(tmp_path: Path) -> None:
    work = layout.Work(tmp_path)
    made = {"made": {"command": "01_prepare.py --raw R --limit 9 --sizes 256 512"}}
    work.dataset.folder.mkdir()
    (work.dataset.folder / "manifest.json").write_text(json.dumps(made))
    command = f"01_prepare.py --raw R --limit 9 --work {tmp_path} --sizes 128"
    assert work.cache(128).command == command


def test_a_fold_without_a_record_has_the_command_of_another_fold(tmp_path: Path) -> None:
    work = Work(tmp_path)
    made = {"made": {"command": "02_train.py --recipe r --name a"}}
    other = work.run("a", 1).folder
    other.mkdir(parents=True)
    (other / "manifest.json").write_text(json.dumps(made))
    command = f"02_train.py --recipe r --name a --folds all-data --work {tmp_path}"
    assert work.run("a", "all-data").command == command


@pytest.mark.parametrize("recorded", ["pytest --lf", "", None, "'"])
def test_a_record_that_is_no_command_of_the_stage_does_not_count(
    tmp_path: Path, recorded: str | None
) -> None:
    location = Work(tmp_path).dataset
    location.folder.mkdir()
    (location.folder / "manifest.json").write_text(json.dumps({"made": {"command": recorded}}))
    assert location.command == f"01_prepare.py --raw DIR --work {tmp_path}"


def test_artifact_paths_are_those_that_should_be_complete(tmp_path: Path) -> None:
    work = Work(tmp_path)
    expected = [
        work.raw_demo, work.dataset, work.cache(64), work.run("a", 0), work.run("a", "all-data"),
        work.probs("a", 0), work.ensemble("e"), work.decision("e-t"), work.submission("e-t"),
    ]  # fmt: skip
    for location in expected:
        location.folder.mkdir(parents=True)
    work.run("a", 1).partial.mkdir()
    (tmp_path / "dataset.removed").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "decisions" / "notes.txt").touch()
    assert sorted(layout.artifact_paths(tmp_path), key=str) == sorted(expected, key=str)


@pytest.mark.parametrize("stray", [".ipynb_checkpoints", "fold7.removed", ".nfs"])
def test_other_folders_beside_artifacts_do_not_count(tmp_path: Path, stray: str) -> None:
    """As left by notebooks, file systems, and a kill during --replace."""
    work = Work(tmp_path)
    work.run("a", 0).folder.mkdir(parents=True)
    for parent in (tmp_path / "runs", tmp_path / "runs/a", tmp_path / "cache"):
        (parent / stray / "fold3").mkdir(parents=True)
    assert layout.artifact_paths(tmp_path) == [work.run("a", 0)]
    assert work.trained_folds("a", None) == [0]


def test_the_folds_of_a_run_are_the_existing_or_the_requested_ones(tmp_path: Path) -> None:
    work = Work(tmp_path)
    for folder in (work.run("a", 1).partial, work.run("a", 0).folder, work.run("a", 0).partial):
        folder.mkdir(parents=True)
    work.run("a", "all-data").folder.mkdir()
    assert work.trained_folds("a", None) == ["all-data", 0, 1]
    assert work.trained_folds("a", ["3", "all-data"]) == [3, "all-data"]
    with pytest.raises(InputError, match="runs/b does not exist .*02_train"):
        work.trained_folds("b", None)


@pytest.mark.parametrize(
    "find", [layout.artifact_paths, lambda root: Work(root).trained_folds("a", None)],
    ids=["paths", "folds"],
)  # fmt: skip
def test_a_folder_that_cannot_be_listed_is_not_empty(
    open_work: Work, find: Callable[[Path], object], user
) -> None:
    run = open_work.run("a", 0).folder
    run.mkdir(parents=True)
    run.parent.chmod(0o311)  # may be entered, but not listed
    with user(), pytest.raises(PermissionError):
        find(open_work.root)


@pytest.mark.parametrize(("text", "fold"), [("0", 0), ("12", 12), ("all-data", "all-data")])
def test_a_fold_is_a_number_or_all_data(text: str, fold: layout.Fold) -> None:
    assert layout.parse_fold(text) == fold
    assert layout.parse_fold(layout.fold_name(fold).removeprefix("fold")) == fold


@pytest.mark.parametrize("text", ["", "-1", "1.0", "1e3", "one", "²", "9" * 5000, "x" * 5000])
def test_other_texts_are_refused_in_a_line(text: str) -> None:
    with pytest.raises(InputError, match="is not a fold: give numbers such as 0 1") as refused:
        layout.parse_fold(text)
    assert len(str(refused.value)) < 150


@pytest.mark.parametrize("name", ["demo", "r34_512", "a.noflip", "final-triplet", "lr1e-4+x", "0"])
def test_plain_names_pass(name: str) -> None:
    assert layout.check_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/b", "a\\b", "-x", ".hidden", "a b", "a\n", "a\0", "ä",
     "x.partial", "x.removed", "x" * 101],
)  # fmt: skip
def test_a_name_that_could_leave_its_folder_is_refused(name: str) -> None:
    for location in (lambda: WORK.run(name, 0), lambda: WORK.ensemble(name),
                  lambda: WORK.decision(name), lambda: WORK.submission(name),
                  lambda: WORK.probs(name, 0)):  # fmt: skip
        with pytest.raises(InputError, match="cannot be a name"):
            location()


@pytest.mark.parametrize(
    "image_id", ["ID_0011fe81e", "1.2.276.0.7230010.3.1.4.8323329.6904", "a-b", "_x", "x" * 128]
)
def test_plain_image_ids_pass(image_id: str) -> None:
    assert layout.check_image_id(image_id) == image_id


@pytest.mark.parametrize(
    "image_id",
    ["", ".", "..", "../../etc/passwd", "a/b", "a\\b", ".x", "a b", "a\n", "a\0b", "é", "x" * 129,
     "x" * 10_000],
)  # fmt: skip
def test_an_image_id_that_could_leave_its_folder_is_refused(image_id: str) -> None:
    with pytest.raises(InputError, match="cannot be a file name") as refused:
        layout.check_image_id(image_id)
    assert len(str(refused.value)) < 250
    assert len(str(refused.value).splitlines()) == 1
