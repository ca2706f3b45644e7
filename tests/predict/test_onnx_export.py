"""ONNX networks give torch's probabilities for any batch; without the packages, a line."""

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from lib.errors import InputError
from lib.models import build_model, weights
from lib.predict import onnx_export
from tests.tiny_runs import SIZE, TINY

installed = all(find_spec(name) for name in onnx_export.PACKAGES)
needs_packages = pytest.mark.skipif(
    not installed, reason="the packages of --onnx are not installed"
)


@needs_packages
@pytest.mark.parametrize("image_head", [True, False])
def test_the_file_takes_gray_images_and_gives_probabilities(
    tmp_path: Path, image_head: bool
) -> None:
    import onnxruntime

    recipe = replace(TINY, network=replace(TINY.network, image_head=image_head))
    model = build_model(recipe).eval()
    weights.save(tmp_path / "x.pt", model.state_dict())
    onnx_export.write(recipe, tmp_path / "x.pt", tmp_path / "onnx/x.onnx")
    assert [path.name for path in (tmp_path / "onnx").iterdir()] == ["x.onnx"]
    session = onnxruntime.InferenceSession(tmp_path / "onnx/x.onnx")
    images = np.random.default_rng(0).integers(0, 256, (5, 1, SIZE, SIZE), np.uint8)
    outputs = session.run(None, {"images": images})
    with torch.inference_mode():
        expected = model.predict(torch.from_numpy(images))
    assert len(outputs) == 1 + image_head
    for array, tensor in zip(outputs, expected, strict=False):
        assert np.abs(array - tensor.numpy()).max() < 1e-4


@needs_packages
def test_a_network_that_differs_is_not_written(tmp_path: Path, monkeypatch) -> None:
    weights.save(tmp_path / "x.pt", build_model(TINY).state_dict())
    monkeypatch.setattr(onnx_export, "TOLERANCE", -1.0)
    with pytest.raises(InputError, match="x.pt differs from its ONNX network"):
        onnx_export.write(TINY, tmp_path / "x.pt", tmp_path / "x.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["x.pt"]


@pytest.mark.skipif(installed, reason="the packages of --onnx are installed")
def test_without_the_packages_their_names_are_said() -> None:
    with pytest.raises(InputError, match="pip install .*onnx"):
        onnx_export.require_packages()
