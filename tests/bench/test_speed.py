"""Every benchmark of speed and memory runs on small inputs; tests/bench/README.md has figures."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lib import device as machine
from lib import images, rle
from lib.layout import ALL_DATA, Work, map_file
from tests import browser, fakes
from tests.bench import (
    decide,
    feed,
    infer,
    memory,
    predict,
    prepare,
    profile,
    reference,
    train,
    tuning_page,
    workloads,
)
from tests.bench import rle as run_lengths
from tests.bench.harness import NO_GPU
from tests.stages.commands import run

CPU, SIZE = torch.device("cpu"), 32


@pytest.fixture
def work(tmp_path: Path) -> Work:
    """A WORK of twelve small images and their cache."""
    work, truth = Work(tmp_path / "work"), fakes.masks(12, SIZE)
    fakes.make_dataset(work, truth, size=SIZE)
    fakes.make_cache(work, truth, SIZE)
    return work


def test_decide_measures_a_few_maps(capsys: pytest.CaptureFixture[str]) -> None:
    decide.main(["--images", "10"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| figure | value | target |"
    assert len(lines) == 8


@pytest.mark.skipif(not browser.CHROMIUM, reason=browser.NO_CHROMIUM)
def test_the_tuning_page_is_measured_in_the_browser() -> None:
    rows = list(tuning_page.measure(20))
    assert [row.target for row in rows].count("at most 50 ms") == 3


def test_prepare_and_feed_measure_a_few_small_phantoms() -> None:
    rows = [
        *prepare.measure(40, rounds=1, workers=1, size=48, frame=64),
        *feed.measure(40, rounds=1, workers=0, sizes=(32, 48, 64)),
    ]
    assert len(rows) == 4
    assert all(float(row.value.split()[0].rstrip("%")) >= 0 for row in rows)


def test_predict_measures_a_few_small_files(tmp_path: Path) -> None:
    for number in range(3):
        path = tmp_path / "raw/dicom-images-test" / f"test{number}.png"
        images.write_png(path, np.full((64, 64), 80 * number, np.uint8))
    work, names = Work(tmp_path / "work"), [f"test{number}" for number in range(3)]
    fakes.make_dataset(work, fakes.masks(2, SIZE), names, size=SIZE)
    fakes.make_cache(work, fakes.masks(2, SIZE), SIZE, names)
    (row,) = predict.measure(work, [SIZE], 1, CPU)
    assert float(row.value.split()[0]) > 0


def test_reference_codes_equal_the_projects() -> None:
    for mask in fakes.masks(8).values():
        code = rle.encode(mask)
        assert reference.encode_by_pixels(mask) == code
        assert ((reference.decode_by_pixels(code, *mask.shape) == 255) == mask).all()
        if mask.any():
            assert ((reference.decode_by_runs(code, *mask.shape) == 255) == mask).all()


def test_rle_measures_a_few_small_masks() -> None:
    assert len(list(run_lengths.measure(12, size=64))) == 4


def test_memory_measures_stages_03_to_05() -> None:
    assert [row.figure[:17] for row in memory.measure(4, 6, 32)] == [
        f"peak memory of {stage}" for stage in ("03", "04", "05")
    ]


def test_train_measures_the_cpu_and_names_what_needs_a_gpu(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train, "SIZES", (32, 64))
    train.main(["--rounds", "1", "--device", "cpu"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("device cpu, precision ")
    assert sum("images/s)" in line for line in lines) == 2
    assert sum("| no GPU |" in line for line in lines) == len(train.FIGURES) * len(train.ON_GPU)


def test_the_figures_for_gpus_can_be_measured_on_a_cpu(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "SIDE", 8)
    values = train.measure_gpu(work, "demo", SIZE, 4, 1, CPU)
    assert len(values) == len(train.FIGURES)
    assert "TFLOP/s" in values[3]
    assert values[4] == NO_GPU


def test_infer_measures_the_cpu_and_names_what_needs_a_gpu(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(infer, "SIZES", (64,))
    infer.main(["--rounds", "1", "--images", "4", "--device", "cpu"])
    lines = capsys.readouterr().out.splitlines()
    assert sum("images/s)" in line for line in lines) == 1
    assert "| no GPU | 25.6 ms (2ST-UNet) |" in "\n".join(lines)


def test_both_ways_of_inference_give_the_same_maps(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "precision", lambda device: torch.float32)
    assert len(infer.measure_size(work, SIZE, 1, CPU)) == 3
    for name in workloads.test_ids(work):
        stage = images.read_png(work.probs("bench", ALL_DATA).partial / map_file("test", name))
        published = images.read_png(work.root / "published" / f"{name}.png")
        assert np.abs(stage.astype(int) - published).max() <= 1


def test_profile_lists_operations_of_both_steps(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(profile, "SIZE", 64)
    profile.main(["--images", "16", "--top", "3", "--device", "cpu"])
    output = capsys.readouterr().out
    assert output.count("s an epoch | of all |") == 2
    assert output.count("| `") == 6


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [(["--help"], 0, "python -m tests.bench"), (["decode"], 2, "decode"), (["all", "-x"], 2, "-x")],
)
def test_the_command_refuses_unknown_names_and_flags(
    words: list[str], code: int, message: str
) -> None:
    done = run("-m", "tests.bench", *words, expect=code)
    assert message in done.stdout + done.stderr
