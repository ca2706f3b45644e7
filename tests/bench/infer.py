"""Speed of inference with flips, from PNG to PNG, against one image at a time.

python -m tests.bench infer [--device auto] [--images 32] [--gpu-images 640] [--rounds 3]
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch

from lib import artifacts, layout
from lib import device as machine
from lib.infer import predict
from lib.layout import Work
from lib.models import build_model
from tests.bench import reference_torch, workloads
from tests.bench.harness import NO_GPU, Row, best_times, parse_args

SIZES = (128, 256)  # px, on a CPU
GPU_SIZE = 512
PUBLISHED_TIME = "25.6 ms (2ST-UNet)"


def infer_as_stage(work: Work, size: int, device: torch.device) -> None:
    """Infer every test map of a run as stage 03 does."""
    recipe = workloads.one_phase("r34_512", size, 1)
    source = artifacts.read(work.run("bench", layout.ALL_DATA))
    with workloads.inference_job(work, recipe, source, device) as job:
        predict.infer_fold(job)


def infer_as_published(work: Work, size: int, device: torch.device, folder: Path) -> None:
    """Infer the same maps as published pipelines do."""
    model = build_model(workloads.one_phase("r34_512", size, 1)).to(device).eval()
    cache, ids = artifacts.read(work.cache(size)), workloads.test_ids(work)
    folder.mkdir(exist_ok=True)
    sources = [cache.path(layout.image_file(name)) for name in ids]
    reference_torch.infer(model, sources, folder, device)


def measure_size(work: Work, size: int, rounds: int, device: torch.device) -> list[Row]:
    """Measure the speed-up, the milliseconds of an image, and the peak memory at one size."""
    workloads.make_random_run(work, workloads.one_phase("r34_512", size, 1))
    folder, images = work.root / "published", len(workloads.test_ids(work))
    stage = partial(infer_as_stage, work, size, device)
    published = partial(infer_as_published, work, size, device, folder)
    synchronize = partial(workloads.synchronize, device)
    fast, slow = best_times(rounds, stage, published, finish=synchronize)
    title = f"r34_512 at {size}, flips, on {device.type}"
    value = f"{slow / fast:.2f} ({images / fast:.1f} images/s)"
    each = f"{1000 * fast / images:.1f} ms"
    return [
        Row(f"{title}: stage 03 / one image at a time", value, "at least 1.8"),
        Row(f"{title}: an image", each, PUBLISHED_TIME if size == GPU_SIZE else ""),
        Row(f"{title}: peak memory", workloads.peak_memory(stage, device), ""),
    ]


def main(argv: Sequence[str]) -> None:
    args = parse_args(argv, __doc__, images=32, gpu_images=640, rounds=3, device="auto")
    device, cpu = machine.select_device(args.device), torch.device("cpu")
    machine.use_device(device)  # as the stages do
    with workloads.prepared(workloads.MIN_IMAGES, SIZES, args.images) as work:
        rows = [measure_size(work, size, args.rounds, cpu)[0] for size in SIZES]
    if device.type == "cuda":
        with workloads.prepared(workloads.MIN_IMAGES, [GPU_SIZE], args.gpu_images) as work:
            rows += measure_size(work, GPU_SIZE, args.rounds, device)
    else:
        rows += [Row(f"r34_512 at {GPU_SIZE}, flips: an image", NO_GPU, PUBLISHED_TIME)]
        rows += [Row(f"r34_512 at {GPU_SIZE}, flips: peak memory", NO_GPU, "")]
    workloads.print_with_device(rows, device)
