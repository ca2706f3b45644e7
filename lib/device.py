"""Device and precision of the networks, compilation, and torch's errors in plain words."""

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch

from lib.errors import InputError

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of malloc.h
COMPILERS = ("torch._dynamo", "torch._inductor", "triton")  # modules of torch.compile's errors
T = TypeVar("T")


def select_device(name: str) -> torch.device:
    """Return the device of a `--device` flag.

    Args:
        name: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", ...; with "auto" and "cuda",
            each process of torchrun gets another GPU.

    Raises:
        InputError: if it is another kind of device, or torch sees no GPU.
    """
    given = name
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        name = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda"):
            raise RuntimeError("networks run on a CPU or with CUDA")
        gpus = torch.cuda.device_count()
        if device.type == "cuda" and device.index >= gpus:
            raise RuntimeError(f"torch sees {gpus} GPUs, from cuda:0")
    except RuntimeError as error:
        reason = str(error).splitlines()[0][:100]
        raise InputError(f"--device {given} cannot be used ({reason}); try auto or cpu") from None
    return device


def use_device(device: torch.device) -> None:
    """Make a device the default of this process, and compute a number on it.

    A process that only waits for others does not call it: it would take memory of the GPU.

    Raises:
        InputError: if the GPU is busy, or of a kind that this torch was not built for.
    """
    try:
        if device.type == "cuda":
            torch.cuda.set_device(device)
        torch.ones(1, device=device).add(1)
    except RuntimeError as error:
        reason = str(error).splitlines()[0][:100]
        raise InputError(f"{device} cannot be used ({reason}); try --device cpu") from None
    keep_freed_memory(device)


def keep_freed_memory(device: torch.device) -> None:
    """Make the C library keep freed memory for the next tensors of a CPU.

    A step frees gigabytes. Without this they go back to the kernel, which clears their pages for
    the next step: up to a fourth of its time (tests/bench/README.md, train).
    """
    if device.type != "cpu" or sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # glibc has it, musl not
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def precision(device: torch.device) -> torch.dtype:
    """Return bfloat16 if the device computes in it, else float16 on a GPU, float32 on a CPU."""
    if device.type == "cuda":
        # Older GPUs emulate bfloat16, which torch reports as support.
        native = torch.cuda.get_device_capability(device) >= (8, 0)
        return torch.bfloat16 if native else torch.float16
    # Older versions of torch have no get_capabilities.
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    native = bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return torch.bfloat16 if device.type == "cpu" and native else torch.float32


def autocast(device: torch.device) -> AbstractContextManager:
    """Return a context in which networks run in the precision of the device."""
    dtype = precision(device)
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)


class _InFloat32(torch.nn.Module):
    """Mixin of a layer that computes in float32, whatever the precision around it."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        with torch.autocast(features.device.type, enabled=False):
            return super().forward(features.float())


def choose_layer_precision(model: torch.nn.Module, device: torch.device) -> None:
    """Set the depthwise convolutions to float32 that train faster in it than in bfloat16.

    On a CPU with bfloat16, those with a stride or more than 3 x 3 weights go backward about four
    times as fast in float32; a network with a MobileNet or EfficientNet gains a third. The weights
    stay as they are.
    """
    if device.type != "cpu" or precision(device) == torch.float32:
        return
    for layer in model.modules():
        if not isinstance(layer, torch.nn.Conv2d) or layer.groups == 1:
            continue
        if max(layer.stride) > 1 or max(layer.kernel_size) > 3:
            # A class and not a hook or a method of the layer: copies, as for a moving average,
            # must compute with their own weights.
            layer.__class__ = type("Conv2d", (_InFloat32, type(layer)), {})


def compiled(function: Callable[..., T]) -> Callable[..., T]:
    """Compile a function into one graph for each shape of its arguments, at the first such call.

    A function that is more than one graph raises an error at the call, instead of running partly
    uncompiled. Graphs compiled earlier are dropped, because torch keeps a limited number.
    """
    torch.compiler.reset()
    return torch.compile(function, fullgraph=True, dynamic=False)


@contextmanager
def friendly_errors(cure: str) -> Iterator[None]:
    """Replace torch's errors by messages for users: no memory, a batch of one, no compiler, ...

    Args:
        cure: settings that change the memory needed, and their values.

    Raises:
        InputError: in place of these errors; others pass unchanged.
    """
    try:
        yield
    except Exception as error:
        message = str(error)
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in message:
            raise InputError(f"out of memory; {cure}") from error
        if "Expected more than 1 value per channel" in message:
            raise InputError(f"a batch of one image cannot be normalised; {cure}") from error
        if "DataLoader worker" in message:
            raise InputError(
                "a process that loads images was killed, most often for lack of memory; "
                "run the same command with fewer --workers to continue"
            ) from error
        if type(error).__module__.startswith(COMPILERS) or "torch.compile" in message:
            lines = [line for line in message.splitlines() if line.strip()]
            reason = lines[0].strip() if lines else "no reason given"
            raise InputError(
                f"--compile does not work here ({reason[:150]}); it needs a C++ compiler, "
                "on a GPU Triton, and a network that torch can compile whole; run the same command "
                "without it to continue"
            ) from error
        raise


def describe(device: torch.device) -> dict[str, Any]:
    """Return device, precision, threads and peak memory, for the manifest."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "precision": str(precision(device)).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "peak_memory_mb": _peak_memory_mb(device),
    }


def _peak_memory_mb(device: torch.device) -> int | None:
    """Return the most memory that this process has held: of a GPU, or else of the machine.

    None on a CPU whose system does not count it in /proc, as a Mac's.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) // 2**20
    # VmHWM and not getrusage, which is at least what the parent held when it started the process.
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    peaks_kb = [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
    return peaks_kb[0] // 2**10 if peaks_kb else None
