"""Networks as ONNX files, by the optional packages onnx, onnxscript and onnxruntime."""

import io
import warnings
from contextlib import redirect_stderr, redirect_stdout
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.onnx.errors import OnnxExporterError

from lib.errors import InputError
from lib.files import write_aside
from lib.infer.predict import load_models
from lib.models import SegmentationNetwork
from lib.recipes import Recipe

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
TOLERANCE = 1e-4  # between probabilities of torch and of onnxruntime, both in float32
BATCHES = (1, 3)  # images of the comparison: the batch is dynamic
INPUT, OUTPUTS = "images", ("probabilities", "p_positive")


class _Predictor(nn.Module):
    """A network whose call is `predict`: uint8 gray in, probabilities out."""

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        probabilities, p_positive = self.network.predict(images)
        return (probabilities,) if p_positive is None else (probabilities, p_positive)


def require_packages() -> None:
    """Refuse --onnx without its packages.

    Raises:
        InputError: naming the command that installs them.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise InputError(f"--onnx needs packages: pip install {' '.join(missing)}, or leave it out")


def write(recipe: Recipe, checkpoint: Path, path: Path) -> None:
    """Write the network of a checkpoint, after its results were compared with torch's.

    Args:
        recipe: of the run.
        checkpoint: state_dict of the network.
        path: ONNX file to write.

    Raises:
        InputError: if the network cannot be exported, or a probability differs by over TOLERANCE.
    """
    (network,) = load_models(recipe, [checkpoint], torch.device("cpu"))
    predictor, size = _Predictor(network).eval(), recipe.phases[-1].size
    example = torch.zeros((2, 1, size, size), dtype=torch.uint8)
    try:
        with (  # it prints a page of advice
            warnings.catch_warnings(action="ignore"),
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):
            program = torch.onnx.export(
                predictor, (example,), dynamo=True, verbose=False,
                input_names=[INPUT], output_names=list(OUTPUTS[: len(predictor(example))]),
                dynamic_shapes=({0: torch.export.Dim("batch")},),
            )  # fmt: skip
    except OnnxExporterError:
        raise InputError(
            f"--onnx: torch cannot export network {recipe.network.name} of recipe {recipe.name}, "
            "whose steps depend on the values of an image; leave --onnx out"
        ) from None
    assert program is not None
    with write_aside(path) as aside:
        program.save(aside)
        difference = largest_difference(predictor, aside, size)
        if not difference <= TOLERANCE:  # nan too
            aside.unlink()
            raise InputError(
                f"--onnx: {checkpoint} differs from its ONNX network by {difference:.1g} in a "
                f"probability, more than {TOLERANCE:g}; leave --onnx out"
            )


@torch.inference_mode()
def largest_difference(predictor: nn.Module, path: Path, size: int) -> float:
    """Return the largest difference between outputs of torch and onnxruntime.

    Args:
        predictor: (N, 1, size, size) uint8 to a tuple of tensors.
        path: ONNX file.
        size: side of the input, in pixels.
    """
    import onnxruntime  # optional

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    rng, differences = np.random.default_rng(0), []
    for count in BATCHES:
        coarse = rng.integers(0, 256, (count, 1, 8, 8), np.uint8)
        images = coarse.repeat(-(-size // 8), axis=2).repeat(-(-size // 8), axis=3)
        images = np.ascontiguousarray(images[..., :size, :size])
        expected = predictor(torch.from_numpy(images))
        for tensor, array in zip(expected, session.run(None, {INPUT: images}), strict=True):
            differences.append(float(np.abs(tensor.numpy() - array).max()))
    return max(differences)
