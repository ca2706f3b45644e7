"""The benchmarks run, on as little as possible; what they measure is in tests/bench/README.md."""

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch

from lib import dataset, images, rle
from lib import device as machine
from lib import recipes as all_recipes
from lib.errors import InputError
from lib.layout import ALL_DATA, Work, map_file
from lib.models import SegmentationNetwork
from lib.recipes import Recipe
from lib.recipes.published_rules import PUBLISHED
from tests import fakes
from tests.bench import __main__ as command
from tests.bench import (
    decide,
    feed,
    infer,
    memory,
    prepare,
    profile,
    recipes,
    reference,
    rules,
    setting,
    train,
)  # fmt: skip
from tests.bench import rle as run_lengths
from tests.bench.measured import measure
from tests.bench.table import NO_GPU

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    location = Work(tmp_path / "my work")
    fakes.make_dataset(location)
    for fold in (0, 1):
        fakes.make_probs(location, "demo", fold, seed=fold)
    return location.root


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    path = tmp_path / "truth.csv"
    path.write_text("ImageId,EncodedPixels\ntest0,-1\ntest1,0 9\n")
    return path


def test_a_rule_is_measured_out_of_fold_and_on_the_test_images(work: Path, truth: Path) -> None:
    measured = measure(work, ["demo"], truth, "stated", "--params top=.9 min_area=999")
    cells = [cell.strip() for cell in measured.row(measured).strip("|").split("|")]
    assert cells[:3] == ["stated", "0.898 / 999 / 0.498", "0.6667"]  # 8 of 12 are empty
    assert cells[4:] == ["+0.0000", "0.5000", "+0.0000 (+0.0000 to +0.0000)"]
    assert measured.all_empty() == (
        "All empty: 0.6667 on the 12 labelled images, 0.5000 on the 2 of the test."
    )


def test_a_rule_that_these_maps_cannot_have_says_why(work: Path, truth: Path) -> None:
    lines = list(rules.table(work, ["demo"], truth, {"gated": "--rule gated"}))
    assert "| gated | not possible: --rule gated needs image probabilities" in lines[-1]


def test_rules_are_compared_image_by_image(work: Path, truth: Path) -> None:
    ours, theirs = (
        measure(work, ["demo"], truth, f"by {rule}", f"--rule {rule}")
        for rule in ("auto", "triplet")
    )
    assert ours.honest.mean() == pytest.approx(ours.decided["cross_fitted_dice"])
    row = ours.row_against(theirs)
    assert row.startswith(f"| by auto, which is {ours.decided['auto']['rule']} | ")
    assert f"{ours.honest.mean() - theirs.honest.mean():+.4f} (" in row


def test_every_published_rule_is_measured_once() -> None:
    named = [name for names in rules.published() for name in names.split(", ")]
    assert sorted(named) == sorted(PUBLISHED)
    assert len(set(rules.published().values())) == len(set(PUBLISHED.values()))


def test_deciding_is_measured_on_a_few_maps(capsys: pytest.CaptureFixture[str]) -> None:
    decide.main(["--images", "10"])
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "| figure | value | target |"
    assert len(printed) == 8


