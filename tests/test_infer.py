"""Maps of a run: whose images, flips, checkpoints, and going on after a kill."""

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from lib import artifacts, dataset, images
from lib.artifacts import Artifact
from lib.dataset import Dataset
from lib.errors import InputError
from lib.files import remove, sha256
from lib.infer import predict
from lib.infer.tta import predict_with_flips
from lib.layout import Work
from lib.models import build_model
from tests import fakes
from tests.test_train import SIZE, TINY, hashes, job_of, loop, one_thread, work  # noqa: F401


@pytest.fixture
def run(work: Work) -> Artifact:  # noqa: F811
    job = job_of(work, dataclasses.replace(TINY, phases=TINY.phases[1:]))
    loop.train_fold(job)
    return job.draft.finish()


def infer_job(work: Work, run: Artifact, batch: int = 4) -> predict.Job:  # noqa: F811
    data, cache = dataset.read(work), artifacts.read(work.cache(SIZE))
    draft = artifacts.begin(work.probs("tiny", 0), {"tta": "flip"}, [run, cache, data.artifact])
    assert draft
    oof = predict.out_of_fold(run, data)
    device = torch.device("cpu")
    return predict.Job(draft, TINY, run, cache, oof, data.test_ids, True, batch, device, 1)


def test_every_validation_and_test_image_gets_a_map(work: Work, run: Artifact) -> None:  # noqa: F811
    job = infer_job(work, run)
    assert predict.infer_fold(job) == 8
    probs = job.draft.finish()
    data = Dataset(artifacts.read(work.dataset))
    assert {name for name in probs.files if name.startswith("oof/")} == {
        f"oof/{name}.png" for name in data.validation_ids(0)
    }
    assert {name for name in probs.files if name.startswith("test/")} == {
        "test/test0.png",
        "test/test1.png",
    }
    assert images.read_png(probs.path("test/test0.png")).shape == (SIZE, SIZE)
    assert len(probs.path("class.csv").read_text().splitlines()) == 9


def test_a_killed_inference_goes_on_and_ends_with_the_same_bytes(
    work: Work,  # noqa: F811
    run: Artifact,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = infer_job(work, run)
    predict.infer_fold(whole)
    whole.draft.journal.path.unlink()
    expected = hashes(whole.draft.folder)
    remove(whole.draft.folder)
    written, write = [], images.write_png

    def killed(path: Path, image: np.ndarray) -> None:
        if len(written) == 5:
            raise KeyboardInterrupt
        written.append(path)
        write(path, image)

    with monkeypatch.context() as patch:
        patch.setattr(images, "write_png", killed)
        with pytest.raises(KeyboardInterrupt):
            predict.infer_fold(infer_job(work, run))
    seen = []
    monkeypatch.setattr(images, "write_png", lambda *a: (seen.append(a[0].name), write(*a)))
    again = infer_job(work, run)
    predict.infer_fold(again)
    assert len(seen) == 4  # the first batch was done
    again.draft.journal.path.unlink()
    assert hashes(again.draft.folder) == expected


def test_flips_and_checkpoints_are_averaged_as_probabilities() -> None:
    models = [build_model(dataclasses.replace(TINY, seed=seed)).eval() for seed in (1, 2)]
    gray = torch.randint(0, 256, (3, 1, SIZE, SIZE), dtype=torch.uint8)
    with torch.inference_mode():
        found, positive = predict_with_flips(models, gray, flip=True)
        each = [model.predict(gray)[0] for model in models]
        each += [model.predict(gray.flip(-1))[0].flip(-1) for model in models]
        plain, _ = predict_with_flips(models[:1], gray, flip=False)
    assert torch.allclose(found, torch.stack(each).mean(0), atol=1e-6)
    assert torch.allclose(plain, each[0], atol=1e-6)
    assert positive is not None
    assert positive.shape == (3,)


def test_a_mirrored_image_gets_the_mirrored_map() -> None:
    model = build_model(TINY).eval()
    gray = torch.randint(0, 256, (2, 1, SIZE, SIZE), dtype=torch.uint8)
    with torch.inference_mode():
        there, back = (predict_with_flips([model], x, flip=True)[0] for x in (gray, gray.flip(-1)))
    assert torch.allclose(there, back.flip(-1), atol=1e-6)


def test_a_run_of_another_dataset_gives_no_out_of_fold_maps(work: Work, run: Artifact) -> None:  # noqa: F811
    remove(work.dataset.folder)
    fakes.make_dataset(work, fakes.masks(12, SIZE, seed=1), size=SIZE)
    with pytest.raises(InputError, match="trained on another dataset"):
        predict.out_of_fold(run, dataset.read(work))


def test_without_labels_any_run_may_make_test_maps(work: Work, run: Artifact) -> None:  # noqa: F811
    remove(work.dataset.folder)
    fakes.make_dataset(work, {}, size=SIZE)
    assert predict.out_of_fold(run, dataset.read(work)) == []


def test_maps_that_are_no_numbers_are_refused(
    work: Work,  # noqa: F811
    run: Artifact,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(models: object, gray: torch.Tensor, flip: bool) -> tuple[torch.Tensor, None]:
        return torch.full(gray.shape, torch.nan), None

    monkeypatch.setattr(predict, "predict_with_flips", broken)
    with pytest.raises(InputError, match="no number on image00"):
        predict.infer_fold(infer_job(work, run))


def test_image_probabilities_that_are_no_numbers_are_refused(
    work: Work,  # noqa: F811
    run: Artifact,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(models: object, gray: torch.Tensor, flip: bool) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.zeros(gray.shape), torch.tensor([0.5] * (len(gray) - 1) + [torch.nan])

    monkeypatch.setattr(predict, "predict_with_flips", broken)
    with pytest.raises(InputError, match="no number on image00"):
        predict.infer_fold(infer_job(work, run))


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"")])
def test_maps_that_were_done_and_are_lost_are_made_again(
    work: Work,  # noqa: F811
    run: Artifact,
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[Path], object],
) -> None:
    job = infer_job(work, run)
    predict.infer_fold(job)
    job.draft.lock.release()
    expected = hashes(job.draft.folder)
    damage(job.draft.path("test/test1.png"))
    seen, write = [], images.write_png
    monkeypatch.setattr(images, "write_png", lambda *a: (seen.append(a[0].name), write(*a)))
    again = infer_job(work, run)
    predict.infer_fold(again)
    assert len(seen) == 4  # its batch
    assert hashes(again.draft.folder) == {
        **expected,
        "journal.jsonl": sha256(again.draft.journal.path),
    }


