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
    assert serialize.from_dict(printed) == recipes.get("sneddy_seunet_demo")
