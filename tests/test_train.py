"""Training on a dozen tiny images: what is kept, how it goes on, what it refuses."""

import dataclasses
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd
import pytest
import torch
from torch._inductor import config as inductor
from torch._inductor import cpp_builder
from torch.utils._python_dispatch import TorchDispatchMode

from lib import artifacts, csv_files, dataset, recipes
from lib import device as machine
from lib.decision.rules import ThresholdRule
from lib.errors import InputError
from lib.files import remove, sha256
from lib.layout import ALL_DATA, Fold, Work
from lib.models import SegmentationNetwork, build_model, weights
from lib.models.base import Prediction
from lib.recipes import Ema, Keep, LossWeights, Network, Phase, Recipe, serialize
from lib.train import checkpoints, dataloaders, loop, phase
from lib.train.checkpoints import best, is_over
from tests import fakes

SIZE = 32
TINY = dataclasses.replace(
    recipes.get("demo"),
    select="dice",
    network=Network("unet", "mobilenet_v2", "none", decoder_channels=(8, 8, 4), image_head=True),
    phases=(
        Phase(size=SIZE, epochs=2, batch=4, lr=1e-3, loss=LossWeights(bce=1, image_bce=1)),
        Phase(
            size=SIZE,
            epochs=3,
            batch=3,
            lr=1e-3,
            positive_rate=0.5,
            keep=Keep(count=2),
            accumulate=2,
        ),
    ),
)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def work(tmp_path: Path) -> Work:
    work = Work(tmp_path)
    truth = fakes.masks(12, SIZE)
    fakes.make_dataset(work, truth, size=SIZE)
    fakes.make_cache(work, truth, SIZE)
    return work


def job_of(work: Work, recipe: Recipe = TINY, fold: Fold = 0, workers: int = 0) -> loop.Job:
    data = dataset.read(work)
    cache = artifacts.read(work.cache(SIZE))
    run_facts = {"recipe": serialize.to_dict(recipe), "fold": fold}
    draft = artifacts.begin(work.run("tiny", fold), run_facts, [data.artifact, cache])
    assert draft
    return loop.Job(draft, recipe, fold, data, {SIZE: cache}, "none", torch.device("cpu"), workers)


def hashes(folder: Path) -> dict[str, str]:
    """What counts in a folder: log/ does not, nor the state, which goes with the draft."""
    return {
        path.relative_to(folder).as_posix(): sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and "log" not in path.relative_to(folder).parts
        and path.name != artifacts.STATE
    }


def test_a_run_holds_the_last_phases_best_weights_and_its_history(work: Work) -> None:
    job = job_of(work)
    record = loop.train_fold(job)
    kept = best(record.epochs(1), 2)
    assert sorted(hashes(job.draft.folder)) == sorted(
        ["config.json", "history.csv", "curves.png", *map(checkpoints.weight_file, kept)]
    )
    table = pd.read_csv(job.draft.path("history.csv"))
    assert list(table["phase"]) == [0, 0, 1, 1, 1]
    assert list(table["epoch"]) == [0, 1, 0, 1, 2]
    assert (table["score"] == table["valid_dice"]).all()
    assert (job.draft.folder / "log" / "times.csv").exists()


def interrupt_after(monkeypatch: pytest.MonkeyPatch, epochs: int, before_commit: bool) -> None:
    """End the process's stand-in after so many epochs, before or after the last is committed."""
    done, commit = [], checkpoints.commit

    def interrupted(*args: object) -> None:
        done.append(1)
        if before_commit and len(done) > epochs:
            raise KeyboardInterrupt
        commit(*args)
        if not before_commit and len(done) >= epochs:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "commit", interrupted)


@pytest.mark.parametrize(
    ("epochs", "before_commit"),
    [(1, True), (1, False), (2, True), (2, False), (4, True), (5, False)],
)
def test_an_interrupted_run_ends_with_the_same_bytes(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epochs: int, before_commit: bool
) -> None:
    whole = job_of(work)
    loop.train_fold(whole)
    expected = hashes(whole.draft.folder)
    remove(whole.draft.folder)
    with monkeypatch.context() as patch:
        interrupt_after(patch, epochs, before_commit)
        with pytest.raises(KeyboardInterrupt):
            loop.train_fold(job_of(work))
    again = job_of(work)
    loop.train_fold(again)
    assert hashes(again.draft.folder) == expected


