"""Plans of run_all.sh: what stage 04 would refuse is refused before the first stage."""

from pathlib import Path

import pytest
import torch

from lib import recipes
from lib.errors import InputError
from lib.models import build_model
from lib.plan import check_flags, plan_lines


def plan(has_data: bool = True, **settings: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in plan_lines(settings, has_data))


def test_the_defaults_are_those_of_the_demo_or_of_real_data() -> None:
    demo, real = plan(has_data=False), plan(has_data=True)
    assert (demo["recipes"], demo["folds"]) == ("demo", "0 1")
    assert (real["recipes"], real["folds"]) == ("r34_512", "")
    for each in (demo, real):
        assert each["members"] == each["recipes"]
        assert (each["name"], each["rule"], each["tag"]) == ("final", "triplet", "triplet")


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"SYSTEM": "x5", "RULE": "triplet"}, "--gate x5_cls_.* would gate nothing"),
        ({"FOLDS": "all-data"}, "no out-of-fold maps"),
        ({"SYSTEM": "x5", "FOLDS": "all-data"}, "--gate-fit mean"),
        ({"SYSTEM": "ours", "RULE": "recipe"}, "different rules"),
        ({"RECIPES": "see_fpn_r50", "RULE": "gated"}, "no member has an image head"),
        ({"RECIPES": "x5_seg_se50", "RULE": "recipe"}, "no member has an image head"),
        ({"SYSTEM": "sneddy_v1", "RULE": "x5"}, "no member has an image head"),
        ({"SYSTEM": "x5", "RECIPES": "demo"}, "leave out RECIPES"),
        ({"FOLDS": "0 1 00"}, "fold 0 is given twice"),
    ],
    ids=lambda value: " ".join(value.values()) if isinstance(value, dict) else None,
)
def test_what_no_training_could_mend_is_refused(settings: dict[str, str], fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        plan(**settings)


def test_all_data_needs_a_published_rule() -> None:
    assert plan(FOLDS="all-data", RULE="sneddy_v1")["folds"] == "all-data"


def test_weights_must_fit_the_encoder_of_each_recipe(tmp_path: Path) -> None:
    file = tmp_path / "resnet34.pt"
    torch.save(build_model(recipes.get("r34_512")).encoder.state_dict(), file)
    settings = {"ENCODER_WEIGHTS": str(tmp_path), "RECIPES": "r34_512 amirassov_r34_768"}
    assert plan(**settings)["recipes"] == settings["RECIPES"]
    with pytest.raises(InputError, match="resnet50.pt is not a file"):
        plan(ENCODER_WEIGHTS=str(tmp_path), RECIPES="r34_512 see_fpn_r50")
    with pytest.raises(InputError, match=f"{file} .*resnet34, not resnet50"):
        plan(ENCODER_WEIGHTS=str(file), RECIPES="r34_512 see_fpn_r50")


@pytest.mark.parametrize("source", ["imagenet", "folder"])
def test_weights_are_refused_for_a_network_without_an_encoder(source: str, tmp_path: Path) -> None:
    (tmp_path / "resnet34.pt").touch()
    weights = str(tmp_path) if source == "folder" else source
    with pytest.raises(InputError, match="classic_unet has no encoder"):
        plan(ENCODER_WEIGHTS=weights, RECIPES="zhang_unet")
    assert plan(ENCODER_WEIGHTS="none", RECIPES="zhang_unet")["recipes"] == "zhang_unet"


@pytest.mark.parametrize("value", ["yes", "true", "2"])
def test_replace_is_one_or_zero(value: str) -> None:
    with pytest.raises(InputError, match=f"REPLACE {value}"):
        plan(REPLACE=value)
    assert plan(REPLACE="1") == plan(REPLACE="0") == plan()


@pytest.mark.parametrize("flag", ["--work", "--work=x", "--recipes", "--limit", "--replace"])
def test_flags_that_run_all_gives_itself_are_refused(flag: str) -> None:
    with pytest.raises(InputError, match=flag):
        check_flags(["RAW", flag, "x"])
    check_flags(["RAW", "--rle-size", "384", "--labels", "x.csv"])
