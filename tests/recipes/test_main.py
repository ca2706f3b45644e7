"""The list of recipes, and one in full."""

import json
import sys

import pytest

from lib import recipes
from lib.recipes import serialize
from lib.recipes.__main__ import main


def test_all_are_listed_with_source_and_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["recipes"])
    main()
    *lines, last = capsys.readouterr().out.splitlines()
    for recipe, line in zip(recipes.RECIPES.values(), lines, strict=True):
        assert recipe.source
        assert recipe.summary
        assert line.split() == [recipe.name, *recipe.source.split(), *recipe.summary.split()]
    assert len({line.index(recipes.get(line.split()[0]).summary) for line in lines}) == 1
    assert "NAME_demo" in last


def test_one_is_printed_in_full(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["recipes", "sneddy_seunet_demo"])
    main()
    printed = json.loads(capsys.readouterr().out)
    transforms = printed.pop("transforms")
    assert serialize.from_dict(printed) == recipes.get("sneddy_seunet_demo")
    assert list(transforms) == ["64"]


def test_one_is_printed_with_the_parameters_of_its_augmentation(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """2nd place: local contrast on a grid of (4, 4), blurs of 3 px, always an affine transform."""
    monkeypatch.setattr(sys, "argv", ["recipes", "x5_seg_se50"])
    main()
    lines = json.loads(capsys.readouterr().out)["transforms"]["1024"]
    assert any("CLAHE" in line and "(4, 4)" in line for line in lines)
    assert sum("blur_limit=(3, 3)" in line for line in lines) == 3
    assert any(line.startswith("100 %: Affine") for line in lines)
