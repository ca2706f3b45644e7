"""Training of a fold: the files it leaves, resuming after a kill, and errors with a cure."""

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from lib import csv_files
from lib import device as machine
from lib.artifacts import STATE
from lib.errors import InputError
from lib.files import remove
from lib.layout import ALL_DATA, Work
from lib.models import SegmentationNetwork, build_model, weights
from lib.models.base import Prediction
from lib.recipes import Ema, Keep, LossWeights, Recipe
from lib.train import checkpoints, dataloaders, trainer
from lib.train.checkpoints import epochs_to_keep
from lib.train.sampling import Item
from tests.tiny_runs import SHORT, TINY, hashes, training_job

LAST = replace(SHORT, epochs=1, keep=Keep("last"))


def test_a_run_holds_the_last_phases_best_weights_and_its_history(work: Work) -> None:
    job = training_job(work)
    record = trainer.train_fold(job)
    kept = epochs_to_keep(Keep("best", 2), record.epochs(1))
    assert sorted(hashes(job.draft.folder)) == sorted(
        ["config.json", "history.csv", "curves.png", *map(checkpoints.weight_file, kept)]
    )
    table = pd.read_csv(job.draft.path("history.csv"))
    assert list(table["phase"]) == [0, 0, 1, 1, 1]
    assert list(table["epoch"]) == [0, 1, 0, 1, 2]
    assert (table["score"] == table["valid_dice"]).all()
    assert (table["valid_iou"] <= table["valid_dice"]).all()
    assert record.parameters == sum(p.numel() for p in build_model(TINY).parameters())
    assert (job.draft.folder / "log" / "times.csv").exists()


def train_interrupted(work: Work, epochs: int, recipe: Recipe = TINY, **options: bool) -> None:
    """Interrupt a training right after a number of epochs is committed."""
    commit = checkpoints.commit

    def commit_and_stop(*args: object) -> None:
        commit(*args)
        if len(args[2].history) == epochs:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "commit", commit_and_stop)
        with pytest.raises(KeyboardInterrupt):
            trainer.train_fold(training_job(work, recipe, **options))


@pytest.mark.parametrize("epochs", [1, 2, 4, 5])
@pytest.mark.parametrize("select", ["dice", "tuned_dice"])
def test_an_interrupted_run_ends_with_the_same_bytes(work: Work, select: str, epochs: int) -> None:
    recipe = replace(TINY, select=select)
    whole = training_job(work, recipe)
    trainer.train_fold(whole)
    expected = hashes(whole.draft.folder)
    remove(whole.draft.folder)
    train_interrupted(work, epochs, recipe)
    trainer.train_fold(training_job(work, recipe))
    assert hashes(whole.draft.folder) == expected


KINDS = {
    "swa, linear, encoder frozen at first": replace(
        SHORT, keep=Keep("swa", 2), schedule="linear", warmup=0.4, optimizer="sgd",
        freeze="encoder", freeze_epochs=1,
    ),
    "ema, mean of the best weights, norms frozen": replace(
        SHORT, keep=Keep("best", 2, "weights", (0.7, 0.3)), optimizer="radam",
        ema=Ema(0.9, start=1), freeze="encoder_norms",
    ),
}  # fmt: skip
# A kill comes before the second file is written, once the first one exists.
KILLS = [
    ("history.csv", "phase0_epoch001.pt"),
    ("phase0_epoch001.pt", STATE),
    ("phase0_epoch001.pt", "history.csv"),
    ("history.csv", "phase0_average.pt"),
    ("phase0_average.pt", STATE),
    ("phase0_average.pt", "averages.csv"),
]


def kill_before_write(monkeypatch: pytest.MonkeyPatch, folder: Path, after: str, name: str) -> None:
    def killed(write: Callable[..., None]) -> Callable[..., None]:
        def checked(path: Path, content: object) -> None:
            if path.name == name and any(folder.rglob(after)):
                raise KeyboardInterrupt
            write(path, content)

        return checked

    monkeypatch.setattr(weights, "save", killed(weights.save))
    monkeypatch.setattr(csv_files, "write", killed(csv_files.write))


@pytest.mark.parametrize("kind", KINDS)
def test_killed_before_any_file_a_run_ends_with_the_same_bytes(work: Work, kind: str) -> None:
    recipe = replace(TINY, phases=(KINDS[kind], LAST))
    whole = training_job(work, recipe)
    trainer.train_fold(whole)
    expected = hashes(whole.draft.folder)
    assert {"averages.csv", "weights/phase1_epoch000.pt"} <= expected.keys()
    for after, name in KILLS:
        remove(whole.draft.folder)
        job = training_job(work, recipe)
        with pytest.MonkeyPatch.context() as patch:
            kill_before_write(patch, job.draft.folder, after, name)
            with pytest.raises(KeyboardInterrupt):
                trainer.train_fold(job)
        trainer.train_fold(training_job(work, recipe))
        assert hashes(whole.draft.folder) == expected, (after, name)