def test_an_inference_without_all_its_maps_is_not_finished(
    work: Work,  # noqa: F811
    run: Artifact,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write = images.write_png
    monkeypatch.setattr(
        images, "write_png", lambda path, image: path.stem == "test1" or write(path, image)
    )
    with pytest.raises(InputError, match="1 of 8 maps are not there or empty, .*test1.png"):
        predict.infer_fold(infer_job(work, run))


def test_a_batch_is_cut_by_the_size_of_its_images() -> None:
    for device, batches in (("cuda", [64, 16, 4, 1]), ("cpu", [8, 1, 1, 1])):
        sizes = (128, 512, 1024, 4096)
        assert [predict.default_batch(size, torch.device(device)) for size in sizes] == batches


def test_a_map_is_quantized_on_the_device_as_everywhere() -> None:
    between = (np.arange(510, dtype=np.float32) / 510).clip(0, 1)  # every value, and every half
    near = np.concatenate([between, np.nextafter(between, 1), np.nextafter(between, 0)])
    found = predict.quantize(torch.from_numpy(near))
    assert np.array_equal(found.numpy(), images.quantize(near))


@pytest.mark.parametrize("depth", [1, 2, 9])
def test_results_come_in_order_and_no_more_is_begun_than_asked(depth: int) -> None:
    drawn: list[int] = []
    items = (drawn.append(number) or number for number in range(8))
    with ThreadPoolExecutor(3) as pool:
        for number, result in enumerate(predict.prefetch(pool, str, items, depth)):
            assert result == str(number)
            assert len(drawn) == min(8, number + depth + 1)


def test_threads_change_no_byte(work: Work, run: Artifact) -> None:  # noqa: F811
    folders = []
    for workers in (1, 4):
        job = dataclasses.replace(infer_job(work, run, batch=3), workers=workers)
        predict.infer_fold(job)
        folders.append(hashes(job.draft.folder))
        remove(job.draft.folder)
        job.draft.lock.release()
    assert folders[0] == folders[1]
