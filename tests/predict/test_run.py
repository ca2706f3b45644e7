"""Predicted masks are those of a submission; resuming, bad files, batches, other sizes."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from lib import images, rle
from lib.layout import Work
from lib.predict import from_work, outputs, run
from lib.predict.files import ImageFile
from lib.predict.run import PredictionJob
from lib.submit import inputs, masks
from tests.predict import builders
from tests.predict.builders import TEST, decide_by
from tests.tiny_runs import CPU

GATES = [
    pytest.param({}, id="members"),
    pytest.param({"gate": ["b", "a"]}, id="mean-of-gates"),
    pytest.param({"gate": ["b"], "gate_fit": "stack"}, id="stacked-gate"),
]


def begin(work: Work, name: str, out: Path, files: Sequence[ImageFile]) -> PredictionJob:
    system = from_work.load(work, name)
    outputs.begin(out, system).release()
    return PredictionJob(files, system, out, CPU, workers=2)


def read_masks(out: Path, names: Sequence[str] = TEST) -> dict[str, np.ndarray]:
    paths = {name: out / outputs.output_file("masks", f"{name}.png") for name in names}
    return {name: images.read_png(path) > 0 for name, path in paths.items()}


@pytest.mark.parametrize("gate", GATES)
def test_masks_are_those_of_the_submission(
    trained: Work, tmp_path: Path, gate: dict, request: pytest.FixtureRequest
) -> None:
    # Thresholds in the midst of the values and of p(positive): one level changes the mask.
    case = request.node.callspec.id
    probe = inputs.read(trained, decide_by(trained, f"{case}0", params=["class_min=0"], **gate))
    middle = np.median([images.read_png(probe.test_map(name)) for name in TEST]) / 255
    class_min = np.mean([probe.p_positive[name] for name in TEST])
    for number, limit in enumerate((0, class_min)):
        params = [f"top={middle}", f"bottom={middle}", f"class_min={limit}"]
        name = decide_by(trained, f"{case}{number + 1}", params=params, **gate)
        files = builders.raw_images(trained, tmp_path / "raw")
        out = tmp_path / f"out{number}"
        assert run.predict_images(begin(trained, name, out, files)).predicted == len(TEST)
        expected = {row.image_id: row.code for row in masks.predict(inputs.read(trained, name))}
        assert {name: rle.encode(mask) for name, mask in read_masks(out).items()} == expected
        assert list(expected.values()).count(rle.EMPTY) == (1 if limit else 0)


def test_masks_of_the_expected_dice_are_those_of_the_submission(
    trained: Work, tmp_path: Path
) -> None:
    name = decide_by(trained, "expected", rule="expected")
    files = builders.raw_images(trained, tmp_path / "raw")
    job = begin(trained, name, tmp_path / "out", files)
    run.predict_images(job)
    rows = {row.image_id: row.code for row in masks.predict(inputs.read(trained, name))}
    found = read_masks(job.out)
    assert {name: rle.encode(mask) for name, mask in found.items()} == rows
    records = outputs.finished_records(job.out)
    assert all(0 < record["p_pneumothorax"] < 1 for record in records.values())


def test_the_caller_keeps_its_priority(trained: Work, decision: str, tmp_path: Path) -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    files = builders.raw_images(trained, tmp_path / "raw")
    run.predict_images(begin(trained, decision, tmp_path / "out", files))
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


@pytest.fixture
def decision(trained: Work) -> str:
    """A decision whose masks have about half of the pixels."""
    name = "half-x"
    if not trained.decision(name).folder.exists():
        decide_by(trained, "half", params=["top=.5", "bottom=.5"])
    return name


def test_finished_images_are_kept_and_lost_or_changed_ones_are_made_again(
    trained: Work, decision: str, tmp_path: Path
) -> None:
    names = [f"image{number:02}" for number in range(6)]
    files = builders.raw_images(trained, tmp_path / "raw", names)
    job = begin(trained, decision, tmp_path / "out", files)
    assert run.predict_images(job).predicted == 6
    before = read_masks(job.out, names)
    assert run.predict_images(job).predicted == 0
    (job.out / outputs.output_file("overlays", files[0].name)).unlink()
    (job.out / outputs.output_file("masks", files[1].name)).write_bytes(b"")
    images.write_png(files[2].path, builders.noise(32, 32, seed=3))
    assert run.predict_images(job).predicted == 3
    after = read_masks(job.out, names)
    assert [name for name in names if (before[name] != after[name]).any()] == ["image02"]


def test_bad_files_are_collected_and_the_others_predicted(
    trained: Work, decision: str, tmp_path: Path
) -> None:
    files = builders.raw_images(trained, tmp_path / "raw", ["image00", "image01", "image02"])
    whole = files[1].path.read_bytes()
    files[1].path.write_bytes(whole[: len(whole) // 2])
    job = begin(trained, decision, tmp_path / "out", files)
    outcome = run.predict_images(job)
    assert [failed.file for failed in outcome.failed] == [files[1]]
    assert set(outputs.finished_records(job.out)) == {files[0].name, files[2].name}
    files[1].path.write_bytes(whole)
    assert run.predict_images(job).predicted == 1


def test_a_mask_has_the_size_of_its_image_and_the_place_of_the_square_one(
    trained: Work, decision: str, tmp_path: Path
) -> None:
    (file,) = builders.raw_images(trained, tmp_path / "raw", ["image03"])
    wide = ImageFile(file.path.with_name("wide.png"), "wide.png")
    images.write_png(wide.path, images.read_png(file.path).repeat(2, axis=1))
    job = begin(trained, decision, tmp_path / "out", [file, wide])
    run.predict_images(job)
    found = read_masks(job.out, ["image03", "wide"])
    assert np.array_equal(found["wide"], outputs.to_image(found["image03"], 32, 64))
