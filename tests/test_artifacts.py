"""Folders that are complete or do not count: killed, changed, damaged, replaced."""

import json
import os
import shutil
from pathlib import Path

import pytest

from lib import artifacts, provenance
from lib.artifacts import CONFIG, JOURNAL, MANIFEST, STATE, Artifact
from lib.artifacts import draft as drafts
from lib.artifacts import manifest as manifests
from lib.artifacts.__main__ import main
from lib.errors import InputError
from lib.files import remove, write_bytes
from lib.layout import ArtifactPath, Work

RECIPE = {"recipe": {"phases": [{"epochs": 3, "size": 64}], "seed": 42}, "limit": None}


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path)


def make(
    location: ArtifactPath, config=RECIPE, inputs=(), content: bytes = b"weights", **begin
) -> Artifact:
    draft = artifacts.begin(location, config, inputs, **begin)
    assert draft is not None
    write_bytes(draft.path("weights/a.pt"), content)
    write_bytes(draft.path("history.csv"), b"epoch\n0\n")
    return draft.finish(device="cpu")


def files_under(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


class TestMaking:
    def test_a_draft_begins_with_its_facts(self, work: Work) -> None:
        draft = artifacts.begin(work.run("a", 0), RECIPE)
        assert [path.name for path in draft.folder.iterdir()] == [CONFIG]
        assert json.loads((draft.folder / CONFIG).read_text()) == {"config": RECIPE, "inputs": {}}
        assert draft.folder.name == "fold0.partial"

    def test_a_finished_one_has_its_name_and_a_manifest(self, work: Work) -> None:
        dataset = make(work.dataset)
        made = make(work.run("a", 0), inputs=[dataset])
        assert not made.location.partial.exists()
        assert set(files_under(made.location.folder)) == {MANIFEST, "weights/a.pt", "history.csv"}
        manifest = json.loads((made.location.folder / MANIFEST).read_text())
        assert (manifest["kind"], manifest["format"]) == ("run", 2)
        assert manifest["config"] == RECIPE
        assert manifest["inputs"] == {"dataset": dataset.id}
        assert manifest["files"]["history.csv"]["size"] == 8
        assert manifest["made"]["device"] == "cpu"
        assert {"command", "commit", "libraries", "started", "seconds"} <= manifest["made"].keys()

    def test_it_is_read_back_as_it_was_made(self, work: Work) -> None:
        made = make(work.run("a", 0))
        read = artifacts.read(work.run("a", 0))
        assert read == made
        assert read.path("weights/a.pt").read_bytes() == b"weights"

    def test_a_file_that_is_not_listed_is_asked_for_in_vain(self, work: Work) -> None:
        with pytest.raises(InputError, match="runs/a/fold0 has no b.pt; remake it with 02_train"):
            make(work.run("a", 0)).path("b.pt")

    def test_done_already_is_none(self, work: Work) -> None:
        dataset = make(work.dataset)
        make(work.run("a", 0), inputs=[dataset])
        assert artifacts.begin(work.run("a", 0), RECIPE, [dataset]) is None

    def test_facts_may_be_tuples_as_json_knows_lists_only(self, work: Work) -> None:
        make(work.cache(64), {"sizes": (64, 32)})
        assert artifacts.begin(work.cache(64), {"sizes": (64, 32)}) is None

    def test_inputs_known_late_are_listed(self, work: Work) -> None:
        dataset = make(work.dataset)
        draft = artifacts.begin(work.ensemble("e"), {})
        assert draft.finish([dataset]).inputs == {"dataset": dataset.id}
        assert artifacts.begin(work.ensemble("e"), {}) is None

    def test_the_journal_and_files_left_aside_are_gone_at_the_end(self, work: Work) -> None:
        draft = artifacts.begin(work.dataset, {})
        draft.journal.append([{"id": "a"}])
        (draft.folder / "images").mkdir()
        (draft.folder / "images" / "a.png.tmp").write_bytes(b"half")
        assert draft.journal.read() == [{"id": "a"}]
        assert set(draft.finish().files) == set()


class TestIdentity:
    def test_the_same_work_has_the_same_id_whatever_the_circumstances(
        self, work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one = make(work.run("a", 0))
        monkeypatch.setattr(provenance, "_commit", lambda: "other")
        draft = artifacts.begin(Work(tmp_path / "elsewhere").run("a", 0), RECIPE)
        write_bytes(draft.path("log/times.csv"), b"slow")
        write_bytes(draft.path("weights/a.pt"), b"weights")
        write_bytes(draft.path("history.csv"), b"epoch\n0\n")
        two = draft.finish(device="cuda", threads=8)
        assert one.id == two.id
        assert one.manifest["made"] != two.manifest["made"]
        assert "log/times.csv" not in two.files

    @pytest.mark.parametrize(
        "other",
        [{"config": RECIPE | {"limit": 5}}, {"content": b"other weights"}],
        ids=["config", "content"],
    )
    def test_other_work_has_another_id(self, work: Work, other: dict) -> None:
        assert make(work.run("a", 0)).id != make(work.run("b", 0), **other).id

    def test_other_inputs_give_another_id(self, work: Work) -> None:
        with_input = make(work.run("a", 0), inputs=[make(work.dataset)])
        assert with_input.id != make(work.run("b", 0)).id


class TestKilled:
    def test_half_way_the_next_run_goes_on_with_what_is_there(self, work: Work) -> None:
        draft = artifacts.begin(work.run("a", 0), RECIPE)
        write_bytes(draft.path("weights/a.pt"), b"weights")
        again = artifacts.begin(work.run("a", 0), RECIPE)
        assert again.path("weights/a.pt").read_bytes() == b"weights"

    def test_before_the_facts_were_written_nothing_counts(self, work: Work) -> None:
        location = work.run("a", 0)
        write_bytes(location.partial / "config.json.tmp", b'{"fac')
        write_bytes(location.partial / "stray.bin", b"?")
        assert set(files_under(artifacts.begin(location, RECIPE).folder)) == {CONFIG}

    @pytest.mark.parametrize("moment", ["unlink", "replace"])
    def test_after_the_manifest_nothing_is_lost(
        self, work: Work, moment: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Killed once the manifest is written: before, then after, config.json is removed."""
        whole = make(work.run("whole", 0))
        with monkeypatch.context() as patch:
            if moment == "unlink":
                patch.setattr(drafts, "_publish", _killed)
            else:
                patch.setattr(os, "replace", _killed_at_the_folder(os.replace))
            with pytest.raises(KeyboardInterrupt):
                make(work.run("a", 0))
        with pytest.raises(InputError, match="runs/a/fold0 is unfinished; run 02_train.py"):
            artifacts.read(work.run("a", 0))
        assert artifacts.begin(work.run("a", 0), RECIPE) is None
        assert artifacts.read(work.run("a", 0)).id == whole.id

    def test_while_it_is_replaced_the_old_one_never_looks_complete(
        self, work: Work, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        location = make(work.run("a", 0)).location
        with monkeypatch.context() as patch:
            patch.setattr(shutil, "rmtree", _half_removed(shutil.rmtree))
            with pytest.raises(KeyboardInterrupt):
                artifacts.begin(location, RECIPE, replace=True)
        assert not location.folder.exists()
        assert artifacts.verify(work.root) == []
        make(location, RECIPE | {"limit": 3}, replace=True)
        assert [path.name for path in location.folder.parent.iterdir()] == ["fold0"]


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def _killed_at_the_folder(replace):
    return lambda source, target: (_killed if Path(source).is_dir() else replace)(source, target)


def _half_removed(rmtree):
    def remove(folder: Path) -> None:
        if (folder / MANIFEST).exists():
            (folder / "history.csv").unlink()
            raise KeyboardInterrupt
        rmtree(folder)

    return remove


class TestDamagedWhileUnfinished:
    """By a power cut, a full disk, or a hand."""

    @pytest.fixture
    def draft(self, work: Work) -> artifacts.Draft:
        """A training that was killed half-way, in its second process."""
        draft = artifacts.begin(work.run("a", 0), RECIPE)
        write_bytes(draft.path(STATE), b"epoch 24 of 40")
        write_bytes(draft.path("weights/a.pt"), b"weights")
        draft.journal.append([{"id": "a"}])
        return draft

    @pytest.mark.parametrize("manifest", ["", "{}", "null", "{", "folder", "other", "pipe"])
    def test_a_manifest_that_does_not_fit_goes_and_the_work_goes_on(
        self, work: Work, draft: artifacts.Draft, manifest: str
    ) -> None:
        path = draft.path(MANIFEST)
        if manifest == "folder":
            (path / "x").mkdir(parents=True)
        elif manifest == "pipe":
            os.mkfifo(path)
        elif manifest == "other":  # whole, of other files
            path.write_bytes((make(work.run("b", 0)).location.folder / MANIFEST).read_bytes())
        else:
            path.write_text(manifest)
        again = artifacts.begin(work.run("a", 0), RECIPE)
        assert not os.path.lexists(path)
        assert again.path(STATE).read_bytes() == b"epoch 24 of 40"
        assert again.journal.read() == [{"id": "a"}]
        assert set(again.finish().files) == {"weights/a.pt"}

    def test_nor_is_a_file_that_was_cut_after_the_manifest_published(
        self, work: Work, draft: artifacts.Draft, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(drafts, "_publish", _killed)
            with pytest.raises(KeyboardInterrupt):
                draft.finish()
        draft.path("weights/a.pt").write_bytes(b"")
        again = artifacts.begin(work.run("a", 0), RECIPE)
        assert again.path(STATE).exists()
        assert not again.path(MANIFEST).exists()

    @pytest.mark.parametrize(
        "config", ["", "{}", "null", "[]", "{", '{"config": 1}', '{"config": {}, "inputs": null}']
    )
    def test_facts_that_cannot_be_read_are_a_line_with_the_cure(
        self, work: Work, draft: artifacts.Draft, config: str
    ) -> None:
        draft.path(CONFIG).write_text(config)
        with pytest.raises(
            InputError, match=r"^runs/a/fold0.partial/config.json is damaged; .* --replace$"
        ):
            artifacts.begin(work.run("a", 0), RECIPE)
        assert artifacts.begin(work.run("a", 0), RECIPE, replace=True)


class TestLinksAndFiles:
    """Where a folder should be."""

    @pytest.mark.parametrize("what", ["link", "dangling", "loop", "file"])
    @pytest.mark.parametrize("name", ["64", "64.partial", "64.removed"])
    def test_replace_removes_it_and_not_what_it_leads_to(
        self, work: Work, what: str, name: str
    ) -> None:
        elsewhere = make(Work(work.root / "elsewhere").cache(64)).location.folder
        make(work.cache(64))
        path = work.root / "cache" / name
        remove(path)
        if what == "file":
            path.write_text("?")
        else:
            target = {"link": elsewhere, "dangling": work.root / "gone", "loop": path}[what]
            path.symlink_to(target)
        made = make(work.cache(64), replace=True)
        assert [path.name for path in made.location.folder.parent.iterdir()] == ["64"]
        assert not made.location.folder.is_symlink()
        assert set(files_under(elsewhere)) == {MANIFEST, "weights/a.pt", "history.csv"}

    @pytest.mark.parametrize("what", ["dangling", "loop"])
    def test_a_link_to_nothing_is_refused_before_any_work(self, work: Work, what: str) -> None:
        """The disk that it led to may come back."""
        path = work.cache(64).folder
        path.parent.mkdir()
        path.symlink_to(work.root / "gone" if what == "dangling" else path)
        with pytest.raises(InputError, match="cache/64 is a link to nothing; .*or --replace"):
            artifacts.begin(work.cache(64), {})
        assert not work.cache(64).partial.exists()

    def test_an_artifact_may_lie_elsewhere(self, work: Work, tmp_path: Path) -> None:
        made = make(Work(tmp_path / "elsewhere").cache(64))
        work.cache(64).folder.parent.mkdir()
        work.cache(64).folder.symlink_to(made.location.folder)
        assert artifacts.begin(work.cache(64), RECIPE) is None
        assert artifacts.read(work.cache(64)).id == made.id


def refuse_to_list(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The listing stands in for the disk: who runs the tests may read anywhere."""
    scandir = os.scandir

    def refuse(path):
        if Path(path) == folder:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)


class TestOtherFacts:
    @pytest.mark.parametrize("finished", [True, False], ids=["finished", "unfinished"])
    @pytest.mark.parametrize(
        ("config", "message"),
        [
            (RECIPE | {"limit": 9}, "limit = None, not 9"),
            (
                {"recipe": {"phases": [{"epochs": 5, "size": 64}], "seed": 42}, "limit": None},
                r"recipe\.phases\.0\.epochs = 3, not 5",
            ),
            ({"recipe": RECIPE["recipe"]}, "limit = None, not absent"),
            (RECIPE | {"new": []}, r"new = absent, not \[\]"),
            (RECIPE | {"limit": []}, r"limit = None, not \[\]"),
        ],
        ids=["value", "nested", "missing", "new-and-empty", "empty-for-none"],
    )
    def test_the_fact_that_differs_is_named_with_the_cures(
        self, work: Work, finished: bool, config: dict, message: str
    ) -> None:
        draft = artifacts.begin(work.run("a", 0), RECIPE)
        write_bytes(draft.path("history.csv"), b"epoch\n0\n")
        if finished:
            draft.finish()
        with pytest.raises(InputError, match=f"a/fold0 was made with {message}; .* or --replace"):
            artifacts.begin(work.run("a", 0), config)

    def test_facts_alone_bind_nobody(self, work: Work) -> None:
        """As after a mistake that was noticed before any work was done."""
        artifacts.begin(work.run("a", 0), RECIPE)
        draft = artifacts.begin(work.run("a", 0), {"limit": 5})
        assert json.loads((draft.folder / CONFIG).read_text())["config"] == {"limit": 5}

    @pytest.mark.parametrize("finished", [True, False], ids=["finished", "unfinished"])
    def test_so_is_the_input(self, work: Work, finished: bool) -> None:
        draft = artifacts.begin(work.run("a", 0), RECIPE, [make(work.dataset)])
        write_bytes(draft.path("history.csv"), b"epoch\n0\n")
        if finished:
            draft.finish()
        other = make(work.dataset, {"rle_size": 256}, replace=True)
        with pytest.raises(InputError, match="runs/a/fold0 was made from another dataset; choose"):
            artifacts.begin(work.run("a", 0), RECIPE, [other])

    @pytest.mark.parametrize("finished", [True, False], ids=["finished", "unfinished"])
    def test_replace_removes_and_begins_anew(self, work: Work, finished: bool) -> None:
        draft = artifacts.begin(work.run("a", 0), RECIPE)
        write_bytes(draft.path("weights/a.pt"), b"weights")
        if finished:
            draft.finish()
        anew = artifacts.begin(work.run("a", 0), {"limit": 1}, replace=True)
        assert not work.run("a", 0).folder.exists()
        assert set(files_under(anew.folder)) == {CONFIG}

    def test_replace_remakes_the_same_too(self, work: Work) -> None:
        made = make(work.run("a", 0))
        assert make(work.run("a", 0), replace=True).id == made.id


def flip(path: Path, position: int = -1) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(bytes(content))


class TestReading:
    def test_what_is_not_there_names_the_stage(self, work: Work) -> None:
        with pytest.raises(InputError, match="probs/a/fold0 is not there; run 03_infer.py"):
            artifacts.read(work.probs("a", 0))

    def test_what_is_unfinished_names_the_stage(self, work: Work) -> None:
        artifacts.begin(work.cache(64), {})
        with pytest.raises(
            InputError, match="cache/64 is unfinished; run 01_prepare.py --sizes 64"
        ):
            artifacts.read(work.cache(64))

    def test_another_kind_is_refused(self, work: Work) -> None:
        folder = make(work.ensemble("e")).location.folder
        work.decision("e").folder.parent.mkdir()
        os.replace(folder, work.decision("e").folder)
        with pytest.raises(InputError, match="is of kind ensemble, not decision; remake"):
            artifacts.read(work.decision("e"))

    def test_another_format_is_refused(self, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
        make(work.dataset)
        monkeypatch.setattr(manifests, "FORMAT", 3)
        with pytest.raises(InputError, match="has format 2; this version reads 3; remake"):
            artifacts.read(work.dataset)

    @pytest.mark.parametrize(
        "manifest", ["", "{", "[]", "null", "{}", '{"kind": "dataset"}', "\x00", "{'a': 1}"]
    )
    def test_a_damaged_manifest_is_refused(self, work: Work, manifest: str) -> None:
        (make(work.dataset).location.folder / MANIFEST).write_text(manifest)
        with pytest.raises(
            InputError, match=r"damaged or missing manifest.json; remake it with 01"
        ):
            artifacts.read(work.dataset)

    def test_a_missing_manifest_is_refused(self, work: Work) -> None:
        (make(work.dataset).location.folder / MANIFEST).unlink()
        with pytest.raises(InputError, match="damaged or missing manifest.json"):
            artifacts.read(work.dataset)

    @pytest.mark.parametrize("key", ["config", "made", "id"])
    def test_a_manifest_changed_by_hand_is_refused(self, work: Work, key: str) -> None:
        path = make(work.dataset).location.folder / MANIFEST
        manifest = json.loads(path.read_text())
        manifest[key] = "0" * 64 if key == "id" else manifest[key] | {"limit": 7}
        path.write_text(json.dumps(manifest))
        with pytest.raises(InputError, match="damaged or was changed by hand"):
            artifacts.read(work.dataset)

    def test_missing_added_and_cut_files_are_named(self, work: Work) -> None:
        folder = make(work.run("a", 0)).location.folder
        (folder / "weights" / "a.pt").write_bytes(b"weigh")
        with pytest.raises(InputError, match=r"is damaged: weights/a.pt has 5 bytes"):
            artifacts.read(work.run("a", 0))
        (folder / "weights" / "a.pt").unlink()
        with pytest.raises(InputError, match=r"lacks weights/a.pt"):
            artifacts.read(work.run("a", 0))
        (folder / "weights" / "a.pt").write_bytes(b"weights")
        (folder / "b.pt").touch()
        with pytest.raises(InputError, match=r"holds b.pt, which its manifest does not list"):
            artifacts.read(work.run("a", 0))

    def test_a_file_with_another_byte_is_refused_when_it_is_opened(self, work: Work) -> None:
        made = make(work.run("a", 0))
        (made.location.folder / "weights/a.pt").write_bytes(b"weightS")
        read = artifacts.read(work.run("a", 0))  # sizes fit, and hashing all would take minutes
        with pytest.raises(InputError, match=r"a.pt is damaged.*remake it with 02_train.py"):
            read.path("weights/a.pt")

    @pytest.mark.parametrize("what", ["dangling", "loop", "pipe"])
    def test_what_is_no_file_lacks(self, work: Work, what: str) -> None:
        path = make(work.run("a", 0)).location.folder / "weights" / "a.pt"
        path.unlink()
        if what == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to(work.root / "gone" if what == "dangling" else path)
        with pytest.raises(InputError, match=r"lacks weights/a.pt; remake"):
            artifacts.read(work.run("a", 0))

    def test_a_folder_that_may_not_be_listed_lacks_nothing(
        self, work: Work, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whose cure would remove days of work."""
        made = make(work.run("a", 0))
        refuse_to_list(made.location.folder / "weights", monkeypatch)
        with pytest.raises(PermissionError):
            artifacts.read(work.run("a", 0))

    def test_the_log_may_grow(self, work: Work) -> None:
        made = make(work.run("a", 0))
        write_bytes(made.location.folder / "log" / "times.csv", b"late")
        assert artifacts.read(work.run("a", 0)).id == made.id


class TestVerify:
    @pytest.fixture
    def chain(self, work: Work) -> Work:
        dataset = make(work.dataset)
        run = make(work.run("a", 0), inputs=[dataset])
        make(work.probs("a", 0), inputs=[dataset, run])
        artifacts.begin(work.run("a", 1), RECIPE)
        return work

    def test_a_whole_chain_has_no_fault_and_unfinished_ones_do_not_count(self, chain) -> None:
        assert artifacts.verify(chain.root) == []

    def test_an_empty_folder_has_no_fault(self, tmp_path: Path) -> None:
        assert artifacts.verify(tmp_path) == []

    def test_every_byte_counts(self, chain: Work) -> None:
        folder = chain.run("a", 0).folder
        for name, content in files_under(folder).items():
            for position in range(0, len(content), 7):
                flip(folder / name, position)
                faults = artifacts.verify(chain.root)
                assert any("runs/a/fold0" in fault for fault in faults), (name, position)
                flip(folder / name, position)
        assert artifacts.verify(chain.root) == []

    def test_the_damaged_file_is_named_with_the_stage(self, chain: Work) -> None:
        flip(chain.run("a", 0).folder / "weights" / "a.pt")
        (fault,) = artifacts.verify(chain.root)
        assert fault.startswith("runs/a/fold0/weights/a.pt is damaged")
        assert fault.endswith("remake it with 02_train.py --replace")

    def test_a_lost_manifest_is_found(self, chain: Work) -> None:
        (chain.probs("a", 0).folder / MANIFEST).unlink()
        (fault,) = artifacts.verify(chain.root)
        assert fault.startswith("probs/a/fold0 has a damaged or missing manifest.json")

    @pytest.mark.parametrize("what", ["folder", "loop", "pipe"])
    def test_a_manifest_that_is_no_file_is_found_beside_the_other_faults(
        self, chain: Work, what: str
    ) -> None:
        manifest = chain.dataset.folder / MANIFEST
        manifest.unlink()
        if what == "folder":
            manifest.mkdir()
        elif what == "loop":
            manifest.symlink_to(manifest)
        else:
            os.mkfifo(manifest)
        flip(chain.run("a", 0).folder / "history.csv")
        first, second = artifacts.verify(chain.root)
        assert first.startswith("dataset has a damaged or missing manifest.json; remake it with 01")
        assert second.startswith("runs/a/fold0/history.csv is damaged")

    def test_what_may_not_be_read_is_a_fault_among_the_others(
        self, chain: Work, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        flip(chain.probs("a", 0).folder / "history.csv")
        refuse_to_list(chain.run("a", 0).folder / "weights", monkeypatch)
        first, second = artifacts.verify(chain.root)
        weights = chain.run("a", 0).folder / "weights"
        assert first == f"runs/a/fold0 cannot be checked: Permission denied: {weights}; mend that"
        assert second.startswith("probs/a/fold0/history.csv is damaged")

    def test_a_chain_that_does_not_fit_is_found(self, chain: Work) -> None:
        make(chain.run("a", 0), RECIPE | {"limit": 2}, replace=True)
        faults = artifacts.verify(chain.root)
        assert faults == [
            "probs/a/fold0 was made from another runs/a/fold0 than the one here; "
            "remake it with 03_infer.py --replace"
        ]

    def test_inputs_made_elsewhere_may_lack(self, chain: Work) -> None:
        os.replace(chain.dataset.folder, chain.root / "gone.removed")
        assert artifacts.verify(chain.root) == []

    def test_the_command_says_that_all_is_well_or_every_fault(
        self, chain: Work, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
    ) -> None:
        monkeypatch.setattr("sys.argv", ["artifacts", "verify", str(chain.root)])
        main()
        assert "3 artifacts, each whole" in capsys.readouterr().out
        flip(chain.run("a", 0).folder / "history.csv")
        flip(chain.dataset.folder / "history.csv")
        with pytest.raises(InputError, match=r"(?s)dataset/history.csv.*\nerror: runs/a/fold0/his"):
            main()

    def test_the_command_refuses_what_is_no_folder(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.argv", ["artifacts", "verify", "nowhere"])
        with pytest.raises(InputError, match="nowhere is not a folder"):
            main()

    def test_the_command_refuses_a_folder_without_artifacts(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A typing error must not end as `all is well`."""
        monkeypatch.setattr("sys.argv", ["artifacts", "verify", str(tmp_path)])
        with pytest.raises(InputError, match="has no artifact; give the folder of --work"):
            main()


def test_a_journal_is_no_file_of_the_artifact(work: Work) -> None:
    draft = artifacts.begin(work.dataset, {})
    draft.journal.append([{"id": "a"}])
    assert draft.journal.path == draft.folder / JOURNAL
    assert JOURNAL not in draft.finish().files


def test_a_kill_while_files_are_hashed_loses_no_record(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = artifacts.begin(work.dataset, {})
    draft.journal.append([{"id": "a"}])
    write_bytes(draft.path(STATE), b"epoch 3")
    write_bytes(draft.path("images.csv"), b"ImageId\n")
    with monkeypatch.context() as patch:
        patch.setattr(manifests, "stamp", _killed)
        with pytest.raises(KeyboardInterrupt):
            draft.finish()
    again = artifacts.begin(work.dataset, {})
    assert again.journal.read() == [{"id": "a"}]
    assert again.path(STATE).read_bytes() == b"epoch 3"
    made = again.finish()
    assert set(files_under(made.location.folder)) == {MANIFEST, "images.csv"}
