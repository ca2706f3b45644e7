"""Weight files: equal bytes, refusals, and pretrained encoders."""

import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lib import recipes
from lib.errors import InputError
from lib.models import NETWORKS, build_model, weights
from lib.recipes import Input, Network, Recipe
from tests.models.builders import recipe_of

ROOT = Path(__file__).resolve().parents[2]
DEMO = replace(recipes.get("demo"), network=Network("unet", "resnet18", "none", image_head=True))


def with_network(**changes: object) -> Recipe:
    return replace(DEMO, network=replace(DEMO.network, **changes))


def test_equal_tensors_are_equal_bytes_whatever_the_name(tmp_path: Path) -> None:
    state = build_model(DEMO).state_dict()
    weights.save(tmp_path / "a.pt", state)
    weights.save(tmp_path / "another.pt", build_model(DEMO).state_dict())
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "another.pt").read_bytes()


def test_a_poisoned_weight_file_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    class Poison:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "ran",)

    (tmp_path / "poison.pt").write_bytes(pickle.dumps(Poison(), protocol=2))
    torch.save(Poison(), tmp_path / "poison_zip.pt")
    for name in ("poison.pt", "poison_zip.pt"):
        with pytest.raises(InputError, match="cannot be read as weights"):
            weights.load(tmp_path / name)
    assert not (tmp_path / "ran").exists()


def test_damaged_and_missing_weights_are_refused(tmp_path: Path) -> None:
    weights.save(tmp_path / "w.pt", {"a": torch.zeros(100)})
    (tmp_path / "w.pt").write_bytes((tmp_path / "w.pt").read_bytes()[:-200])
    (tmp_path / "notes.pt").write_text("ImageId,EncodedPixels\n")
    for name in ("w.pt", "notes.pt"):
        with pytest.raises(InputError, match=f"{name} cannot be read .*; give a state_dict as"):
            weights.load(tmp_path / name)
    with pytest.raises(InputError, match="none.pt cannot be read: No such file"):
        weights.load(tmp_path / "none.pt")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    weights.save(tmp_path / "w.pt", build_model(with_network(encoder="resnet34")).state_dict())
    with pytest.raises(InputError, match="does not fit"):
        weights.load_model(build_model(DEMO), tmp_path / "w.pt")


def test_an_encoder_file_is_loaded_and_counted(tmp_path: Path) -> None:
    trained = build_model(replace(DEMO, seed=9))
    state = trained.encoder.state_dict()
    weights.save(tmp_path / "encoder.pt", state | {"fc.weight": torch.zeros(3)})
    model = build_model(DEMO)
    message = weights.init_encoder(model, DEMO, str(tmp_path / "encoder.pt"))
    assert f"{len(state)} of {len(state)} tensors matched; " in message
    assert "ignored, not in the encoder: fc.weight" in message
    assert all(torch.equal(model.encoder.state_dict()[key], state[key]) for key in state)


def test_missing_tensors_of_the_encoder_are_listed(tmp_path: Path) -> None:
    state = dict(build_model(DEMO).encoder.state_dict())
    del state["layer1.0.conv1.weight"]
    state["conv1.weight"] = torch.zeros(1)
    weights.save(tmp_path / "encoder.pt", state)
    with pytest.raises(InputError, match=r"118 of the encoder's 120.*conv1.weight, layer1.0.conv1"):
        weights.init_encoder(build_model(DEMO), DEMO, str(tmp_path / "encoder.pt"))


def with_channels(count: int) -> Recipe:
    return replace(DEMO, input=Input(mean=(0.5,) * count, std=(0.5,) * count))


@pytest.mark.parametrize(("of_file", "of_recipe"), [(3, 1), (1, 3)])
def test_a_first_convolution_of_other_channels_is_named_with_the_cure(
    tmp_path: Path, of_file: int, of_recipe: int
) -> None:
    file = tmp_path / "encoder.pt"
    weights.save(file, build_model(with_channels(of_file)).encoder.state_dict())
    recipe = with_channels(of_recipe)
    cure = (
        rf"conv1.weight .* {of_file} input channels?, the recipe's {of_recipe}.*--set input.mean="
    )
    with pytest.raises(InputError, match=cure) as caught:
        weights.init_encoder(build_model(recipe), recipe, str(file))
    mean = "[" + ",".join(["0.5"] * of_file) + "]"
    assert f"--set input.mean={mean} input.std={mean}" in str(caught.value)
    assert (f"--encoder-weights sum:{file}" in str(caught.value)) is (of_recipe == 1)