def test_preparing_and_feeding_are_measured_on_a_few_small_phantoms(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(prepare, "FRAME", 64)
    monkeypatch.setattr(feed, "FRAME", 64)
    monkeypatch.setattr(feed, "SIZE", 48)
    monkeypatch.setattr(feed, "TRAINED", 32)
    found = [*prepare.rows(40, rounds=1, workers=1), *feed.rows(40, rounds=1, workers=0)]
    assert len(found) == 4
    assert all(float(row.value.split()[0].rstrip("%")) >= 0 for row in found)


def test_references_have_the_codes_of_ours() -> None:
    for mask in fakes.masks(8).values():
        code = rle.encode(mask)
        assert reference.encode_by_pixels(mask) == code
        for decode in (reference.decode_by_pixels, reference.decode_by_runs):
            if mask.any() or decode is reference.decode_by_pixels:
                assert ((decode(code, *mask.shape) == 255) == mask).all()


def test_run_length_codes_are_measured_on_a_few_small_masks() -> None:
    assert len(list(run_lengths.rows(12, size=64))) == 4


def test_memory_is_measured_on_a_few_small_images() -> None:
    assert [row.figure[:17] for row in memory.rows(4, 6, 32)] == [
        f"peak memory of {stage}" for stage in ("03", "04", "05")
    ]


CPU, SIDE = torch.device("cpu"), 32


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    """A WORK of twelve images, and a recipe that is small enough for it."""
    work = Work(tmp_path / "tiny")
    truth = fakes.masks(12, SIDE)
    fakes.make_dataset(work, truth, size=SIDE)
    fakes.make_cache(work, truth, SIDE)
    sized = setting.sized
    monkeypatch.setattr(setting, "sized", lambda name, size, batch: sized("demo", SIDE, 4))
    monkeypatch.setattr(setting, "prepared", lambda *_: nullcontext(work))
    return work


def test_training_is_measured_and_says_where_there_is_no_gpu(
    tiny: Work, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train.main(["--rounds", "1", "--device", "cpu"])
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("device cpu, precision ")
    assert sum("images/s)" in line for line in printed) == 2
    assert sum("| no GPU |" in line for line in printed) == len(train.FIGURES) * len(train.ON_GPU)


def test_what_is_for_gpus_runs_on_a_cpu_too(tiny: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "SIDE", 8)
    values = train.gpu_values(tiny, "demo", SIDE, 4, 1, CPU)
    assert len(values) == len(train.FIGURES)
    assert "TFLOP/s" in values[3]
    assert values[4] == NO_GPU


def test_operations_of_a_step_are_counted_forwards_and_backwards(tiny: Work) -> None:
    """A convolution costs 2 operations per weight and output; backwards twice, the first once."""

    class One(SegmentationNetwork):
        def __init__(self, recipe: Recipe) -> None:
            super().__init__(recipe.input)
            self.conv = torch.nn.Conv2d(1, 1, 3, padding=1)

        def logits(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            maps = self.conv(images)
            return maps, maps.mean(dim=(1, 2, 3))

    recipe = setting.sized("demo", SIDE, 4)
    with setting.training(tiny, recipe, CPU, 0) as training:
        training.training_loss = One(recipe).training_loss
        assert train.flops_of_step(training) == 2 * (2 * 4 * SIDE**2 * 9)


def test_inference_is_measured_and_its_maps_are_those_of_one_at_a_time(
    tiny: Work, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "precision", lambda device: torch.float32)
    monkeypatch.setattr(infer, "SIZES", (SIDE,))
    infer.main(["--rounds", "1", "--device", "cpu"])
    assert "| no GPU | 25.6 ms (2ST-UNet) |" in capsys.readouterr().out
    for name in setting.test_ids(tiny):
        ours = images.read_png(tiny.probs("bench", ALL_DATA).partial / map_file("test", name))
        theirs = images.read_png(tiny.root / "theirs" / f"{name}.png")
        assert np.abs(ours.astype(int) - theirs).max() <= 1
    assert len(infer.rows_at(tiny, SIDE, 1, CPU)) == 3


def test_both_steps_are_profiled(tiny: Work, capsys: pytest.CaptureFixture[str]) -> None:
    profile.main(["--top", "3", "--device", "cpu"])
    printed = capsys.readouterr().out
    assert printed.count("s an epoch | share |") == 2
    assert printed.count("| `") == 6


def test_recipes_are_benched_on_after_one_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[str] = []

    def stage(work: Path, *words: str | Path) -> None:
        done.append(" ".join(map(str, words)))
        if words[:3] == ("02_train.py", "--recipe", "niu_vgg16_demo"):
            raise InputError("02_train.py: no")

    monkeypatch.setattr(recipes, "stage", stage)
    monkeypatch.setattr(recipes, "cost", lambda *_: (2.0, 1000))
    names = ["niu_vgg16", "abedalla_exp1"]
    failures = recipes.bench(tmp_path, names, ["0", "1"], tmp_path / "raw")
    assert failures == ["niu_vgg16_demo: 02_train.py: no"]
    assert done[0].endswith("--recipes niu_vgg16_demo abedalla_exp1_demo")
    assert done[2:] == [
        "02_train.py --recipe abedalla_exp1_demo --folds 0 1",
        "03_infer.py --run abedalla_exp1_demo --folds 0 1",
        "03_infer.py --run abedalla_exp1_demo --folds 0 1 --tta none",
    ]
    said = capsys.readouterr().err
    assert "abedalla_exp1_demo: 4 s of training, 2,000 images presented" in said


def test_the_cost_of_a_run_is_its_epochs_times_and_images(tmp_path: Path) -> None:
    work = Work(tmp_path)
    fakes.make_dataset(work)
    recipe = all_recipes.get("r34_512_demo")
    history = [{"phase": phase, "epoch": 0} for phase in (0, 1)]
    location = fakes.make_run(work, recipe.name, 0, recipe, history).location
    (location.folder / "log").mkdir()
    (location.folder / "log/times.csv").write_text("0,0,1.5,0.25\n1,0,2.0,0.25\n")
    positives = sum(_positives(work, fold=0))
    wanted = [positives + round(positives / rate - positives) for rate in (0.6, 0.35)]
    assert recipes.cost(work, recipe.name, 0) == (4.0, sum(wanted))


def _positives(work: Work, fold: int) -> list[bool]:
    data = dataset.read(work)
    return [data.positive(name) for name in data.training_ids(fold)]


def test_phantoms_are_drawn_once_and_whole(tmp_path: Path) -> None:
    few = {"n_train": 4, "n_test": 4, "size": 64}
    (tmp_path / "raw_phantoms.partial").mkdir()  # of a killed call
    (tmp_path / "raw_phantoms.partial/half").touch()
    raw = recipes.phantoms(tmp_path, **few)
    assert not (raw / "half").exists()
    before = (raw / "test-truth.csv").stat().st_mtime_ns
    assert recipes.phantoms(tmp_path, **few) == raw
    assert (raw / "test-truth.csv").stat().st_mtime_ns == before


def test_a_stage_that_fails_says_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="^03_infer.py: .*dataset is not there"):
        recipes.stage(tmp_path, "03_infer.py", "--run", "none")


def test_all_leaves_out_what_takes_hours() -> None:
    assert set(command.ALL) < set(command.BENCHMARKS)
    assert "recipes" not in command.ALL


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [(["--help"], 0, "python -m tests.bench"), (["decode"], 2, "decode"), (["all", "-x"], 2, "-x")],
)
def test_the_command_names_what_there_is(words: list[str], code: int, said: str) -> None:
    command = [sys.executable, "-m", "tests.bench", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == code
    assert said in done.stdout + done.stderr
