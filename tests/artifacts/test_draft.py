"""Drafts: begun, killed, damaged, replaced, finished."""

import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from lib import artifacts, distributed
from lib.artifacts import CONFIG, JOURNAL, MANIFEST, STATE
from lib.errors import InputError
from lib.files import remove, write_bytes
from lib.layout import ArtifactPath, Work
from tests.artifacts.builders import RECIPE, files_under, make, unpublish


class TestMaking:
    def test_a_draft_begins_with_its_config(self, work: Work) -> None:
        draft = artifacts.begin(work.run("a", 0), RECIPE)
        assert [path.name for path in draft.folder.iterdir()] == [CONFIG]
        begun = json.loads((draft.folder / CONFIG).read_text())
        assert (begun["config"], begun["inputs"]) == (RECIPE, {})
        assert draft.folder.name == "fold0.partial"

    def test_a_finished_one_has_its_name_and_a_manifest(self, work: Work) -> None:
        dataset = make(work.dataset)
        run = make(work.run("a", 0), inputs=[dataset])
        assert not run.location.partial.exists()
        assert set(files_under(run.location.folder)) == {MANIFEST, "weights/a.pt", "history.csv"}
        manifest = json.loads((run.location.folder / MANIFEST).read_text())
        assert (manifest["kind"], manifest["format"]) == ("run", 3)
        assert manifest["config"] == RECIPE
        assert manifest["inputs"] == {"dataset": dataset.id}
        assert manifest["files"]["history.csv"]["size"] == 8
        assert manifest["made"]["device"] == "cpu"
        assert {"command", "commit", "libraries", "started", "seconds"} <= manifest["made"].keys()

    def test_a_complete_one_is_not_begun_again(self, work: Work) -> None:
        dataset = make(work.dataset)
        config = RECIPE | {"sizes": (64, 32)}  # JSON has lists only
        make(work.run("a", 0), config, inputs=[dataset])
        assert artifacts.begin(work.run("a", 0), config, [dataset]) is None

    def test_inputs_known_late_are_listed(self, work: Work) -> None:
        dataset = make(work.dataset)
        draft = artifacts.begin(work.ensemble("e"), {})
        assert draft.finish([dataset]).inputs == {"dataset": dataset.id}
        assert artifacts.begin(work.ensemble("e"), {}) is None

    def test_journal_and_temporary_files_are_gone_at_the_end(self, work: Work) -> None:
        draft = artifacts.begin(work.dataset, {})
        draft.journal.append([{"id": "a"}])
        (draft.folder / "images").mkdir()
        (draft.folder / "images" / "a.png.tmp").write_bytes(b"half")
        assert draft.journal.read() == [{"id": "a"}]
        assert draft.journal.path == draft.folder / JOURNAL
        dataset = draft.finish()
        assert set(dataset.files) == set()
        assert set(files_under(dataset.location.folder)) == {MANIFEST}


