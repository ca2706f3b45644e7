"""Networks and their weights: what is built, what is loaded, and what is refused."""

import dataclasses
import pickle
from pathlib import Path

import pytest
import torch

from lib import recipes
from lib.errors import InputError
from lib.models import build_model, weights
from lib.recipes import Input, Network, Recipe
from lib.train.losses import WeightedLoss

DEMO = dataclasses.replace(
    recipes.get("demo"), network=Network("unet", "resnet18", "none", image_head=True)
)


def with_network(**changes: object) -> Recipe:
    return dataclasses.replace(DEMO, network=dataclasses.replace(DEMO.network, **changes))


def test_the_resnet34_unet_has_the_published_number_of_parameters() -> None:
    """24.4 M in 2ST-UNet, section 5."""
    network = Network("unet", encoder="resnet34", image_head=False)
    model = build_model(dataclasses.replace(DEMO, network=network, input=Input()))
    assert sum(parameter.numel() for parameter in model.parameters()) == 24_436_369


def test_a_network_gives_probabilities_and_losses() -> None:
    model = build_model(DEMO).eval()
    images = torch.randint(0, 256, (2, 1, 64, 64), dtype=torch.uint8)
    probabilities, positive = model.predict(images)
    assert probabilities.shape == (2, 1, 64, 64)
    assert positive is not None
    assert positive.shape == (2,)
    assert 0 <= probabilities.min() <= probabilities.max() <= 1
    losses = model.training_loss(images, images // 255, WeightedLoss(DEMO.phases[0].loss))
    assert torch.isfinite(losses["loss"])


def test_validation_gets_losses_and_predictions_of_one_pass() -> None:
    model, passes = build_model(DEMO).eval(), []
    model.net.register_forward_hook(lambda *_: passes.append(1))
    images = torch.randint(0, 256, (2, 1, 64, 64), dtype=torch.uint8)
    batch = images, images // 255, WeightedLoss(DEMO.phases[0].loss)
    losses, (probabilities, positive) = model.evaluate(*batch)
    assert len(passes) == 1
    assert losses["loss"] == model.training_loss(*batch)["loss"]
    for ours, theirs in zip((probabilities, positive), model.predict(images), strict=True):
        assert torch.equal(ours, theirs)


def test_without_a_head_there_is_no_image_probability() -> None:
    model = build_model(with_network(image_head=False)).eval()
    assert model.predict(torch.zeros(1, 1, 32, 32, dtype=torch.uint8))[1] is None


def test_the_network_normalises_by_itself() -> None:
    model = build_model(dataclasses.replace(DEMO, input=Input(mean=(0.5, 0.2), std=(0.1, 0.4))))
    channels = model.normalise(torch.full((1, 1, 2, 2), 255, dtype=torch.uint8))
    assert channels[0, :, 0, 0].tolist() == pytest.approx([5.0, 2.0])
    assert "mean" not in model.state_dict()


def test_the_seed_decides_the_first_weights() -> None:
    first, again = build_model(DEMO), build_model(DEMO)
    other = build_model(dataclasses.replace(DEMO, seed=1))
    key = "net.segmentation_head.0.weight"
    assert torch.equal(first.state_dict()[key], again.state_dict()[key])
    assert not torch.equal(first.state_dict()[key], other.state_dict()[key])


def test_unknown_networks_encoders_and_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="no network 'unett'; there are unet"):
        build_model(with_network(name="unett"))
    with pytest.raises(InputError, match="no encoder 'resnet35'"):
        build_model(with_network(encoder="resnet35"))
    odd = dataclasses.replace(DEMO.phases[0], size=100)
    with pytest.raises(InputError, match="size 100 must be a multiple of 32"):
        build_model(dataclasses.replace(DEMO, phases=(odd,)))


def test_equal_tensors_are_equal_bytes_whatever_the_name(tmp_path: Path) -> None:
    state = build_model(DEMO).state_dict()
    weights.save(tmp_path / "a.pt", state)
    weights.save(tmp_path / "another.pt", build_model(DEMO).state_dict())
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "another.pt").read_bytes()


def test_saved_weights_give_the_same_predictions(tmp_path: Path) -> None:
    model = build_model(DEMO).eval()
    weights.save(tmp_path / "w.pt", model.state_dict())
    other = build_model(dataclasses.replace(DEMO, seed=5)).eval()
    images = torch.randint(0, 256, (1, 1, 32, 32), dtype=torch.uint8)
    expected = model.predict(images)[0]
    assert torch.equal(weights.load_model(other, tmp_path / "w.pt").predict(images)[0], expected)


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
    for name in ("w.pt", "none.pt"):
        with pytest.raises(InputError, match="cannot be read as weights"):
            weights.load(tmp_path / name)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    weights.save(tmp_path / "w.pt", build_model(with_network(encoder="resnet34")).state_dict())
    with pytest.raises(InputError, match="does not fit"):
        weights.load_model(build_model(DEMO), tmp_path / "w.pt")


def test_an_encoder_file_is_loaded_and_counted(tmp_path: Path) -> None:
    trained = build_model(dataclasses.replace(DEMO, seed=9))
    state = trained.encoder.state_dict()
    weights.save(tmp_path / "encoder.pt", state | {"fc.weight": torch.zeros(3)})
    model = build_model(DEMO)
    said = weights.init_encoder(model, DEMO, str(tmp_path / "encoder.pt"))
    assert f"{len(state)} of {len(state)} tensors matched; " in said
    assert "left out: fc.weight" in said
    assert all(torch.equal(model.encoder.state_dict()[key], state[key]) for key in state)


def test_anything_less_than_all_of_the_encoder_is_an_error_that_lists_it(tmp_path: Path) -> None:
    state = dict(build_model(DEMO).encoder.state_dict())
    del state["layer1.0.conv1.weight"]
    state["conv1.weight"] = torch.zeros(1)
    weights.save(tmp_path / "encoder.pt", state)
    with pytest.raises(InputError, match=r"118 of the encoder's 120.*conv1.weight, layer1.0.conv1"):
        weights.init_encoder(build_model(DEMO), DEMO, str(tmp_path / "encoder.pt"))


def test_imagenet_weights_that_cannot_be_had_are_an_error_with_the_cure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def offline(*args: object, **kwargs: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(weights, "get_encoder", offline)
    with pytest.raises(InputError, match="cannot be had .no route.*--encoder-weights FILE"):
        weights.init_encoder(build_model(DEMO), DEMO, "imagenet")


def test_the_pretrained_mobilenet_fits_smps(shared_data: Path) -> None:
    recipe = with_network(encoder="mobilenet_v2")
    recipe = dataclasses.replace(recipe, input=Input(mean=(0.5,) * 3, std=(0.5,) * 3))
    file = shared_data / "weights" / "mobilenet_v2_imagenet.pt"
    said = weights.init_encoder(build_model(recipe), recipe, str(file))
    assert "312 of 312 tensors matched" in said
    assert weights.encoder_fingerprint(str(file)).startswith("sha256 ")


def test_an_encoder_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="imagenett is no file; give imagenet, none or a file"):
        weights.encoder_fingerprint("imagenett")