def test_a_run_killed_after_its_last_epoch_trains_none_again(
    work: Work, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer.train_fold(training_job(work))
    capsys.readouterr()
    unfinished = training_job(work)
    record = trainer.train_fold(unfinished)
    assert "epoch" not in capsys.readouterr().out
    assert len(record.history) == 5
    assert STATE not in unfinished.draft.finish().files


def test_the_number_of_workers_changes_nothing(work: Work) -> None:
    results = []
    for workers in (0, 1, 2):
        job = training_job(work, workers=workers)
        trainer.train_fold(job)
        results.append(hashes(job.draft.folder))
        remove(job.draft.folder)
    assert results[0] == results[1] == results[2]


AVERAGED = replace(SHORT, lr=1e-2, keep=Keep("swa", 2))


def test_all_data_trains_without_validation(work: Work) -> None:
    job = training_job(work, replace(TINY, phases=(TINY.phases[1], AVERAGED)), fold=ALL_DATA)
    record = trainer.train_fold(job)
    assert "valid_dice" not in record.history[0]
    assert record.averages == [{"phase": 1, "epochs": "2 1"}]
    assert [path.name for path in job.draft.path("weights").iterdir()] == ["phase1_average.pt"]
    summary = trainer.summary(job, checkpoints.Record(record.history))
    assert summary.startswith("fold all-data: train loss ")


def test_the_next_phase_starts_from_the_average(work: Work) -> None:
    job = training_job(work, replace(TINY, phases=(AVERAGED,)))
    trainer.train_fold(job)
    average = weights.load(job.draft.path("weights/phase0_average.pt"))
    remove(job.draft.folder)
    tiny_step = replace(LAST, lr=1e-30, optimizer="sgd")
    job = training_job(work, replace(TINY, phases=(AVERAGED, tiny_step)))
    record = trainer.train_fold(job)
    (file,) = job.draft.path("weights").iterdir()
    assert file.name == "phase1_epoch000.pt"
    assert [row["phase"] for row in record.averages] == [0]
    last = weights.load(file)
    for name, _ in build_model(TINY).named_parameters():
        assert torch.equal(last[name], average[name])


def test_an_average_has_a_row_a_line_and_a_summary(
    work: Work, capsys: pytest.CaptureFixture[str]
) -> None:
    job = training_job(work, replace(TINY, phases=(AVERAGED,)))
    record = trainer.train_fold(job)
    line = capsys.readouterr().out.splitlines()[-1]
    (row,) = record.averages
    table = pd.read_csv(job.draft.path("averages.csv"))
    assert table["epochs"].tolist() == [row["epochs"]]
    assert table["valid_loss"].tolist() == pytest.approx([row["valid_loss"]])
    assert f"phase 1/1  average of epochs 3 2  valid loss {row['valid_loss']:.4f}" in line
    expected = f"fold 0: valid dice {row['valid_dice']:.4f} in average of epochs 3 2"
    assert trainer.summary(job, record) == expected


def test_a_loss_that_is_not_finite_stops_and_leaves_the_last_good_checkpoint(work: Work) -> None:
    wild = replace(TINY.phases[1], lr=1e30, schedule="constant", clip=None)
    job = training_job(work, replace(TINY, phases=(TINY.phases[0], wild)))
    with pytest.raises(InputError, match="loss is (nan|inf) in phase 2, epoch [12];.*lower lr"):
        trainer.train_fold(job)
    assert list(job.draft.path("weights").glob("phase0_*.pt"))
    assert checkpoints.resume(job.draft, job.recipe)[1]


def test_an_auc_cannot_rank_without_a_head(work: Work) -> None:
    network = replace(TINY.network, image_head=False)
    phases = (replace(TINY.phases[0], loss=LossWeights(bce=1)),)
    recipe = replace(TINY, network=network, phases=phases, select="class_auc")
    with pytest.raises(InputError, match="select = class_auc .* fold 0"):
        trainer.train_fold(training_job(work, recipe))


class Speck(SegmentationNetwork):
    """A network that compiles in seconds."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe.input)
        torch.manual_seed(0)
        self.body = torch.nn.Sequential(
            torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.BatchNorm2d(4), torch.nn.ReLU()
        )
        self.last = torch.nn.Conv2d(4, 1, 1)

    def logits(self, images: torch.Tensor) -> Prediction:
        maps = self.last(self.body(images))
        return maps, maps.mean(dim=(1, 2, 3))


class Greedy(Speck):
    """A network that needs an exbibyte for crops of 16 px."""

    def logits(self, images: torch.Tensor) -> Prediction:
        if images.shape[-1] == 16:
            torch.empty(2**60, dtype=torch.uint8)
        return super().logits(images)


def test_no_memory_left_names_the_cures_and_keeps_finished_epochs(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(TINY, phases=(TINY.phases[0], replace(TINY.phases[1], crop=16)))
    monkeypatch.setattr(trainer, "build_model", Greedy)
    job = training_job(work, recipe)
    with pytest.raises(InputError, match=r"^out of memory; .*phases.1.batch \(3; .*size \(32\)"):
        trainer.train_fold(job)
    assert list(job.draft.path("weights").glob("phase0_*.pt"))
    monkeypatch.setattr(trainer, "build_model", Speck)
    assert len(trainer.train_fold(training_job(work, recipe)).history) == 5


def test_a_batch_of_one_image_is_refused_with_its_phase(work: Work) -> None:
    network = replace(TINY.network, decoder_channels=(8, 8, 8, 4, 4))  # 1 x 1 at 32 px
    recipe = replace(TINY, phases=(replace(TINY.phases[0], batch=1),), network=network)
    with pytest.raises(InputError, match=r"batch of one image.*phases.0.batch \(1;"):
        trainer.train_fold(training_job(work, recipe))


def test_a_worker_that_is_killed_names_the_cure(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(self: dataloaders.TrainingSet, item: Item) -> dataloaders.Sample:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    monkeypatch.setattr(dataloaders.TrainingSet, "__getitem__", die)
    with pytest.raises(InputError, match="was killed.* fewer --workers"):
        trainer.train_fold(training_job(work, workers=1))


FLAT = replace(  # six images in batches of 3: one graph
    TINY, phases=(replace(SHORT, positive_rate=None, loss=LossWeights(bce=1, image_bce=1)),)
)


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
def test_a_compiled_training_has_the_same_losses_and_resumes_without_compiling(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "precision", lambda device: torch.float32)
    monkeypatch.setattr(trainer, "build_model", Speck)
    plain = training_job(work, FLAT)
    expected = trainer.train_fold(plain).history
    remove(plain.draft.folder)
    train_interrupted(work, 2, recipe=FLAT, compile=True)
    resumed = training_job(work, FLAT)
    history = trainer.train_fold(resumed).history
    assert [row["train_loss"] for row in history] == pytest.approx(
        [row["train_loss"] for row in expected], abs=1e-3
    )
    kept = weights.load(next(resumed.draft.path("weights").glob("*.pt")))
    assert kept.keys() == Speck(FLAT).state_dict().keys()


def test_norms_that_gpus_share_are_not_compiled(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer.distributed, "world_size", lambda: 2)
    job = replace(training_job(work, FLAT, compile=True), device=torch.device("cuda"))
    with pytest.raises(InputError, match="--compile .* norms that several GPUs share"):
        trainer.train_fold(job)


class Undecided(Speck):
    """A network whose graph depends on its values."""

    def logits(self, images: torch.Tensor) -> Prediction:
        return super().logits(images if images.mean() > 0 else -images)


def test_a_network_that_cannot_be_compiled_is_refused_with_a_cure(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "build_model", Undecided)
    with pytest.raises(InputError, match=r"--compile does not work here \(.*without it"):
        trainer.train_fold(training_job(work, FLAT, compile=True))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


DAMAGES = pytest.mark.parametrize(
    "damage", [Path.unlink, lambda path: path.write_bytes(b""), flip], ids=["no", "empty", "flip"]
)


@DAMAGES
def test_damaged_weights_are_not_resumed_from(work: Work, damage: Callable[[Path], None]) -> None:
    train_interrupted(work, 4)
    job = training_job(work)
    (first, _) = sorted(job.draft.path("weights").iterdir())
    damage(first)
    with pytest.raises(InputError, match=f"{first} is damaged .*remove {first.parent.parent} "):
        trainer.train_fold(job)


@DAMAGES
def test_weights_that_are_damaged_meanwhile_are_not_finished(
    work: Work, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None]
) -> None:
    job = training_job(work)

    def draw(history: object, path: Path) -> None:
        damage(min(job.draft.path("weights").iterdir()))

    monkeypatch.setattr(trainer, "draw_curves", draw)
    with pytest.raises(InputError, match=r"weights/phase1_epoch00.\.pt is damaged"):
        trainer.train_fold(job)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param([1], id="a list"),
        pytest.param({"model": 1}, id="no record"),
        pytest.param({"record": {"epochs": 1}}, id="another record"),
    ],
)
def test_a_damaged_state_is_named_with_its_cure(work: Work, content: object) -> None:
    job = training_job(work)
    path = job.draft.path(STATE)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        weights.save(path, content)
    with pytest.raises(InputError, match=f"{path} is damaged, .*remove {path.parent} ") as caught:
        trainer.train_fold(job)
    assert len(str(caught.value).splitlines()) == 1


def test_a_state_without_hashes_is_resumed_from(work: Work) -> None:
    train_interrupted(work, 3)
    job = training_job(work)
    state = weights.load(job.draft.path(STATE))
    del state["record"]["weights"]
    weights.save(job.draft.path(STATE), state)
    assert len(trainer.train_fold(job).history) == 5
