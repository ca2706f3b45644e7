"""Stage 05: the artifact of a submission, on maps of 16 x 16 pixels made by hand."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lib import artifacts, csv_files, images, rle
from lib.artifacts import Artifact
from lib.decision.rules import ThresholdRule, to_json
from lib.errors import InputError
from lib.files import remove, write_json
from lib.layout import Work, mask_file
from lib.submit import inputs, masks, positive_rate, submission, upload
from lib.submit.positive_rate import Proportion
from tests import fakes

ROOT = Path(__file__).resolve().parents[1]
BOX = np.zeros((16, 16), np.uint8)
BOX[2:6, 3:5] = 255
NOTHING = np.zeros((16, 16), np.uint8)
BOX_CODE = "50 4 12 4"  # rows 2 to 5 of columns 3 and 4: 3 * 16 + 2, then 12 to the next
RULE = ThresholdRule(top=0.5, min_area=3, bottom=0.3)
TEST = ("t0", "t1", "t2")


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path / "work")


def prepare(
    work: Work, test: dict[str, np.ndarray] | None = None, rule: ThresholdRule = RULE, **classes
):
    """A dataset of 12 labelled and 3 test images, maps that equal the truth, and a decision."""
    truth = fakes.masks(12)
    fakes.make_dataset(work, truth, TEST)
    oof = {name: mask.astype(np.uint8) * 255 for name, mask in truth.items()}
    test = {"t0": BOX, "t1": NOTHING, "t2": BOX} if test is None else test
    fakes.make_ensemble(work, "final", {"oof": oof, "test": test}, **classes)
    fakes.make_decision(work, "final", rule)
    return inputs.read(work, "final-params")


def make(work: Work, truth: Path | None = None) -> Artifact:
    made_from = inputs.read(work, "final-params")
    location = work.submission("final-params")
    draft = artifacts.begin(location, submission.config(location, truth, False), made_from.inputs)
    return submission.fill(draft, made_from, truth) if draft else artifacts.read(location)


def decide(
    work: Work,
    rule: ThresholdRule,
    classes: Mapping[str, float] | None = None,
    voted: Mapping[str, np.ndarray] | None = None,
    **stated: object,
) -> None:
    """Take the decision anew: with the image probabilities of a gate, or with voted masks."""
    made_from = inputs.read(work, "final-params")
    decided = made_from.decided | to_json(rule) | stated
    location = made_from.decision.location
    draft = artifacts.begin(location, {"rule": "x"}, made_from.inputs[1:], replace=True)
    if classes:
        table = pd.DataFrame(sorted(classes.items()), columns=["ImageId", "p"])
        csv_files.write(draft.path("class.csv"), table)
    if voted:
        decided["test_rule"] = "vote"
    for name, mask in (voted or {}).items():
        images.write_png(draft.path(mask_file(name)), mask)
    write_json(draft.path("decision.json"), decided)
    draft.path("surface.png").touch()
    draft.finish()


def summary(made: Artifact) -> dict:
    return json.loads(made.path("summary.json").read_text())


def exclude_from_test(work: Work, name: str, reason: str) -> None:
    """Remake the dataset so that a test image is excluded, as one that cannot be read is."""
    tables_of = work.dataset.folder
    frames = {path.name: csv_files.read(path, ("ImageId",)) for path in tables_of.glob("*.csv")}
    frame = frames["images.csv"].assign(reason="")
    frame.loc[frame["ImageId"] == name, ["split", "reason"]] = ["excluded", reason]
    frames["images.csv"] = frame
    draft = artifacts.begin(work.dataset, {"rle_size": 16}, replace=True)
    for file, content in frames.items():
        csv_files.write(draft.path(file), content)
    draft.finish()


class TestFile:
    def test_it_has_a_row_for_each_id_of_the_sample_in_its_order(self, work: Work) -> None:
        prepare(work)
        assert make(work).path("submission.csv").read_text() == (
            f"ImageId,EncodedPixels\nt2,{BOX_CODE}\nt1,-1\nt0,{BOX_CODE}\n"
        )

    def test_its_inputs_are_decision_ensemble_and_dataset(self, work: Work) -> None:
        prepare(work)
        assert set(make(work).inputs) == {"decisions/final-params", "ensembles/final", "dataset"}

    def test_the_same_work_has_the_same_id(self, work: Work, tmp_path: Path) -> None:
        other = Work(tmp_path / "elsewhere")
        prepare(work)
        prepare(other)
        assert make(work).id == make(other).id

    def test_the_rule_is_the_decision_s(self, work: Work) -> None:
        faint = np.where(BOX, 100, 0).astype(np.uint8)  # .39: above the bottom, below the top
        few = faint.copy()
        few[2:4, 3] = 255  # 2 px above the top, and 3 are asked for
        enough = few.copy()
        enough[4, 3] = 255
        prepare(work, {"t0": faint, "t1": few, "t2": enough})
        frame = csv_files.read_rles(make(work).path("submission.csv"))
        assert dict(zip(frame["ImageId"], frame["EncodedPixels"], strict=True)) == {
            "t0": "-1", "t1": "-1", "t2": BOX_CODE,
        }  # fmt: skip

    def test_the_image_probability_is_used_where_the_rule_asks_for_it(self, work: Work) -> None:
        names = [*fakes.masks(12), *TEST]
        classes = {name: 0.2 if name == "t2" else 0.9 for name in names}
        prepare(work, rule=ThresholdRule(class_min=0.5), classes=classes)
        rows = {row.image_id: row.code for row in masks.predict(inputs.read(work, "final-params"))}
        assert rows == {"t0": BOX_CODE, "t1": "-1", "t2": "-1"}

    def test_the_image_probability_of_a_fitted_gate_goes_first(self, work: Work) -> None:
        names = [*fakes.masks(12), *TEST]
        prepare(work, classes=dict.fromkeys(names, 0.9))
        fitted = {name: 0.2 if name == "t2" else 0.9 for name in names}
        decide(work, ThresholdRule(class_min=0.5), classes=fitted)
        rows = {row.image_id: row.code for row in masks.predict(inputs.read(work, "final-params"))}
        assert rows == {"t0": BOX_CODE, "t1": "-1", "t2": "-1"}

    def test_masks_that_were_voted_on_are_taken_as_they_are(self, work: Work) -> None:
        prepare(work)
        tall = NOTHING.copy()
        tall[:, 0] = 255
        decide(work, RULE, voted={"t0": NOTHING, "t1": tall, "t2": BOX})
        rows = {row.image_id: row.code for row in masks.predict(inputs.read(work, "final-params"))}
        assert rows == {"t0": "-1", "t1": "0 16", "t2": BOX_CODE}

    def test_a_map_of_another_size_is_refused(self, work: Work) -> None:
        prepare(work, dict.fromkeys(TEST, BOX[:8, :8]))
        with pytest.raises(InputError, match="t2.png is not 16x16, the RLE frame; remake"):
            make(work)

    def test_more_images_than_one_process_takes_at_once_keep_their_order(self, work: Work) -> None:
        names = [f"t{number:02}" for number in range(40)]
        fakes.make_dataset(work, {}, names)
        maps = {name: BOX if number % 3 else NOTHING for number, name in enumerate(names)}
        fakes.make_ensemble(work, "final", {"test": maps})
        fakes.make_decision(work, "final", RULE)
        rows = list(masks.predict(inputs.read(work, "final-params")))
        assert [row.image_id for row in rows] == names[::-1]
        assert {row.image_id for row in rows if row.area} == {n for n in names if maps[n] is BOX}


class TestNothingSilent:
    def test_an_excluded_image_goes_in_as_empty_and_is_named(self, work: Work) -> None:
        prepare(work)
        exclude_from_test(work, "t1", "unreadable: <b>")
        truth = fakes.masks(12)
        oof = {name: mask.astype(np.uint8) * 255 for name, mask in truth.items()}
        for location in (work.ensemble("final"), work.decision("final-params")):
            remove(location.folder)
        fakes.make_ensemble(work, "final", {"oof": oof, "test": {"t0": BOX, "t2": BOX}})
        fakes.make_decision(work, "final", RULE)
        made = make(work)
        assert "\nt1,-1\n" in made.path("submission.csv").read_text()
        assert summary(made)["without_map"] == {"t1": "unreadable: <b>"}
        assert summary(made)["test"] == {"with_mask": 2, "images": 2}
        (line,) = (line for line in submission.describe(made) if "without a map" in line)
        assert "warning: 1 without a map go in as empty: t1 (unreadable: <b>)" in line
        assert "t1 (unreadable: &lt;b&gt;)" in made.path("report.html").read_text()

    def test_a_map_that_should_be_there_is_an_error(self, work: Work) -> None:
        prepare(work, {"t0": BOX, "t2": BOX})
        with pytest.raises(InputError, match="ensembles/final lacks the map of test image t1"):
            make(work)
        assert not work.submission("final-params").folder.exists()

    def test_a_voted_mask_that_should_be_there_is_an_error(self, work: Work) -> None:
        prepare(work)
        decide(work, RULE, voted={"t0": BOX, "t2": BOX})
        with pytest.raises(
            InputError, match="decisions/final-params lacks the map of test im.* t1"
        ):
            make(work)

    def test_a_fault_of_the_encoder_does_not_get_out(
        self, work: Work, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        prepare(work)
        # The host's own encoder loses a run that reaches the last pixel.
        monkeypatch.setattr(rle, "encode", lambda mask: rle.EMPTY)
        with pytest.raises(InputError, match="line 2: t2 decodes to another mask"):
            make(work)
        assert not work.submission("final-params").folder.exists()

    def test_an_ensemble_that_was_remade_is_refused(self, work: Work) -> None:
        prepare(work)
        remove(work.ensemble("final").folder)
        fakes.make_ensemble(work, "final", {"test": {"t0": BOX, "t1": BOX, "t2": BOX}})
        with pytest.raises(InputError, match="decisions/final-params was made from another ensem"):
            inputs.read(work, "final-params")

    def test_a_decision_that_states_another_score_than_its_maps_give_is_refused(
        self, work: Work
    ) -> None:
        prepare(work)
        decide(work, RULE, oof_dice=0.5)
        with pytest.raises(InputError, match="states an out-of-fold Dice of 0.5.*give 1.0"):
            make(work)

    def test_gates_components_and_holes_are_in_the_score_that_is_compared(self, work: Work) -> None:
        # Truth 8 px; found with a hole of 1 and a part of 2: 14 + 2 px. Negatives get the parts.
        ring = BOX.copy()
        ring[2:7, 3:6] = 255
        ring[4, 4] = 0
        parts = NOTHING.copy()
        parts[12, 3:5] = 255
        truth = {name: BOX > 0 if name < "b" else BOX > 255 for name in ("a1", "a2", "b1", "b2")}
        fakes.make_dataset(work, truth, TEST)
        maps = {name: ring | parts if mask.any() else parts for name, mask in truth.items()}
        maps["b2"] = BOX
        test = dict.fromkeys(TEST, ring | parts)
        fakes.make_ensemble(work, "final", {"oof": maps, "test": test})
        fakes.make_decision(work, "final", RULE)
        classes = dict.fromkeys([*truth, *TEST], 0.9) | {"a2": 0.1, "b2": 0.1}
        rule = ThresholdRule(component_min_area=3, fill_holes=True, class_min=0.5)
        # a1: 2 * 8 / (8 + 15); a2 is gated away; b1 has small parts alone; b2 is gated away.
        decide(work, rule, classes, oof_dice=(16 / 23 + 0 + 1 + 1) / 4)
        made = make(work)
        filled = "50 5 11 5 11 5"  # rows 2 to 6 of columns 3 to 5
        assert made.path("submission.csv").read_text().count(filled) == len(TEST)
        assert summary(made)["oof"] == {"with_mask": 1, "images": 4}

    def test_a_dataset_without_test_images_is_refused(self, work: Work) -> None:
        fakes.make_dataset(work, test=())
        fakes.make_ensemble(work, "final", {"oof": {}})
        fakes.make_decision(work, "final", RULE)
        with pytest.raises(InputError, match="no test images, so there is nothing to submit"):
            inputs.read(work, "final-params")

    def test_a_decision_that_is_not_there_names_the_stage(self, work: Work) -> None:
        with pytest.raises(InputError, match="decisions/x-y is not there; run 04_ensemble.py"):
            inputs.read(work, "x-y")


class TestShares:
    def test_equal_shares_raise_no_warning(self) -> None:
        assert positive_rate.warnings(Proportion(22, 100), Proportion(220, 1000)) == []

    def test_two_standard_errors_are_the_limit(self) -> None:
        # Of 100 and 100 with 20 and 32: pooled .26, standard error .0620, twice that .124
        one = positive_rate.warnings(Proportion(20, 100), Proportion(32, 100))
        other = positive_rate.warnings(Proportion(20, 100), Proportion(33, 100))
        assert [len(one), len(other)] == [0, 1]
        assert positive_rate.standard_error(
            Proportion(20, 100), Proportion(32, 100)
        ) == pytest.approx(0.06203, 1e-3)
        assert "a mask in 20 of 100 (20.0 %) of the test images, in 33 of 100" in other[0]

    @pytest.mark.parametrize(("part", "warned"), [(0, 1), (120, 1), (215, 0), (195, 0), (300, 1)])
    def test_far_from_the_prior_of_the_competition_is_a_warning(self, part, warned) -> None:
        said = positive_rate.warnings(Proportion(part, 1000), None)
        assert len(said) == warned
        assert all("21 to 22 % are positive" in warning for warning in said)

    def test_without_a_map_nothing_is_compared(self) -> None:
        assert positive_rate.warnings(Proportion(0, 0), Proportion(5, 10)) == []


class TestUpload:
    def install(self, folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
        folder.mkdir()
        (folder / "kaggle").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "kaggle").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def test_it_hands_over_file_competition_and_message(self, tmp_path: Path, monkeypatch) -> None:
        self.install(tmp_path / "bin", 'for word in "$@"; do echo "[$word]"; done', monkeypatch)
        said = upload.to_kaggle(Path("a b.csv"), "siim", "final 123")
        assert said == "[competitions] [submit] [-c] [siim] [-f] [a b.csv] [-m] [final 123]"

    def test_a_refusal_is_one_line(self, tmp_path: Path, monkeypatch) -> None:
        self.install(tmp_path / "bin", "echo '403 - Forbidden' >&2; exit 1", monkeypatch)
        with pytest.raises(InputError, match="kaggle refused a.csv: 403 - Forbidden"):
            upload.to_kaggle(Path("a.csv"), "siim", "x")

    def test_without_the_command_the_cure_is_named(self, tmp_path: Path, monkeypatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(InputError, match="kaggle command is not installed; pip install kaggle"):
            upload.to_kaggle(Path("a.csv"), "siim", "x")


def run_stage(work: Work, *words: str | Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "05_submit.py", "--work", str(work.root), "--decision"]
    words = ("final-params", *map(str, words))
    return subprocess.run([*command, *words], cwd=ROOT, capture_output=True, text=True)


class TestStage:
    @pytest.fixture
    def truth(self, tmp_path: Path) -> Path:
        path = tmp_path / "truth.csv"
        rows = [("t0", BOX_CODE), ("t1", BOX_CODE), ("t2", "-1")]  # found, missed, false alarm
        csv_files.write(path, pd.DataFrame(rows, columns=list(csv_files.RLE_COLUMNS)))
        return path

    def test_it_makes_once_then_is_up_to_date(self, work: Work) -> None:
        prepare(work)
        first, second = run_stage(work), run_stage(work)
        assert (first.returncode, second.returncode) == (0, 0), first.stderr
        assert "3 rows, a mask in 2 of 3 (66.7 %); out of fold in 4 of 12 (33.3 %)" in first.stdout
        assert first.stdout.splitlines()[-1].startswith("checked -> ")
        assert second.stdout.splitlines()[-1].startswith("up to date -> ")

    def test_a_truth_is_scored_now_or_later(self, work: Work, truth: Path) -> None:
        prepare(work)
        first = run_stage(work, "--truth", truth)
        identity = artifacts.read(work.submission("final-params")).id
        again = run_stage(work)
        later = run_stage(work, "--truth", truth)
        assert [done.returncode for done in (first, again, later)] == [0, 0, 0], later.stderr
        for done in (first, later):
            assert "Dice 0.3333 (95 % interval 0.0000 to 1.0000) on 3 images" in done.stdout
            assert "all empty 0.3333" in done.stdout
        assert artifacts.read(work.submission("final-params")).id == identity

    def test_a_truth_that_comes_later_changes_nothing(self, work: Work, truth: Path) -> None:
        prepare(work)
        made = make(work)
        later = run_stage(work, "--truth", truth)
        assert later.returncode == 0, later.stderr
        assert "Dice 0.3333" in later.stdout
        assert artifacts.read(work.submission("final-params")).id == made.id

    def test_a_truth_of_other_images_is_refused(self, work: Work, truth: Path) -> None:
        prepare(work)
        truth.write_text("ImageId,EncodedPixels\nx,-1\ny,-1\n")
        done = run_stage(work, "--truth", truth)
        assert done.returncode == 2
        assert done.stderr == (
            f"error: {truth} has no test image of dataset, such as t2; give their truth\n"
        )
        assert not work.submission("final-params").folder.exists()

    def test_a_bad_truth_is_refused_before_anything_is_written(self, work: Work, truth) -> None:
        prepare(work)
        truth.write_text("ImageId,EncodedPixels\nt0,300 1\n")
        done = run_stage(work, "--truth", truth)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"error: {truth}, line 2: RLE runs past 16x16")
        assert not (work.root / "submissions").exists()

    def test_a_decision_without_labels_works_too(self, work: Work) -> None:
        fakes.make_dataset(work, {}, TEST)
        fakes.make_ensemble(work, "final", {"test": dict.fromkeys(TEST, BOX)})
        fakes.make_decision(work, "final", RULE)
        done = run_stage(work)
        assert done.returncode == 0, done.stderr
        assert "3 rows, a mask in 3 of 3 (100.0 %); the competition's prior is" in done.stdout

    def test_a_name_that_leaves_the_folder_is_refused(self, work: Work) -> None:
        command = [sys.executable, "05_submit.py", "--work", work.root, "--decision", "../x"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 2
        assert done.stderr == "error: '../x' cannot be a name: use letters, digits, _ . + and -\n"
