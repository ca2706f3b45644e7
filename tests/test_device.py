"""Device and precision of the networks, and torch's errors in plain words."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lib import device
from lib.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
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
def test_a_cpu_computes_in_bfloat16_only_if_it_has_it(
    capabilities: dict[str, bool], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert device.precision(CPU) == dtype
    assert device.describe(CPU)["precision"] == str(dtype).removeprefix("torch.")


def test_the_peak_memory_is_that_of_this_process() -> None:
    """In a process of its own: this one may have had a higher peak before."""
    code = """
import torch
from lib import device
def peak(): return device.describe(torch.device("cpu"))["peak_memory_mb"]
before = peak()
torch.ones(2**20 * 100)  # 400 MB
print(before is None or peak() - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    if done.stdout.strip() == "True":
        pytest.skip("this system does not count it in /proc")
    assert 200 < float(done.stdout) < 800


def test_a_torch_without_capabilities_means_float32(monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_autocast_computes_in_the_precision(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "precision", lambda _: dtype)
    layer, images = torch.nn.Conv2d(1, 1, 1), torch.zeros(1, 1, 2, 2)
    with device.autocast(CPU):
        assert layer(images).dtype == dtype


def test_a_missing_device_is_refused() -> None:
    with pytest.raises(InputError, match="--device cuda:99 cannot be used"):
        device.select_device("cuda:99")
    with pytest.raises(InputError, match="--device gpu cannot be used"):
        device.select_device("gpu")


@pytest.mark.parametrize("name", ["meta", "mps", "xla"])
def test_a_device_of_another_kind_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"--device {name} cannot be used .*; try auto or cpu"):
        device.select_device(name)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "out of memory; use --batch 2"),
        (RuntimeError("can't allocate memory: 8 bytes"), "out of memory; use --batch 2"),
        (ValueError("Expected more than 1 value per channel"), "one image .*; use --batch 2"),
        (RuntimeError("DataLoader worker (pid 3) is killed"), "fewer --workers"),
        (RuntimeError("\ntorch.compile needs gcc"), "--compile does not .*torch.compile needs gcc"),
    ],
)
def test_errors_of_torch_become_messages_with_a_cure(error: Exception, message: str) -> None:
    with pytest.raises(InputError, match=message), device.friendly_errors("use --batch 2"):
        raise error


def test_other_errors_pass_unchanged() -> None:
    with pytest.raises(RuntimeError, match="^a bug$"), device.friendly_errors("use --batch 2"):
        raise RuntimeError("a bug")


@pytest.mark.parametrize("module", ["lib.device", "lib.distributed", "lib.train.trainer"])
def test_the_time_that_threads_spin_is_set_before_torch_is_loaded(module: str) -> None:
    """Later it has no effect, and training beside another program nearly stands still."""
    code = f"""
import os, sys
class Watcher:
    def find_spec(self, name, *_):
        if name == "torch" and "GOMP_SPINCOUNT" not in os.environ:
            sys.exit("too late")
sys.meta_path.insert(0, Watcher())
import {module}
"""
    env = {key: value for key, value in os.environ.items() if key != "GOMP_SPINCOUNT"}
    assert subprocess.run([sys.executable, "-c", code], env=env, cwd=ROOT).returncode == 0


@pytest.mark.parametrize(
    ("layer", "dtype"),
    [
        pytest.param({"groups": 4, "kernel_size": 3, "stride": 2}, torch.float32, id="strided"),
        pytest.param({"groups": 4, "kernel_size": 5}, torch.float32, id="wide"),
        pytest.param({"groups": 4, "kernel_size": 3}, torch.bfloat16, id="3-x-3"),
        pytest.param({"groups": 1, "kernel_size": 5}, torch.bfloat16, id="not-depthwise"),
    ],
)
def test_some_depthwise_convolutions_train_in_float32_on_a_cpu_with_bfloat16(
    layer: dict[str, int], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    model = torch.nn.Sequential(torch.nn.Conv2d(4, 4, **layer))
    images = torch.randn(2, 4, 8, 8)
    exact, keys = model(images), list(model.state_dict())
    device.choose_layer_precision(model, CPU)
    another = copy.deepcopy(model)
    with device.autocast(CPU):
        assert model(images).dtype == dtype
        assert list(model.state_dict()) == keys
        if dtype == torch.float32:
            assert torch.equal(model(images), exact)
            torch.nn.init.zeros_(model[0].weight)
            assert torch.equal(another(images), exact)


def test_without_bfloat16_all_layers_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {}, raising=False)
    model = torch.nn.Sequential(torch.nn.Conv2d(4, 4, 5, groups=4))
    device.choose_layer_precision(model, CPU)
    assert type(model[0]) is torch.nn.Conv2d


@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_a_gpu_has_its_number_because_torch_wants_one(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert device.select_device(name) == torch.device("cuda:0")
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert device.select_device(name) == torch.device("cuda:3")


@pytest.mark.skipif(sys.platform != "linux", reason="malloc of Linux")
def test_freed_memory_is_kept_for_the_next_tensors() -> None:
    """The kernel hands out pages of 4 kB, and counts each: 25,600 for 100 MiB."""
    code = """
import resource, torch
from lib import device
device.keep_freed_memory(torch.device("cpu"))
for _ in range(9):  # the first ones find their place
    torch.ones(25 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    torch.ones(25 << 20)
assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 1000
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
