"""Weight files: plain state_dicts without pickled objects; equal tensors are equal bytes."""

import io
import warnings
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import torch
from huggingface_hub import constants, get_session
from segmentation_models_pytorch.encoders import encoders, get_encoder

from lib.errors import InputError
from lib.files import sha256, write_bytes
from lib.models.base import SegmentationNetwork
from lib.recipes import Recipe

HUB_SECONDS = 4.0
SUM = "sum:"  # before a file: its first convolution is summed over the input channels


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
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    except Exception:  # torch raises anything from KeyError to UnpicklingError here
        raise InputError(
            f"{path} cannot be read as weights: it is damaged, or not written by torch.save, or "
            "holds more than tensors; give a state_dict as torch.save writes it"
        ) from None


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


def encoder_file(source: str, encoder: str) -> str:
    """Return the value of --encoder-weights, with the file of an encoder in place of a folder.

    Args:
        source: imagenet, none, a file, or a folder with <encoder>.pt; files may follow "sum:".
        encoder: its name in segmentation-models-pytorch.
    """
    prefix = SUM if source.startswith(SUM) else ""
    path = Path(source.removeprefix(SUM))
    return f"{prefix}{path / encoder}.pt" if path.is_dir() else source


def encoder_fingerprint(source: str) -> str:
    """Return the encoder's start as the config of a run has it: imagenet, none, or a file's hash.

    Raises:
        InputError: if the file does not exist.
    """
    if source in ("imagenet", "none"):
        return source
    file = Path(source.removeprefix(SUM))
    if not file.is_file():
        raise InputError(
            f"--encoder-weights {file} is not a file; give imagenet, none, a file, or a folder "
            "with <encoder>.pt"
        )
    return f"{SUM if source.startswith(SUM) else ''}sha256 {sha256(file)}"


def init_encoder(model: SegmentationNetwork, recipe: Recipe, source: str) -> str:
    """Load the pretrained weights of a network's encoder.

    Args:
        source: "imagenet" (downloaded by smp), "none", a file with a state_dict of the encoder, or
            "sum:" and such a file, to sum its first convolution over the channels for gray input.

    Returns:
        A line about the weights, for the log.

    Raises:
        InputError: if the weights are not available, lack a tensor of the encoder, or are those of
            another encoder: training never starts from random weights by accident.
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
        origin = source.removeprefix(SUM)
        state = load(Path(origin))
    if not isinstance(state, dict):
        raise InputError(
            f"{origin} holds a {type(state).__name__}, not the state_dict of an encoder"
        )
    summed = ""
    if source.startswith(SUM):
        state, summed = _sum_channels(model.encoder, recipe, state, origin)
    matched = _load_all(model.encoder, recipe, state, origin)
    return f"encoder starts from {origin}{summed}: {matched}"


def _imagenet(name: str, encoder: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return smp's tensors of an encoder, with as many input channels as `encoder` has."""
    channels = next(encoder.parameters()).shape[1]
    online = _hub_answers()
    if not online:
        constants.HF_HUB_OFFLINE = True  # files of the cache only: the hub is retried for 30 s
    try:
        # smp names the weights; timm has them in the encoder's name, or one set by default.
        full = get_encoder(name, channels, weights=name.startswith("tu-") or "imagenet")
    except (OSError, KeyError) as error:
        unreachable = f"{constants.ENDPOINT} does not answer"
        reason = str(error).splitlines()[0][:90] if online else unreachable
        raise InputError(
            f"ImageNet weights of {name} are not available ({reason}): "
            "connect to the internet, or give --encoder-weights FILE or --encoder-weights none"
        ) from None
    return full.state_dict()


def _hub_answers() -> bool:
    """Return True if the server of smp's weights answers within HUB_SECONDS."""
    answers = []

    def ask() -> None:
        with suppress(Exception):  # of httpx or requests, which depends on the hub's version
            answers.append(get_session().head(constants.ENDPOINT, timeout=HUB_SECONDS))

    thread = Thread(target=ask, daemon=True)  # no timeout covers the look-up of the name
    thread.start()
    thread.join(HUB_SECONDS)
    return bool(answers)


