"""Speed of lib.predict, from DICOM files to masks and overlays, against stage 03.

python -m tests.bench predict [--device auto] [--images 32] [--gpu-images 320] [--rounds 3]
"""

import tempfile
from collections.abc import Sequence
from functools import partial
from itertools import count
from pathlib import Path

import torch

from lib import artifacts, layout
from lib import device as machine
from lib.decision.rules import ThresholdRule
from lib.files import sha256
from lib.infer import predict
from lib.layout import Work
from lib.predict import files, outputs, run
from lib.predict.files import ImageFile
from lib.predict.run import PredictionJob
from lib.predict.system import TrainedNetwork, TrainedSystem
from tests.bench import workloads
from tests.bench.harness import Row, best_times, parse_args, print_table

FRAME = 1024  # side of the phantoms, in pixels
SIZES = (256, 512)  # of the network's input


def make_system(work: Work, size: int) -> TrainedSystem:
    """Return a system of one network with random weights, and empty masks, as most images have."""
    recipe = workloads.one_phase("r34_512", size, 1)
    source = workloads.make_random_run(work, recipe)
    path = source.path("weights/phase0_epoch000.pt")
    network = TrainedNetwork(
        "bench", layout.ALL_DATA, True, recipe, {"x.pt": sha256(path)}, 1.0, 1.0
    )
    rule = ThresholdRule(top=0.99, bottom=0.99)
    scores = {"oof_dice": None}
    return TrainedSystem("bench", FRAME, "params", rule, (network,), None, scores, {"x.pt": path})


def infer_as_stage(work: Work, system: TrainedSystem, device: torch.device) -> None:
    """Infer every test image from the cache, as stage 03 does."""
    source = artifacts.read(work.run("bench", layout.ALL_DATA))
    with workloads.inference_job(work, system.networks[0].recipe, source, device) as job:
        predict.infer_fold(job)


def predict_files(
    images: Sequence[ImageFile],
    system: TrainedSystem,
    folder: Path,
    numbers: count,
    device: torch.device,
) -> None:
    """Predict the files of these images, into a new folder at each call."""
    out = folder / f"out{next(numbers)}"
    with outputs.begin(out, system):
        outcome = run.predict_images(PredictionJob(images, system, out, device))
    assert outcome.predicted == len(images), outcome.failed


def measure(work: Work, sizes: Sequence[int], rounds: int, device: torch.device) -> list[Row]:
    """Measure images/s of both, and their ratio, at each size."""
    images = files.find([work.root.parent / "raw/dicom-images-test"], work.root).images
    rows = []
    for size in sizes:
        system = make_system(work, size)
        with tempfile.TemporaryDirectory() as folder:
            tool = partial(predict_files, images, system, Path(folder), count(), device)
            stage = partial(infer_as_stage, work, system, device)
            finish = partial(workloads.synchronize, device)
            tool_time, stage_time = best_times(rounds, tool, stage, finish=finish)
        speeds = f"{len(images) / tool_time:.1f} and {len(images) / stage_time:.1f} images/s"
        title = f"r34_512 at {size}, flips, on {device.type}: lib.predict / stage 03"
        rows.append(Row(title, f"{stage_time / tool_time:.2f} ({speeds})", "at least 0.9"))
    return rows


def main(argv: Sequence[str]) -> None:
    args = parse_args(argv, __doc__, images=32, gpu_images=320, rounds=3, device="auto")
    device = machine.select_device(args.device)
    machine.use_device(device)  # as the stages do
    images, sizes = (args.gpu_images, SIZES[1:]) if device.type == "cuda" else (args.images, SIZES)
    with workloads.prepared(workloads.MIN_IMAGES, (*SIZES, FRAME), images) as work:
        print_table(measure(work, sizes, args.rounds, device))
    print(f"\n{workloads.describe_device(device)}")
