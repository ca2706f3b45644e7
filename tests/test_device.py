"""Where networks run and in what precision; what is asked for and is not there."""

import pytest
import torch

from lib import device
from lib.errors import InputError

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("capabilities", "dtype"),
    [
        pytest.param({"avx512_bf16": True}, torch.bfloat16, id="newer-server-cpus"),
        pytest.param({"amx_bf16": True}, torch.bfloat16, id="matrix-units"),
        pytest.param({"avx512_bf16": False, "avx2": True}, torch.float32, id="others-emulate-it"),
        pytest.param({}, torch.float32, id="unknown"),
    ],
)
def test_a_cpu_computes_in_what_it_has(
    capabilities: dict[str, bool], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert device.precision(CPU) == dtype
    assert device.describe(CPU)["precision"] == str(dtype).removeprefix("torch.")


def test_a_torch_that_cannot_tell_means_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert device.precision(CPU) == torch.float32


@pytest.mark.parametrize(
    ("capability", "dtype"),
    [
        pytest.param((9, 0), torch.bfloat16, id="H200"),
        pytest.param((8, 0), torch.bfloat16, id="A100"),
        pytest.param((7, 5), torch.float16, id="T4, which emulates bfloat16"),
    ],
)
def test_a_gpu_computes_in_half_precision(
    capability: tuple[int, int], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert device.precision(GPU) == dtype


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_inside_autocast_runs_in_the_precision(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "precision", lambda _: dtype)
    layer, images = torch.nn.Conv2d(1, 1, 1), torch.zeros(1, 1, 2, 2)
    with device.autocast(CPU):
        assert layer(images).dtype == dtype


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="--device cuda:99 cannot be used"):
        device.select_device("cuda:99")
    with pytest.raises(InputError, match="--device gpu cannot be used"):
        device.select_device("gpu")


@pytest.mark.parametrize("name", ["meta", "mps", "xla"])
def test_a_device_of_another_kind_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"--device {name} cannot be used .*; try auto or cpu"):
        device.select_device(name)
