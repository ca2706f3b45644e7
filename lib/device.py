"""Where the networks run, and in what precision."""

import os

# Threads that wait for each other spin, by default for milliseconds. Beside another busy process
# that made training on 2 cores 30 to 100 times slower; this costs nothing on a quiet machine. It is
# read when torch is loaded.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import torch

from lib.errors import InputError

COMPILERS = ("torch._dynamo", "torch._inductor", "triton")  # where torch.compile's errors are from
T = TypeVar("T")


def select_device(name: str) -> torch.device:
    """The device of a `--device` flag.

    Args:
        name: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", ...; torchrun's processes
            each have a GPU of their own with "auto" and "cuda".

    Raises:
        InputError: if there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and "LOCAL_RANK" in os.environ:
        name = f"cuda:{os.environ['LOCAL_RANK']}"
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda"):
            raise RuntimeError("networks run on a CPU or with CUDA")
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0][:100]
        raise InputError(f"--device {name} cannot be used ({reason}); try auto or cpu") from None
    return device


def precision(device: torch.device) -> torch.dtype:
    """bfloat16 where the device computes in it, else float16 on a GPU, float32 on a CPU."""
    if device.type == "cuda":
        # Older ones emulate bfloat16: torch then calls it supported.
        native = torch.cuda.get_device_capability(device) >= (8, 0)
        return torch.bfloat16 if native else torch.float16
    # Older torch cannot tell.
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    native = bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return torch.bfloat16 if device.type == "cpu" and native else torch.float32


def autocast(device: torch.device) -> AbstractContextManager:
    """Run what is inside in the device's precision."""
    dtype = precision(device)
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)


def compiled(function: Callable[..., T]) -> Callable[..., T]:
    """`function` as one graph for each shape of its arguments, made when that shape first comes.

    What cannot be made one graph is an error, at the call: nothing runs uncompiled unasked. Graphs
    that this returned before are dropped, as torch makes a limited number.
    """
    torch.compiler.reset()
    return torch.compile(function, fullgraph=True, dynamic=False)


@contextmanager
def friendly_errors(cure: str) -> Iterator[None]:
    """Say in words what torch says for its developers: no memory, a lone image, no compiler, ...

    Args:
        cure: which knobs change the memory that is needed, and their values.

    Raises:
        InputError: in place of these errors; others go through.
    """
    try:
        yield
    except Exception as error:
        said = str(error)
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in said:
            raise InputError(f"out of memory; {cure}") from error
        if "Expected more than 1 value per channel" in said:
            raise InputError(f"a batch of one image cannot be normalised; {cure}") from error
        if "DataLoader worker" in said:
            raise InputError(
                "a process that loads images was killed, most often for lack of memory; "
                "the same command with fewer --workers goes on from here"
            ) from error
        if type(error).__module__.startswith(COMPILERS) or "torch.compile" in said:
            reason = next((line for line in said.splitlines() if line.strip()), "no reason given")
            raise InputError(
                f"--compile does not work here ({reason.strip()[:150]}); it needs a C++ compiler, "
                "on a GPU Triton, and a network that torch can compile whole; the same command "
                "without it goes on from here"
            ) from error
        raise


def describe(device: torch.device) -> dict[str, Any]:
    """What a manifest says of the machine."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    dtype = str(precision(device)).removeprefix("torch.")
    return {"device": name, "precision": dtype, "threads": torch.get_num_threads()}
