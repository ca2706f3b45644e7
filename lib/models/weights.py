"""Weight files: plain state_dicts without pickled objects; equal tensors are equal bytes."""

import io
from pathlib import Path
from typing import Any

import torch
from segmentation_models_pytorch.encoders import get_encoder

from lib.errors import InputError
from lib.files import sha256, write_bytes
from lib.models.base import SegmentationNetwork
from lib.recipes import Recipe


def save(path: Path, content: Any) -> None:
    """Write a state_dict, or nested plain values and tensors, aside and rename it.

    torch.save writes to memory first, because it puts the name of a file into the file.
    """
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_bytes(path, buffer.getvalue())


def load(path: Path) -> Any:
    """Read a file of `save`, to the CPU.

    Raises:
        InputError: if the file is missing, damaged, or holds other objects than tensors and plain
            values.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises anything from KeyError to UnpicklingError here
        reason = str(error).splitlines()[0][:150] if str(error) else type(error).__name__
        raise InputError(f"{path} cannot be read as weights: {reason}") from None


def load_model(model: SegmentationNetwork, path: Path) -> SegmentationNetwork:
    """Load a checkpoint of stage 02 into a network of its recipe.

    Raises:
        InputError: if the file cannot be read, or its tensors do not fit the network.
    """
    try:
        model.load_state_dict(load(path))
    except (RuntimeError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} does not fit the recipe's network: {reason}") from None
    return model


def encoder_fingerprint(source: str) -> str:
    """Return the encoder's start as the config of a run has it: imagenet, none, or a file's hash.

    Raises:
        InputError: if the file does not exist.
    """
    if source in ("imagenet", "none"):
        return source
    if not Path(source).is_file():
        raise InputError(f"--encoder-weights {source} is no file; give imagenet, none or a file")
    return f"sha256 {sha256(Path(source))}"


def init_encoder(model: SegmentationNetwork, recipe: Recipe, source: str) -> str:
    """Load the pretrained weights of a network's encoder.

    Args:
        source: "imagenet" (downloaded by smp), "none", or a file with a state_dict of the encoder.

    Returns:
        A line about the weights, for the log.

    Raises:
        InputError: if the weights are not available, or lack a tensor of the encoder: training
            never starts from random weights by accident.
    """
    if source == "none":
        return "encoder starts from random weights"
    if model.encoder is None:
        raise InputError(
            f"network {recipe.network.name} has no encoder; give --encoder-weights none"
        )
    if source == "imagenet":
        state, origin = _imagenet(recipe.network.encoder, model.encoder), "ImageNet"
    else:
        state, origin = load(Path(source)), source
    return f"encoder starts from {origin}: {_load_all(model.encoder, state, origin)}"


def _imagenet(name: str, encoder: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return smp's tensors of an encoder, with as many input channels as `encoder` has."""
    channels = next(encoder.parameters()).shape[1]
    try:
        full = get_encoder(name, channels, weights="imagenet")
    except (OSError, KeyError) as error:
        raise InputError(
            f"ImageNet weights of {name} are not available ({str(error).splitlines()[0][:90]}): "
            "connect to the internet, or give --encoder-weights FILE or --encoder-weights none"
        ) from None
    return full.state_dict()


def _load_all(encoder: torch.nn.Module, state: Any, origin: str) -> str:
    """Load a state_dict, which must have every tensor of the encoder; return a line about it."""
    expected = encoder.state_dict()
    if not isinstance(state, dict):
        raise InputError(
            f"{origin} holds a {type(state).__name__}, not the state_dict of an encoder"
        )
    matched = [k for k, v in expected.items() if getattr(state.get(k), "shape", None) == v.shape]
    if len(matched) < len(expected):
        missing = sorted(expected.keys() - set(matched))
        raise InputError(
            f"{origin} matches {len(matched)} of the encoder's {len(expected)} tensors; "
            f"missing or of another shape: {', '.join(missing)}"
        )
    encoder.load_state_dict({key: state[key] for key in matched})
    unused = sorted(state.keys() - expected.keys())
    ignored = f"; ignored, not in the encoder: {', '.join(unused)}" if unused else ""
    return f"{len(matched)} of {len(expected)} tensors matched{ignored}"
