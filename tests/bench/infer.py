"""What inference with flips costs: against one image at a time, from PNG to PNG.

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
from tests.bench import published, setting
from tests.bench.clock import side_by_side
from tests.bench.table import NO_GPU, Row

SIZES = (128, 256)  # on a CPU
GPU_SIZE = 512


def ours(work: Work, size: int, device: torch.device) -> None:
    """Every test map of a run, as stage 03 makes them."""
    recipe = setting.sized("r34_512", size, 1)
    source = artifacts.read(work.run("bench", layout.ALL_DATA))
    with setting.inference(work, recipe, source, device) as job:
        predict.infer_fold(job)


def theirs(work: Work, size: int, device: torch.device, folder: Path) -> None:
    """The same maps, in the published way."""
    model = build_model(setting.sized("r34_512", size, 1)).to(device).eval()
    cache, ids = artifacts.read(work.cache(size)), setting.test_ids(work)
    folder.mkdir(exist_ok=True)
    sources = [cache.path(layout.image_file(name)) for name in ids]
    published.infer(model, sources, folder, device)


def rows_at(work: Work, size: int, rounds: int, device: torch.device) -> list[Row]:
    """How many times as fast, milliseconds an image, and memory."""
    setting.run(work, setting.sized("r34_512", size, 1))
    folder, images = work.root / "theirs", len(setting.test_ids(work))
    make = partial(ours, work, size, device)
    usual = partial(theirs, work, size, device, folder)
    quick, slow = side_by_side(rounds, make, usual, finish=partial(setting.finish, device))
    title = f"r34_512 at {size}, flips, on {device.type}"
    value = f"{slow / quick:.2f} ({images / quick:.1f} images/s)"
    each = f"{1000 * quick / images:.1f} ms"
    return [
        Row(f"{title}: ours / one image at a time", value, "at least 1.8"),
        Row(f"{title}: an image", each, "25.6 ms (2ST-UNet)" if size == GPU_SIZE else ""),
        Row(f"{title}: peak memory", setting.peak_memory(make, device), ""),
    ]


def main(words: Sequence[str] | None = None) -> None:
    counts = {"images": 32, "gpu-images": 640, "rounds": 3}
    args = setting.parse(words, "Measure what inference costs.", **counts)
    device, cpu = machine.select_device(args.device), torch.device("cpu")
    with setting.prepared(setting.LEAST, SIZES, args.images) as work:
        rows = [rows_at(work, size, args.rounds, cpu)[0] for size in SIZES]
    if device.type == "cuda":
        with setting.prepared(setting.LEAST, [GPU_SIZE], args.gpu_images) as work:
            rows += rows_at(work, GPU_SIZE, args.rounds, device)
    else:
        target = "25.6 ms (2ST-UNet)"
        rows += [Row(f"r34_512 at {GPU_SIZE}, flips: an image", NO_GPU, target)]
        rows += [Row(f"r34_512 at {GPU_SIZE}, flips: peak memory", NO_GPU, "")]
    setting.show(rows, device)
