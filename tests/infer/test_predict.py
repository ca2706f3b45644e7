"""Maps of a run: their images, flips, checkpoints, and resuming after a kill."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lib import artifacts, dataset, images
from lib.artifacts import Artifact
from lib.dataset import Dataset
from lib.errors import InputError
from lib.files import remove
from lib.infer import predict
from lib.infer.predict import predict_with_flips
from lib.layout import Work
from lib.models import build_model
from lib.models.base import Prediction
from tests import fakes
from tests.tiny_runs import SIZE, TINY, hashes, inference_job


def test_every_validation_and_test_image_gets_a_map(work: Work, run: Artifact) -> None:
    job = inference_job(work, run)
    assert predict.infer_fold(job) == len(job.oof) + len(job.test)
    probs = job.draft.finish()
    data = Dataset(artifacts.read(work.dataset))
    assert {name for name in probs.files if name.endswith(".png")} == {
        *(f"oof/{name}.png" for name in data.validation_ids(0)),
        "test/test0.png",
        "test/test1.png",
    }
    assert images.read_png(probs.path("test/test0.png")).shape == (SIZE, SIZE)
    assert len(probs.path("class.csv").read_text().splitlines()) == 9


def maps_and_times(folder: Path) -> tuple[dict[str, str], dict[str, int]]:
    """Hashes of an inference's files without its journal, and when each map was written."""
    files = hashes(folder)
    files.pop("journal.jsonl", None)
    return files, {path.stem: path.stat().st_mtime_ns for path in folder.glob("*/*.png")}


def test_a_killed_inference_keeps_finished_batches_and_ends_with_the_same_bytes(
    work: Work, run: Artifact
) -> None:
    whole = inference_job(work, run)
    predict.infer_fold(whole)
    expected, _ = maps_and_times(whole.draft.folder)
    remove(whole.draft.folder)
    write = images.write_png

    def killed(path: Path, image: np.ndarray) -> None:
        if path.stem == "test0":  # in the second of two batches
            raise KeyboardInterrupt
        write(path, image)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(images, "write_png", killed)
        with pytest.raises(KeyboardInterrupt):
            predict.infer_fold(inference_job(work, run))
    resumed = inference_job(work, run)
    _, before = maps_and_times(resumed.draft.folder)
    first_batch = resumed.oof[:4]
    assert predict.infer_fold(resumed) == len(resumed.oof) + len(resumed.test) - len(first_batch)
    files, after = maps_and_times(resumed.draft.folder)
    assert files == expected
    assert [after[name] for name in first_batch] == [before[name] for name in first_batch]


def test_flips_and_checkpoints_are_averaged_as_probabilities() -> None:
    models = [build_model(replace(TINY, seed=seed)).eval() for seed in (1, 2)]
    gray = torch.randint(0, 256, (3, 1, SIZE, SIZE), dtype=torch.uint8)
    with torch.inference_mode():
        maps, p = predict_with_flips(models, gray, flip=True)
        each = [model.predict(gray)[0] for model in models]
        each += [model.predict(gray.flip(-1))[0].flip(-1) for model in models]
        plain, _ = predict_with_flips(models[:1], gray, flip=False)
    assert torch.allclose(maps, torch.stack(each).mean(0), atol=1e-6)
    assert torch.allclose(plain, each[0], atol=1e-6)
    assert p is not None
    assert p.shape == (3,)


def test_a_run_of_another_dataset_gives_no_out_of_fold_maps(work: Work, run: Artifact) -> None:
    remove(work.dataset.folder)
    fakes.make_dataset(work, fakes.masks(12, SIZE, seed=1), size=SIZE)
    with pytest.raises(InputError, match="runs/tiny/fold0 .* another dataset .*--replace"):
        predict.out_of_fold(run, dataset.read(work))


def test_without_labels_any_run_may_make_test_maps(work: Work, run: Artifact) -> None:
    remove(work.dataset.folder)
    fakes.make_dataset(work, {}, size=SIZE)
    assert predict.out_of_fold(run, dataset.read(work)) == []


@pytest.mark.parametrize(("pixel", "p"), [(torch.nan, None), (0.5, torch.tensor([0.5, torch.nan]))])
def test_values_that_are_not_finite_are_refused(
    work: Work, run: Artifact, monkeypatch: pytest.MonkeyPatch, pixel: float, p: torch.Tensor | None
) -> None:
    def broken(models: object, gray: torch.Tensor, flip: bool) -> Prediction:
        return torch.full(gray.shape, pixel), p

    monkeypatch.setattr(predict, "predict_with_flips", broken)
    with pytest.raises(InputError, match="runs/tiny/fold0 .* not finite on image00"):
        predict.infer_fold(inference_job(work, run))


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"")])
def test_lost_maps_are_made_again_with_their_batch(
    work: Work, run: Artifact, damage: Callable[[Path], object]
) -> None:
    job = inference_job(work, run)
    predict.infer_fold(job)
    job.draft.lock.release()
    expected, before = maps_and_times(job.draft.folder)
    damage(job.draft.path("test/test1.png"))
    resumed = inference_job(work, run)
    predict.infer_fold(resumed)
    files, after = maps_and_times(job.draft.folder)
    assert files == expected
    rewritten = {name for name in after if after[name] != before[name]}
    assert rewritten == {*resumed.oof[4:], *resumed.test}


def test_an_inference_without_all_its_maps_is_not_finished(
    work: Work, run: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = images.write_png
    monkeypatch.setattr(
        images, "write_png", lambda path, image: path.stem == "test1" or write(path, image)
    )
    with pytest.raises(InputError, match="1 of 8 maps .*test1.png"):
        predict.infer_fold(inference_job(work, run))


def test_the_default_batch_has_equal_numbers_of_pixels() -> None:
    for device, batches in (("cuda", [64, 16, 4, 1]), ("cpu", [8, 1, 1, 1])):
        sizes = (128, 512, 1024, 4096)
        assert [predict.default_batch(size, torch.device(device)) for size in sizes] == batches


def test_a_map_is_quantized_on_the_device_as_everywhere() -> None:
    between = (np.arange(510, dtype=np.float32) / 510).clip(0, 1)  # every value, and every half
    near = np.concatenate([between, np.nextafter(between, 1), np.nextafter(between, 0)])
    maps = predict.quantize(torch.from_numpy(near))
    assert np.array_equal(maps.numpy(), images.quantize(near))


@pytest.mark.parametrize("depth", [1, 2, 9])
def test_results_come_in_order_and_at_most_depth_items_are_read_ahead(depth: int) -> None:
    started: list[int] = []
    items = (started.append(number) or number for number in range(8))
    with ThreadPoolExecutor(3) as pool:
        for number, result in enumerate(predict.prefetch(pool, str, items, depth)):
            assert result == str(number)
            assert len(started) == min(8, number + depth + 1)


def test_threads_change_no_byte(work: Work, run: Artifact) -> None:
    folders = []
    for workers in (1, 4):
        job = inference_job(work, run, batch=3, workers=workers)
        predict.infer_fold(job)
        folders.append(hashes(job.draft.folder))
        remove(job.draft.folder)
        job.draft.lock.release()
    assert folders[0] == folders[1]