def _sum_channels(
    encoder: torch.nn.Module, recipe: Recipe, state: dict[str, Any], origin: str
) -> tuple[dict[str, Any], str]:
    """Return a state_dict for gray input, as smp adapts its own weights, and a note on it."""
    channels = len(recipe.input.mean)
    if channels != 1:
        raise InputError(
            f"--encoder-weights {SUM}{origin} is for recipes of one gray channel, and this one has "
            f"{channels} (input.mean); give --encoder-weights {origin}"
        )
    first = _first_convolution(encoder.state_dict())
    if getattr(state.get(first), "ndim", 0) != 4:  # of another encoder; refused later
        return state, ""
    return state | {first: state[first].sum(1, keepdim=True)}, (
        f", {first} summed over {state[first].shape[1]} channels"
    )


def _load_all(encoder: torch.nn.Module, recipe: Recipe, state: dict[str, Any], origin: str) -> str:
    """Load a state_dict, which must have every tensor of the encoder; return a line about it."""
    expected = encoder.state_dict()
    matched = [k for k, v in expected.items() if getattr(state.get(k), "shape", None) == v.shape]
    unused = sorted(state.keys() - expected.keys())
    if unused or len(matched) < len(expected):
        reason = _explain_mismatch(expected, recipe, state, origin)
        if reason:
            raise InputError(
                f"{origin} matches {len(matched)} of the encoder's {len(expected)} tensors{reason}"
            )
    encoder.load_state_dict({key: state[key] for key in matched})
    ignored = f"; ignored, not in the encoder: {', '.join(unused)}" if unused else ""
    return f"{len(matched)} of {len(expected)} tensors matched{ignored}"


def _explain_mismatch(
    expected: dict[str, Any], recipe: Recipe, state: dict[str, Any], origin: str
) -> str | None:
    """Return the reason why a state_dict does not fit an encoder, as the end of a sentence.

    None if it fits, with tensors that the encoder has no use for, such as those of a classifier.
    """
    name = recipe.network.encoder
    missing = _missing_tensors(expected, state)
    similar = _find_encoder(state, name) if missing or name in encoders else None
    if similar and similar != name:
        return (
            f": it looks like {similar}, not {name}; give a file of {name}, or "
            f"--set network.encoder={similar}"
        )
    if missing:
        shown = ", ".join(missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        return f"; missing or of another shape: {shown}{more}"
    first = _first_convolution(expected)
    channels, needed = state[first].shape[1], expected[first].shape[1]
    if channels == needed:
        return None
    example = "[" + ",".join(["0.5"] * channels) + "]"
    summed = f"sum it over them by --encoder-weights {SUM}{origin}, or " if needed == 1 else ""
    return (
        f": its first convolution {first} takes {channels} input channel{'s'[: channels - 1]}, "
        f"the recipe's {needed}; {summed}give input.mean and input.std {channels} "
        f"{'entries' if channels > 1 else 'entry'}, those of the file's training, such as "
        f"--set input.mean={example} input.std={example}"
    )


def _find_encoder(state: dict[str, Any], preferred: str) -> str | None:
    """Return smp's largest encoder that has all its tensors in a state_dict; None without one.

    Among encoders with equal tensors, it is the preferred one.
    """
    sizes, strangers = {}, set()
    for name, entry in encoders.items():
        if entry["encoder"] in strangers:
            continue
        try:
            with torch.device("meta"), warnings.catch_warnings(action="ignore"):
                expected = get_encoder(name).state_dict()
        except RuntimeError:  # those of SegFormer cannot be built without memory
            expected = {}
        if not expected or _first_convolution(expected) not in state:
            strangers.add(entry["encoder"])  # a class of encoders: building all takes 16 s
        elif not _missing_tensors(expected, state):
            sizes[name] = len(expected)
    return max(sizes, key=lambda name: (sizes[name], name == preferred), default=None)


def _missing_tensors(expected: dict[str, Any], state: dict[str, Any]) -> list[str]:
    """Return the sorted tensors that are missing or of another shape, whatever the channels.

    Args:
        expected: tensors of an encoder. Its first convolution may have other input channels.
        state: tensors to look in.
    """
    first = _first_convolution(expected)
    missing = []
    for name, tensor in expected.items():
        shape = list(getattr(state.get(name), "shape", ()))
        if name == first and len(shape) == 4:
            shape[1] = tensor.shape[1]
        if name not in state or shape != list(tensor.shape):
            missing.append(name)
    return sorted(missing)


def _first_convolution(expected: dict[str, Any]) -> str:
    """Return the first tensor with four axes: the weights of the convolution of the input."""
    return next(name for name, tensor in expected.items() if tensor.ndim == 4)