def test_a_first_convolution_is_summed_over_its_channels_on_request(tmp_path: Path) -> None:
    """The encoder then computes what the file's does for gray repeated in three channels."""
    file, gray = tmp_path / "encoder.pt", torch.rand(1, 1, 64, 64)
    rgb_model, model = build_model(with_channels(3)).eval(), build_model(DEMO).eval()
    weights.save(file, rgb_model.encoder.state_dict())
    message = weights.init_encoder(model, DEMO, f"sum:{file}")
    assert f"{file}, conv1.weight summed over 3 channels: 120 of 120" in message
    with torch.no_grad():
        features = model.encoder(gray)[-1], rgb_model.encoder(gray.expand(-1, 3, -1, -1))[-1]
    torch.testing.assert_close(*features)
    plain = weights.encoder_fingerprint(str(file))
    assert weights.encoder_fingerprint(f"sum:{file}") == f"sum:{plain}"


def test_sums_for_colour_input_are_refused(tmp_path: Path) -> None:
    recipe, file = with_channels(3), tmp_path / "encoder.pt"
    model = build_model(recipe)
    weights.save(file, model.encoder.state_dict())
    with pytest.raises(InputError, match=f"this one has 3 .*; give --encoder-weights {file}"):
        weights.init_encoder(model, recipe, f"sum:{file}")


@pytest.mark.parametrize("encoder", ["mobilenet_v2", "resnet18"])
def test_the_file_of_another_encoder_is_named_with_it(tmp_path: Path, encoder: str) -> None:
    """The tensors of resnet18 are all in resnet34, so the larger of two is the one."""
    rgb = with_channels(3)
    rgb = replace(rgb, network=replace(rgb.network, encoder="resnet34"))
    weights.save(tmp_path / "encoder.pt", build_model(rgb).encoder.state_dict())
    recipe = with_network(encoder=encoder)
    with pytest.raises(InputError, match=f"looks like resnet34, not {encoder}; ") as caught:
        weights.init_encoder(build_model(recipe), recipe, str(tmp_path / "encoder.pt"))
    assert "--set network.encoder=resnet34" in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_file_of_no_known_encoder_is_refused_with_some_of_its_missing_tensors(
    tmp_path: Path,
) -> None:
    weights.save(tmp_path / "encoder.pt", {"a": torch.zeros(3)})
    with pytest.raises(InputError, match=r"0 of the encoder's 120 .*: bn1.bias, .* and 115 more"):
        weights.init_encoder(build_model(DEMO), DEMO, str(tmp_path / "encoder.pt"))


# Prints the error, and the seconds that it took.
IMAGENET = """\
import time
from lib import recipes
from lib.errors import InputError
from lib.models import build_model, weights
recipe = recipes.get("r34_512")
model, start = build_model(recipe), time.monotonic()
try:
    weights.init_encoder(model, recipe, "imagenet")
except InputError as error:
    print(error, time.monotonic() - start, sep="\\n")
"""


def test_imagenet_weights_without_a_network_connection_name_the_cure_at_once(
    tmp_path: Path,
) -> None:
    hub = "http://127.0.0.1:9"
    environment = os.environ | {"HF_ENDPOINT": hub, "HF_HOME": str(tmp_path)}
    command = [sys.executable, "-c", IMAGENET]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    message, seconds = done.stdout.splitlines()
    assert f"of resnet34 are not available ({hub} does not answer): " in message
    assert "--encoder-weights FILE" in message
    assert float(seconds) < 5
    assert done.stderr == ""


def test_the_pretrained_mobilenet_fits_smps(shared_data: Path) -> None:
    recipe = with_network(encoder="mobilenet_v2")
    recipe = replace(recipe, input=Input(mean=(0.5,) * 3, std=(0.5,) * 3))
    file = shared_data / "weights" / "mobilenet_v2_imagenet.pt"
    message = weights.init_encoder(build_model(recipe), recipe, str(file))
    assert "312 of 312 tensors matched" in message
    assert weights.encoder_fingerprint(str(file)).startswith("sha256 ")


def test_an_encoder_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="imagenett is not a file; give imagenet"):
        weights.encoder_fingerprint("imagenett")


@pytest.mark.parametrize("name", [name for name in NETWORKS if "encoder" in NETWORKS[name].reads])
def test_pretrained_weights_fit_the_encoder(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All tensors of smp's encoder, and no others; random ones, to avoid a download."""
    get_encoder = weights.get_encoder
    monkeypatch.setattr(
        weights, "get_encoder", lambda name, channels, weights: get_encoder(name, channels)
    )
    recipe = recipe_of(name)
    model = build_model(recipe)
    message = weights.init_encoder(model, recipe, "imagenet")
    assert message == "encoder starts from ImageNet: 120 of 120 tensors matched"


def test_networks_from_scratch_have_no_encoder_to_load() -> None:
    recipe = recipe_of("classic_unet")
    with (
        torch.device("meta"),
        pytest.raises(InputError, match="classic_unet has no encoder; give --encoder-weights none"),
    ):
        weights.init_encoder(build_model(recipe), recipe, "imagenet")