class TestIdentity:
    def test_the_same_work_has_the_same_id_whatever_the_circumstances(
        self, work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = make(work.run("a", 0))
        monkeypatch.setattr(sys, "argv", ["another", "command"])
        draft = artifacts.begin(Work(tmp_path / "elsewhere").run("a", 0), RECIPE)
        write_bytes(draft.path("log/times.csv"), b"slow")
        write_bytes(draft.path("weights/a.pt"), b"weights")
        write_bytes(draft.path("history.csv"), b"epoch\n0\n")
        again = draft.finish(device="cuda", threads=8)
        assert again.id == run.id
        assert again.manifest["made"]["command"] == "another command"
        assert "log/times.csv" not in again.files

    def test_other_work_has_another_id(self, work: Work) -> None:
        changes = [
            {}, {"config": RECIPE | {"limit": 5}}, {"content": b"other"},
            {"inputs": [make(work.dataset)]},
        ]  # fmt: skip
        ids = {make(work.run(f"run{n}", 0), **change).id for n, change in enumerate(changes)}
        assert len(ids) == len(changes)


class TestKilled:
    def test_half_way_the_next_process_continues(self, work: Work) -> None:
        draft = artifacts.begin(work.run("a", 0), RECIPE)
        write_bytes(draft.path("weights/a.pt"), b"weights")
        again = artifacts.begin(work.run("a", 0), RECIPE)
        assert again.path("weights/a.pt").read_bytes() == b"weights"

    def test_before_the_config_was_written_nothing_counts(self, work: Work) -> None:
        location = work.run("a", 0)
        write_bytes(location.partial / "config.json.tmp", b'{"conf')
        write_bytes(location.partial / "stray.bin", b"?")
        assert set(files_under(artifacts.begin(location, RECIPE).folder)) == {CONFIG}

    @pytest.mark.parametrize("removed", [(), (CONFIG,)], ids=["at-once", "then-config-removed"])
    def test_after_the_manifest_nothing_is_lost(self, work: Work, removed: tuple[str, ...]) -> None:
        run = make(work.run("a", 0))
        partial = unpublish(run)
        for name in removed:
            (partial / name).unlink()
        with pytest.raises(InputError, match="runs/a/fold0 is unfinished; run 02_train.py"):
            artifacts.read(run.location)
        assert artifacts.begin(run.location, RECIPE) is None
        assert artifacts.read(run.location).id == run.id

    def test_while_files_are_hashed_no_record_is_lost(self, work: Work) -> None:
        draft = artifacts.begin(work.dataset, {})
        draft.journal.append([{"id": "a"}])
        write_bytes(draft.path(STATE), b"epoch 3")
        write_bytes(draft.path("images.csv"), b"ImageId\n")
        broken = draft.path("images/a.png")
        broken.parent.mkdir()
        broken.symlink_to("gone")  # cannot be hashed
        with pytest.raises(FileNotFoundError):
            draft.finish()
        broken.unlink()
        again = artifacts.begin(work.dataset, {})
        assert again.journal.read() == [{"id": "a"}]
        assert again.path(STATE).read_bytes() == b"epoch 3"
        assert set(files_under(again.finish().location.folder)) == {MANIFEST, "images.csv"}

    def test_while_it_is_replaced_the_old_one_never_looks_complete(self, work: Work) -> None:
        location = work.run("a", 0)
        draft = artifacts.begin(location, RECIPE)
        (draft.folder / "maps").mkdir()
        for number in range(3000):
            (draft.folder / "maps" / f"{number}.png").touch()
        draft.finish()
        child = os.fork()
        if child == 0:
            try:
                artifacts.begin(location, RECIPE, replace=True).finish()
            finally:
                os._exit(0)
        end = time.monotonic() + 60
        with suppress(FileNotFoundError):
            while len(os.listdir(location.folder / "maps")) == 3000:
                assert time.monotonic() < end, "nothing is removed"
                time.sleep(0.001)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert artifacts.verify(work.root) == []
        make(location, RECIPE | {"limit": 3}, replace=True)
        assert [path.name for path in location.folder.parent.iterdir()] == ["fold0"]


class TestDamagedWhileUnfinished:
    """By a power cut, a full disk, or by hand."""

    @pytest.fixture
    def draft(self, work: Work) -> artifacts.Draft:
        """A training that was killed half-way."""
        draft = artifacts.begin(work.run("a", 0), RECIPE)
        write_bytes(draft.path(STATE), b"epoch 24 of 40")
        write_bytes(draft.path("weights/a.pt"), b"weights")
        draft.journal.append([{"id": "a"}])
        return draft

    @pytest.mark.parametrize("manifest", ["", "{}", "null", "{", "folder", "other", "pipe"])
    def test_a_manifest_that_does_not_fit_goes_and_the_work_continues(
        self, work: Work, draft: artifacts.Draft, manifest: str
    ) -> None:
        path = draft.path(MANIFEST)
        if manifest == "folder":
            (path / "x").mkdir(parents=True)
        elif manifest == "pipe":
            os.mkfifo(path)
        elif manifest == "other":  # intact, of other files
            path.write_bytes((make(work.run("b", 0)).location.folder / MANIFEST).read_bytes())
        else:
            path.write_text(manifest)
        again = artifacts.begin(work.run("a", 0), RECIPE)
        assert not os.path.lexists(path)
        assert again.path(STATE).read_bytes() == b"epoch 24 of 40"
        assert again.journal.read() == [{"id": "a"}]
        assert set(again.finish().files) == {"weights/a.pt"}

    def test_a_file_that_was_cut_after_the_manifest_is_not_published(self, work: Work) -> None:
        partial = unpublish(make(work.run("a", 0)))
        write_bytes(partial / STATE, b"epoch 24 of 40")
        (partial / "weights/a.pt").write_bytes(b"")
        again = artifacts.begin(work.run("a", 0), RECIPE)
        assert again.path(STATE).exists()
        assert not again.path(MANIFEST).exists()

    @pytest.mark.parametrize(
        "config", ["", "{}", "null", "[]", "{", '{"config": 1}', '{"config": {}, "inputs": null}']
    )
    def test_an_unreadable_config_is_a_line_with_the_cure(
        self, work: Work, draft: artifacts.Draft, config: str
    ) -> None:
        draft.path(CONFIG).write_text(config)
        with pytest.raises(
            InputError, match=r"^runs/a/fold0.partial/config.json is damaged; .* --replace$"
        ):
            artifacts.begin(work.run("a", 0), RECIPE)
        assert artifacts.begin(work.run("a", 0), RECIPE, replace=True)


class TestLinksAndFiles:
    """In the place of a folder."""

    @pytest.mark.parametrize("kind", ["link", "dangling", "loop", "file"])
    @pytest.mark.parametrize("name", ["64", "64.partial", "64.removed"])
    def test_replace_removes_it_and_not_what_it_leads_to(
        self, work: Work, kind: str, name: str
    ) -> None:
        elsewhere = make(Work(work.root / "elsewhere").cache(64)).location.folder
        make(work.cache(64))
        path = work.root / "cache" / name
        remove(path)
        if kind == "file":
            path.write_text("?")
        else:
            target = {"link": elsewhere, "dangling": work.root / "gone", "loop": path}[kind]
            path.symlink_to(target)
        cache = make(work.cache(64), replace=True)
        assert [path.name for path in cache.location.folder.parent.iterdir()] == ["64"]
        assert not cache.location.folder.is_symlink()
        assert set(files_under(elsewhere)) == {MANIFEST, "weights/a.pt", "history.csv"}

    @pytest.mark.parametrize("kind", ["dangling", "loop"])
    def test_a_link_to_nothing_is_refused_before_any_work(self, work: Work, kind: str) -> None:
        """The disk that it led to may come back."""
        path = work.cache(64).folder
        path.parent.mkdir()
        path.symlink_to(work.root / "gone" if kind == "dangling" else path)
        with pytest.raises(InputError, match="cache/64 is a link to nothing; .*--replace"):
            artifacts.begin(work.cache(64), {})
        assert not work.cache(64).partial.exists()

    def test_an_artifact_may_lie_elsewhere(self, work: Work, tmp_path: Path) -> None:
        cache = make(Work(tmp_path / "elsewhere").cache(64))
        work.cache(64).folder.parent.mkdir()
        work.cache(64).folder.symlink_to(cache.location.folder)
        assert artifacts.begin(work.cache(64), RECIPE) is None
        assert artifacts.read(work.cache(64)).id == cache.id


class TestReplace:
    def test_the_old_one_stays_until_the_new_one_is_complete(self, work: Work) -> None:
        old = make(work.run("a", 0))
        draft = artifacts.begin(old.location, {"limit": 1}, replace=True)
        assert artifacts.read(old.location).id == old.id
        new = draft.finish()
        assert artifacts.read(old.location).id == new.id != old.id

    @pytest.mark.parametrize("existing", [False, True], ids=["first", "again"])
    def test_the_same_command_goes_on_after_an_interruption(
        self, work: Work, existing: bool
    ) -> None:
        location = work.run("a", 0)
        if existing:
            make(location, content=b"old")
        draft = artifacts.begin(location, RECIPE, replace=True)
        write_bytes(draft.path("weights/a.pt"), b"epoch 1")
        again = artifacts.begin(location, RECIPE, replace=True)
        assert again.path("weights/a.pt").read_bytes() == b"epoch 1"
        assert again.finish().path("weights/a.pt").read_bytes() == b"epoch 1"

    @pytest.mark.parametrize(
        "begun", [{"config": RECIPE}, {"config": {"limit": 9}, "replace": True}],
        ids=["without-replace", "another-config"],
    )  # fmt: skip
    def test_an_unfinished_one_that_was_begun_otherwise_is_removed_once(
        self, work: Work, begun: dict
    ) -> None:
        draft = artifacts.begin(work.run("a", 0), **begun)
        write_bytes(draft.path("weights/a.pt"), b"other")
        anew = artifacts.begin(work.run("a", 0), RECIPE, replace=True)
        assert set(files_under(anew.folder)) == {CONFIG}

    @pytest.mark.parametrize("replace", [False, True])
    def test_after_a_kill_before_the_renaming_the_new_one_is_published(
        self, work: Work, replace: bool
    ) -> None:
        """The old one had been removed just before."""
        new = make(work.run("a", 0))
        unpublish(new)
        assert artifacts.begin(new.location, RECIPE, replace=replace) is None
        assert artifacts.read(new.location).id == new.id

    def test_a_command_keeps_those_that_it_finished_before_an_interruption(
        self, work: Work
    ) -> None:
        folds = [work.run("a", fold) for fold in range(3)]
        for location in folds:
            make(location, content=b"old")
        requests = [(location, RECIPE, ()) for location in folds]
        first = artifacts.begin_all(requests, replace=True)[0]
        write_bytes(first.path("weights/a.pt"), b"new")
        new = first.finish()
        assert [draft is None for draft in artifacts.begin_all(requests, replace=True)] == [
            True, False, False
        ]  # fmt: skip
        assert artifacts.read(folds[0]).id == new.id
        for draft in artifacts.begin_all(requests, replace=True)[1:]:
            draft.finish()
        assert all(artifacts.begin_all(requests, replace=True))

    def test_it_keeps_the_last_one_too_if_another_has_work(self, work: Work) -> None:
        """Folds that are made side by side end in any order."""
        folds = [work.run("a", fold) for fold in range(2)]
        for location in folds:
            make(location, content=b"old")
        requests = [(location, RECIPE, ()) for location in folds]
        first, last = artifacts.begin_all(requests, replace=True)
        write_bytes(last.path("weights/a.pt"), b"new")
        new = last.finish()
        write_bytes(first.path("weights/a.pt"), b"half")
        again = artifacts.begin_all(requests, replace=True)
        assert [draft is None for draft in again] == [False, True]
        assert again[0].path("weights/a.pt").read_bytes() == b"half"
        assert artifacts.read(folds[1]).id == new.id

    def test_a_refusal_of_one_begins_none(self, work: Work) -> None:
        make(work.run("a", 1), {"limit": 9})
        requests = [(work.run("a", fold), RECIPE, ()) for fold in range(2)]
        with pytest.raises(InputError, match="runs/a/fold1"):
            artifacts.begin_all(requests)
        assert [path.name for path in work.run("a", 0).folder.parent.iterdir()] == ["fold1"]

    def test_a_draft_that_is_given_up_stays_if_it_has_work(self, work: Work) -> None:
        drafts = artifacts.begin_all([(work.run("a", fold), RECIPE, ()) for fold in range(2)])
        write_bytes(drafts[1].path(STATE), b"epoch 1")
        for draft in drafts:
            draft.close()
        assert [path.name for path in drafts[0].folder.parent.iterdir()] == ["fold1.partial"]


class TestOtherConfigOrInputs:
    @pytest.mark.parametrize("finished", [True, False], ids=["finished", "unfinished"])
    def test_it_is_refused_and_named_and_replaced_if_asked_for(
        self, work: Work, finished: bool
    ) -> None:
        dataset = make(work.dataset)
        draft = artifacts.begin(work.run("a", 0), RECIPE, [dataset])
        write_bytes(draft.path("history.csv"), b"epoch\n0\n")
        if finished:
            draft.finish()
        with pytest.raises(
            InputError,
            match="^runs/a/fold0 was made with no --limit; asked for: --limit 9; .*02_.*--replace",
        ):
            artifacts.begin(work.run("a", 0), RECIPE | {"limit": 9}, [dataset])
        other = make(work.dataset, {"rle_size": 256}, replace=True)
        with pytest.raises(
            InputError,
            match="fold0 was made with another dataset, no --limit; asked for: --limit 9; give",
        ):
            artifacts.begin(work.run("a", 0), RECIPE | {"limit": 9}, [other])
        anew = artifacts.begin(work.run("a", 0), {"limit": 1}, replace=True)
        assert set(files_under(anew.folder)) == {CONFIG}

    @pytest.mark.parametrize(
        ("kind", "cure"),
        [
            (
                "dataset",
                "give another --work, or remake it alone: 01_prepare.py --raw DIR .*--replace",
            ),
            ("ensemble", "give another --name, or remake it alone: 04_ensemble.py --members RUN"),
            ("decision", "give another --tag, or remake it alone: 04_ensemble.py --members RUN"),
            ("submission", "asked for: --limit 9; remake it alone: 05_submit.py --decision"),
        ],
    )
    def test_the_flag_that_gives_another_one_is_named(
        self, tmp_path: Path, kind: str, cure: str
    ) -> None:
        location = ArtifactPath(tmp_path, "x", kind)
        make(location)
        with pytest.raises(InputError, match=cure):
            artifacts.begin(location, RECIPE | {"limit": 9})

    def test_what_remaking_it_would_outdate_is_named(self, work: Work) -> None:
        dataset = make(work.dataset)
        for fold in (0, 1):
            make(work.run("a", fold), inputs=[dataset])
        outdates = "which outdates runs/a/fold0, runs/a/fold1: 01_prepare.py .*--replace"
        with pytest.raises(InputError, match=outdates):
            artifacts.begin(work.dataset, RECIPE | {"limit": 9})

    def test_the_cure_is_the_command_that_was_refused(
        self, work: Work, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make(work.run("a", 1))
        command = "/a/02_train.py --recipe r --name a --set limit=9 --folds 0 1"
        monkeypatch.setattr("sys.argv", command.split())
        cure = f"alone: 02_train.py --recipe r --name a --set limit=9 --folds 1 .*{work.root}"
        with pytest.raises(InputError, match=f"{cure} --replace$"):
            artifacts.begin(work.run("a", 1), RECIPE | {"limit": 9})

    def test_a_draft_with_its_config_only_takes_another_config(self, work: Work) -> None:
        """As after a mistake that was noticed before any work was done."""
        artifacts.begin(work.run("a", 0), RECIPE)
        draft = artifacts.begin(work.run("a", 0), {"limit": 5})
        assert json.loads((draft.folder / CONFIG).read_text())["config"] == {"limit": 5}

    def test_it_keeps_the_others_if_one_failed_before_it_had_any_work(self, work: Work) -> None:
        """A GPU was busy, say: the same command makes this fold alone, as often as it takes."""
        folds = [work.run("a", fold) for fold in range(3)]
        for location in folds:
            make(location, content=b"old")
        requests = [(location, RECIPE, ()) for location in folds]
        with distributed.begin_artifacts(requests, replace=True) as drafts:
            for draft in (drafts[0], drafts[2]):
                write_bytes(draft.path("weights/a.pt"), b"new")
                draft.finish()
        new = [artifacts.read(folds[fold]).id for fold in (0, 2)]
        for _ in range(2):
            with distributed.begin_artifacts(requests, replace=True) as drafts:
                assert [draft is None for draft in drafts] == [True, False, True]
        assert [artifacts.read(folds[fold]).id for fold in (0, 2)] == new

    def test_a_command_that_made_nothing_leaves_nothing(self, work: Work) -> None:
        requests = [(work.run("a", fold), RECIPE, ()) for fold in range(2)]
        make(requests[0][0])
        with distributed.begin_artifacts(requests, replace=True):
            pass
        assert [path.name for path in requests[0][0].folder.parent.iterdir()] == ["fold0"]
