"""The artifact of a submission: its files, its lines of text, and the upload."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from lib import artifacts, csv_files, rle
from lib.errors import InputError
from lib.files import remove
from lib.layout import Work
from lib.submit import submission
from tests import fakes
from tests.submit.builders import BOX, BOX_CODE, NAME, RULE, prepare, read_page, submit


def exclude(work: Work, name: str, reason: str) -> None:
    """Remake dataset, ensemble and decision with a test image that could not be read."""
    frames = {
        path.name: csv_files.read(path, ("ImageId",)) for path in work.dataset.folder.glob("*.csv")
    }
    images = frames["images.csv"].assign(reason="")
    images.loc[images["ImageId"] == name, ["split", "reason"]] = ["excluded", reason]
    draft = artifacts.begin(work.dataset, {"rle_size": 16}, replace=True)
    assert draft
    for file, frame in (frames | {"images.csv": images}).items():
        csv_files.write(draft.path(file), frame)
    draft.finish()
    for location in (work.ensemble("final"), work.decision(NAME)):
        remove(location.folder)
    oof = {name: mask.astype(np.uint8) * 255 for name, mask in fakes.masks(12).items()}
    fakes.make_ensemble(work, "final", {"oof": oof, "test": {"t0": BOX, "t2": BOX}})
    fakes.make_decision(work, "final", RULE)


def test_the_file_has_a_row_for_each_id_of_the_sample_in_its_order(work: Work) -> None:
    prepare(work)
    artifact = submit(work)
    assert artifact.path("submission.csv").read_text() == (
        f"ImageId,EncodedPixels\nt2,{BOX_CODE}\nt1,-1\nt0,{BOX_CODE}\n"
    )
    assert set(artifact.inputs) == {f"decisions/{NAME}", "ensembles/final", "dataset"}


def test_an_excluded_image_has_an_empty_mask_and_is_named(work: Work) -> None:
    prepare(work)
    exclude(work, "t1", "unreadable: <b>")
    artifact = submit(work)
    summary = json.loads(artifact.path("summary.json").read_bytes())
    assert "\nt1,-1\n" in artifact.path("submission.csv").read_text()
    assert summary["without_map"] == {"t1": "unreadable: <b>"}
    assert summary["test"] == {"with_mask": 2, "images": 2}
    assert any("t1 (unreadable: <b>)" in line for line in submission.describe(artifact))
    assert "t1 (unreadable: &lt;b&gt;)" in read_page(artifact)


def test_an_error_of_the_encoder_is_found_before_the_artifact_is_finished(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(work)
    # The host's own encoder loses a run that reaches the last pixel.
    monkeypatch.setattr(rle, "encode", lambda mask: rle.EMPTY)
    with pytest.raises(InputError, match="line 2: t2 decodes to another mask"):
        submit(work)
    assert not work.submission(NAME).folder.exists()


class TestUpload:
    def install(self, folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
        folder.mkdir()
        (folder / "kaggle").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "kaggle").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def test_kaggle_gets_file_competition_and_message(self, tmp_path: Path, monkeypatch) -> None:
        self.install(tmp_path / "bin", 'for word in "$@"; do echo "[$word]"; done', monkeypatch)
        output = submission.upload(Path("a b.csv"), "siim", "final 123")
        assert output == "[competitions] [submit] [-c] [siim] [-f] [a b.csv] [-m] [final 123]"

    def test_an_error_of_kaggle_is_one_line(self, tmp_path: Path, monkeypatch) -> None:
        self.install(tmp_path / "bin", "echo '403 - Forbidden' >&2; exit 1", monkeypatch)
        with pytest.raises(InputError, match="kaggle refused a.csv: 403 - Forbidden"):
            submission.upload(Path("a.csv"), "siim", "x")

    def test_masks_of_another_frame_are_named_and_not_uploaded(
        self, tmp_path: Path, monkeypatch
    ) -> None:
        self.install(tmp_path / "bin", "exit 0", monkeypatch)
        submission.check_upload(1024)
        assert submission.describe_frame(1024) is None
        with pytest.raises(InputError, match=r"384x384 px.*--rle-size 1024"):
            submission.check_upload(384)
        assert "384x384" in submission.describe_frame(384)

    def test_without_the_command_the_cure_is_named(self, tmp_path: Path, monkeypatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(InputError, match="pip install kaggle, or leave --upload"):
            submission.upload(Path("a.csv"), "siim", "x")