SHORT = Phase(size=SIZE, epochs=3, batch=3, lr=1e-3, positive_rate=0.5)
LAST = dataclasses.replace(SHORT, epochs=1, keep=Keep("last"))
KINDS = {
    "swa, linear, encoder frozen at first": dataclasses.replace(
        SHORT, keep=Keep("swa", 2), schedule="linear", warmup=0.4, optimizer="sgd",
        freeze="encoder", freeze_epochs=1,
    ),
    "ema, mean of the best weights, norms frozen": dataclasses.replace(
        SHORT, keep=Keep("best", 2, "weights", (0.7, 0.3)), optimizer="radam",
        ema=Ema(0.9, start=1), freeze="encoder_norms",
    ),
}  # fmt: skip


def kill_before_write(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """End the process's stand-in before it writes its file of this number, from 1."""
    written = []

    def counted(write):
        def killed(*args: object) -> None:
            written.append(args)
            if len(written) == number:
                raise KeyboardInterrupt
            write(*args)

        return killed

    monkeypatch.setattr(weights, "save", counted(weights.save))
    monkeypatch.setattr(csv_files, "write", counted(csv_files.write))


@pytest.mark.parametrize("kind", KINDS)
def test_killed_before_any_file_a_run_ends_with_the_same_bytes(
    work: Work, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """An epoch writes weights if they are kept, state, table; an average one table more."""
    recipe = dataclasses.replace(TINY, phases=(KINDS[kind], LAST))
    whole = job_of(work, recipe)
    loop.train_fold(whole)
    expected = hashes(whole.draft.folder)
    assert {"averages.csv", "weights/phase1_epoch000.pt"} <= expected.keys()
    for number in (5, 9, 11, 12, 14):  # the last three: around the average's commit
        remove(whole.draft.folder)
        with monkeypatch.context() as patch:
            kill_before_write(patch, number)
            with pytest.raises(KeyboardInterrupt):
                loop.train_fold(job_of(work, recipe))
        loop.train_fold(job_of(work, recipe))
        assert hashes(whole.draft.folder) == expected, number


def test_a_kept_last_epoch_is_the_latest(work: Work) -> None:
    job = job_of(work, dataclasses.replace(TINY, phases=(dataclasses.replace(LAST, epochs=2),)))
    loop.train_fold(job)
    assert [path.name for path in job.draft.path("weights").iterdir()] == ["phase0_epoch001.pt"]


def test_linear_rates_change_at_each_step(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """2 epochs of 2 steps, half of them warm-up; the history has each epoch's first rate."""
    linear = dataclasses.replace(SHORT, epochs=2, schedule="linear", warmup=0.5, lr=1.0)
    rates, step = [], phase.PhaseTraining._step
    monkeypatch.setattr(
        phase.PhaseTraining, "_step", lambda self, rate: (rates.append(rate), step(self, 1e-9))
    )
    record = loop.train_fold(job_of(work, dataclasses.replace(TINY, phases=(linear,))))
    assert rates == pytest.approx([0, 0.5, 1, 0.5])
    assert [row["lr"] for row in record.history] == pytest.approx([0, 1])


def test_epochs_are_ranked_at_the_rule_for_ranking(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules, validate = [], phase.validate
    monkeypatch.setattr(
        phase, "validate", lambda *args: (rules.append(args[3]), validate(*args))[1]
    )
    published, ranking = ThresholdRule(0.7, 800, 0.3), ThresholdRule(0.6, 1, 0.5)
    for select_rule, used in ((None, published), (ranking, ranking)):
        recipe = dataclasses.replace(TINY, phases=(LAST,), rule=published, select_rule=select_rule)
        job = job_of(work, recipe)
        loop.train_fold(job)
        remove(job.draft.folder)
        assert rules.pop() == used


def test_positives_alone_train(work: Work) -> None:
    alone = dataclasses.replace(LAST, positive_rate=1.0, loss=LossWeights(squared_dice=1))
    recipe = dataclasses.replace(TINY, phases=(alone,), select="positive_dice")
    record = loop.train_fold(job_of(work, recipe))
    assert record.history[0]["score"] == record.history[0]["valid_positive_dice"]


def test_a_run_killed_after_its_last_epoch_trains_none_again(
    work: Work, capsys: pytest.CaptureFixture[str]
) -> None:
    loop.train_fold(job_of(work))
    capsys.readouterr()
    again = job_of(work)  # nobody has called finish
    record = loop.train_fold(again)
    assert "epoch" not in capsys.readouterr().out
    assert len(record.history) == 5
    assert artifacts.STATE not in again.draft.finish().files


@pytest.mark.parametrize(
    ("cores", "gpus", "workers"), [(64, None, 8), (16, 4, 4), (2, 4, 1), (None, None, 1)]
)
def test_a_gpu_has_its_share_of_the_cores_to_load_images(
    monkeypatch: pytest.MonkeyPatch, cores: int | None, gpus: int | None, workers: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    if gpus:
        monkeypatch.setenv("LOCAL_WORLD_SIZE", str(gpus))  # as torchrun, on each of its machines
        monkeypatch.setattr(dataloaders.distributed, "world_size", lambda: 2 * gpus)
    assert dataloaders.default_workers(torch.device("cuda")) == workers
    assert dataloaders.default_workers(torch.device("cpu")) == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_workers_changes_nothing(work: Work, workers: int) -> None:
    results = []
    for count in (0, workers):
        job = job_of(work, workers=count)
        loop.train_fold(job)
        results.append(hashes(job.draft.folder))
        remove(job.draft.folder)
    assert results[0] == results[1]


def test_another_seed_gives_other_weights(work: Work) -> None:
    scores = []
    for seed in (1, 2):
        job = job_of(work, dataclasses.replace(TINY, seed=seed))
        scores.append([row["train_loss"] for row in loop.train_fold(job).history])
        remove(job.draft.folder)
    assert scores[0] != scores[1]


def test_all_data_trains_without_validation(work: Work) -> None:
    job = job_of(work, fold=ALL_DATA)
    record = loop.train_fold(job)
    assert "valid_dice" not in record.history[0]
    assert "train loss" in loop.summary(job, record)
    assert len(list(job.draft.path("weights").iterdir())) == 2


def test_a_loss_that_is_not_finite_stops_and_leaves_the_last_good_checkpoint(work: Work) -> None:
    wild = dataclasses.replace(TINY.phases[1], lr=1e30, schedule="constant", clip=None)
    job = job_of(work, dataclasses.replace(TINY, phases=(TINY.phases[0], wild)))
    with pytest.raises(InputError, match="loss is (nan|inf) in phase 1 epoch [01];.*lower lr"):
        loop.train_fold(job)
    assert list(job.draft.path("weights").glob("phase0_*.pt"))
    assert checkpoints.resume(job.draft, job.recipe)[1]


def test_an_auc_cannot_rank_without_a_head(work: Work) -> None:
    headless = dataclasses.replace(TINY.network, image_head=False)
    phases = (dataclasses.replace(TINY.phases[0], loss=LossWeights(bce=1)),)
    recipe = dataclasses.replace(TINY, network=headless, phases=phases, select="class_auc")
    with pytest.raises(InputError, match="select = class_auc cannot be computed on fold 0"):
        loop.train_fold(job_of(work, recipe))


def rows(*scores: float) -> list[checkpoints.Row]:
    return [{"phase": 0, "epoch": i, "score": score} for i, score in enumerate(scores)]


def test_the_best_are_the_highest_and_of_equals_the_latest() -> None:
    assert [row["epoch"] for row in best(rows(0.1, 0.5, 0.3, 0.5), 3)] == [3, 1, 2]


def test_a_phase_is_over_after_its_epochs_or_when_nothing_better_comes() -> None:
    stopping = dataclasses.replace(TINY.phases[0], epochs=5, early_stop=2)
    assert not is_over(stopping, [])
    assert not is_over(stopping, rows(0.1, 0.5, 0.5))
    assert is_over(stopping, rows(0.1, 0.5, 0.4, 0.5))
    assert is_over(dataclasses.replace(stopping, early_stop=None), rows(0, 1, 2, 3, 4))


def test_accumulated_batches_are_one_step_of_their_mean(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six images in batches of 3, accumulated by 2: one step an epoch."""
    settings = dataclasses.replace(TINY.phases[1], epochs=1, positive_rate=None)
    steps, step = [], phase.PhaseTraining._step
    monkeypatch.setattr(
        phase.PhaseTraining, "_step", lambda self, rate: (steps.append(rate), step(self, rate))
    )
    loop.train_fold(job_of(work, dataclasses.replace(TINY, phases=(settings,))))
    assert steps == [1e-3]


def test_the_last_step_of_an_epoch_may_be_of_fewer_batches() -> None:
    assert [phase.batches_of_step(number, 5, 2) for number in range(5)] == [2, 2, 2, 2, 1]
    assert [phase.batches_of_step(number, 2, 3) for number in range(2)] == [2, 2]
    assert phase.batches_of_step(0, 7, 1) == 1


def test_validation_scores_in_the_rle_frame_at_the_fixed_rule(work: Work) -> None:
    """A network that answers the truth itself scores 1; one that answers nothing, the negatives."""
    from lib.train.dataloaders import CachedImages, loading, validation_loader
    from lib.train.losses import WeightedLoss
    from lib.train.validate import validate

    job = job_of(work)
    source = CachedImages(job.caches[SIZE], job.dataset, "none")
    ids = job.dataset.validation_ids(0)

    class Oracle(torch.nn.Module):
        factor = 1.0

        def predict(self, images: torch.Tensor) -> tuple[torch.Tensor, None]:
            return (images > 127).float() * self.factor, None

        def evaluate(self, images: torch.Tensor, *args: object) -> tuple[dict, tuple]:
            return {"loss": torch.tensor(0.5)}, self.predict(images)

    oracle = Oracle()
    loader = validation_loader(source, ids, 4, loading(0, job.device))
    arguments = (loader, WeightedLoss(LossWeights(bce=1)), ThresholdRule(0.7, 1, 0.3), job.device)
    figures = validate(oracle, *arguments)
    assert figures["dice"] == pytest.approx(1.0)
    assert figures["loss"] == pytest.approx(0.5)
    oracle.factor = 0.7  # passes bottom, but nothing is above top
    figures = validate(oracle, *arguments)
    negatives = np.mean([not job.dataset.positive(name) for name in ids])
    assert figures["dice"] == pytest.approx(negatives)
    assert figures["positive_dice"] == 0


def test_no_memory_left_names_the_knobs_and_keeps_what_is_done(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(work)
    train, epochs = phase.PhaseTraining._train, []

    def run_out(self: phase.PhaseTraining, *args: object) -> dict[str, float]:
        epochs.append(1)
        if len(epochs) == 4:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3.00 GiB")
        return train(self, *args)

    monkeypatch.setattr(phase.PhaseTraining, "_train", run_out)
    with pytest.raises(InputError, match=r"^out of memory; .*phases.1.batch \(3; .*size \(32\)"):
        loop.train_fold(job)
    assert [path.name for path in job.draft.path("weights").iterdir()] == ["phase1_epoch000.pt"]
    monkeypatch.undo()
    assert len(loop.train_fold(job_of(work)).history) == 5


def test_a_batch_of_one_image_is_refused_in_words(work: Work) -> None:
    recipe = dataclasses.replace(TINY, phases=(dataclasses.replace(TINY.phases[0], batch=1),))
    network = dataclasses.replace(TINY.network, decoder_channels=(8, 8, 8, 4, 4))  # 1 x 1 at 32 px
    with pytest.raises(InputError, match=r"batch of one image.*phases.0.batch \(1;"):
        loop.train_fold(job_of(work, dataclasses.replace(recipe, network=network)))


def test_a_worker_that_is_killed_is_told_in_words(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(self: dataloaders.TrainingSet, item: tuple[int, int]) -> dataloaders.Sample:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    monkeypatch.setattr(dataloaders.TrainingSet, "__getitem__", die)
    with pytest.raises(InputError, match=r"was killed.* fewer --workers goes on"):
        loop.train_fold(job_of(work, workers=1))


FLAT = dataclasses.replace(  # six images in batches of 3: one graph
    TINY,
    phases=(dataclasses.replace(SHORT, positive_rate=None, loss=LossWeights(bce=1, image_bce=1)),),
)


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


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
def test_a_compiled_training_follows_the_other_and_goes_on_without(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "precision", lambda device: torch.float32)
    monkeypatch.setattr(loop, "build_model", Speck)
    plain = job_of(work, FLAT)
    expected = loop.train_fold(plain).history
    remove(plain.draft.folder)
    fast = dataclasses.replace(job_of(work, FLAT), compile=True)
    with monkeypatch.context() as patch:
        interrupt_after(patch, epochs=2, before_commit=False)
        with pytest.raises(KeyboardInterrupt):
            loop.train_fold(fast)
    found = loop.train_fold(job_of(work, FLAT)).history
    assert [row["train_loss"] for row in found] == pytest.approx(
        [row["train_loss"] for row in expected], abs=1e-3
    )
    kept = weights.load(next(fast.draft.path("weights").glob("*.pt")))
    assert kept.keys() == Speck(FLAT).state_dict().keys()


def test_norms_that_gpus_share_are_not_compiled(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop.distributed, "world_size", lambda: 2)
    gpu = torch.device("cuda")
    job = dataclasses.replace(job_of(work, FLAT), compile=True, device=gpu)
    with pytest.raises(InputError, match="--compile cannot make graphs of norms that several GPUs"):
        loop.train_fold(job)


def test_what_cannot_be_compiled_is_refused_with_a_cure(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inductor.cpp, "cxx", ("/no/such/compiler",))
    monkeypatch.setattr(inductor, "force_disable_caches", True)
    monkeypatch.setattr(loop, "build_model", Speck)
    cpp_builder.cpp_compiler_search.cache_clear()
    job = dataclasses.replace(job_of(work, FLAT), compile=True)
    with pytest.raises(InputError, match=r"--compile does not work here \(.*without it goes on"):
        loop.train_fold(job)


class Reads(TorchDispatchMode):
    """Counts what takes a value from a tensor to the host, which on a GPU waits for it."""

    NAMES = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "equal")

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # noqa: ANN001, ANN204
        self.count += any(name in func.name() for name in self.NAMES)
        return func(*args, **(kwargs or {}))


# Of RAdam torch counts the steps on the host: it reads them, but they are on no GPU.
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_training_reads_no_value_of_a_step(
    work: Work, monkeypatch: pytest.MonkeyPatch, optimizer: str
) -> None:
    """An epoch of three batches takes as many values to the host as one of two."""
    counts = []
    for name in ("cpu", "numpy", "tolist"):
        method = getattr(torch.Tensor, name)
        monkeypatch.setattr(torch.Tensor, name, lambda *a, _m=method: (counts.append(1), _m(*a))[1])
    everything = LossWeights(*[1.0] * len(dataclasses.fields(LossWeights)))
    settings = dataclasses.replace(
        SHORT, clip=1.0, positive_rate=None, loss=everything, optimizer=optimizer, ema=Ema(0.9)
    )
    found = []
    for batch in (3, 2):
        phases = (dataclasses.replace(settings, batch=batch),)
        job = job_of(work, dataclasses.replace(TINY, phases=phases))
        training = phase.PhaseTraining(job, build_model(job.recipe), 0)
        training._start_ema()
        counts.clear()
        with Reads() as reads:
            training._train(0, [])
        found.append((len(training.batches), reads.count + len(counts)))
        remove(job.draft.folder)
        job.draft.lock.release()
    (few, reads_of_few), (many, reads_of_many) = found
    assert few < many
    assert reads_of_few == reads_of_many > 0


def unlink(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


DAMAGES = pytest.mark.parametrize("damage", [unlink, empty, flip])


@DAMAGES
def test_kept_weights_that_were_damaged_are_not_gone_on_from(
    work: Work, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None]
) -> None:
    with monkeypatch.context() as patch:
        interrupt_after(patch, 4, before_commit=False)
        with pytest.raises(KeyboardInterrupt):
            loop.train_fold(job_of(work))
    job = job_of(work)
    (first, _) = sorted(job.draft.path("weights").iterdir())
    damage(first)
    with pytest.raises(InputError, match=f"{first} is damaged or gone; .*02_train.py --replace"):
        loop.train_fold(job)


@DAMAGES
def test_kept_weights_that_are_damaged_meanwhile_are_not_finished(
    work: Work, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None]
) -> None:
    job = job_of(work)

    def draw(history: object, path: Path) -> None:
        damage(min(job.draft.path("weights").iterdir()))

    monkeypatch.setattr(loop, "draw_curves", draw)
    with pytest.raises(InputError, match=r"weights/phase1_epoch00.\.pt is damaged or gone"):
        loop.train_fold(job)


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
    job = job_of(work)
    path = job.draft.path(artifacts.STATE)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        weights.save(path, content)
    with pytest.raises(InputError, match=f"{path} is damaged, .*02_train.py --replace") as caught:
        loop.train_fold(job)
    assert len(str(caught.value).splitlines()) == 1


def test_a_state_without_hashes_goes_on(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        interrupt_after(patch, 3, before_commit=False)
        with pytest.raises(KeyboardInterrupt):
            loop.train_fold(job_of(work))
    job = job_of(work)
    state = weights.load(job.draft.path(artifacts.STATE))
    del state["record"]["weights"]
    weights.save(job.draft.path(artifacts.STATE), state)
    assert len(loop.train_fold(job).history) == 5


def test_a_state_that_may_not_be_read_is_not_called_damaged(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(work)
    weights.save(job.draft.path(artifacts.STATE), {})

    def forbidden(path: Path, *how: object) -> NoReturn:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", forbidden)
    with pytest.raises(PermissionError):
        checkpoints.resume(job.draft, job.recipe)
