"""Plan of run_all.sh: its settings, checked before any stage starts, and with their defaults.

run_all.sh calls it; the settings are environment variables, which its head explains. What stage 04
would refuse, after days of training, is refused here. The plan is printed, a line for each setting.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence

from lib import cli, layout, recipes
from lib.ensemble.members import Member
from lib.ensemble.options import RULES, TRIPLET, check_plan
from lib.errors import InputError
from lib.layout import ALL_DATA, Fold, parse_folds
from lib.recipes import systems
from lib.recipes.demo_variant import DEMO_SUFFIX
from lib.recipes.systems import System

# Flags that run_all.sh gives stage 01 itself, and how to choose their values.
OWN_FLAGS = {
    "--raw": "the folder is the first word after it",
    "--demo": "leave the folder out",
    "--work": "set WORK=DIR before `bash`",
    "--recipes": "set RECIPES='NAME ...' before `bash`",
    "--limit": "set LIMIT=N before `bash`",
    "--replace": "set REPLACE=1 before `bash`",
}


def plan_lines(settings: Mapping[str, str], has_data: bool) -> Iterator[str]:
    """Yield the plan as lines "setting: words".

    Args:
        settings: environment variables; an empty one is as good as none.
        has_data: True if run_all.sh was given RAW_DIR; else it draws phantoms.

    Raises:
        InputError: for the first setting that some stage would refuse.
    """
    system = _system(settings, has_data)
    rule = settings.get("RULE") or system.rule
    if rule not in RULES:
        raise InputError(f"RULE {rule} does not exist; give one of {', '.join(RULES)}")
    name, tag = settings.get("NAME") or system.name, settings.get("TAG") or rule
    for word in (name, tag, f"{name}-{tag}"):
        layout.check_name(word)
    folds = (settings.get("FOLDS") or ("" if has_data else "0 1")).split()
    parsed = parse_folds(folds)
    members, gates = (
        list(_planned(part, parsed or [0])) for part in (system.members, system.gates)
    )
    try:
        check_plan(members, gates, rule, system.gate_fit)
    except InputError as error:
        keys = ("SYSTEM", "RECIPES", "RULE", "FOLDS")
        given = " ".join(f"{key}={settings[key]!r}" for key in keys if settings.get(key))
        raise InputError(
            f"{given}: {error} (flags are of 04_ensemble.py; run_all.sh has {', '.join(keys)})"
        ) from None
    for key, parse in (("PARALLEL", cli.parallel), ("LIMIT", cli.int_in_range(1))):
        try:
            parse(settings.get(key) or "1")
        except argparse.ArgumentTypeError as error:
            raise InputError(f"{key} {error}") from None
    if settings.get("REPLACE", "") not in ("", "0", "1"):
        raise InputError(
            f"REPLACE {settings['REPLACE']} is neither 1 nor 0; give 1, or leave it out"
        )
    _check_encoder_weights(settings.get("ENCODER_WEIGHTS", ""), system.recipes)
    yield f"recipes: {' '.join(system.recipes)}"
    yield f"members: {' '.join(system.members)}"
    yield f"combination: {system.combination}"
    yield f"folds: {' '.join(folds)}"
    yield f"name: {name}"
    yield f"tag: {tag}"
    yield f"rule: {rule}"


def _system(settings: Mapping[str, str], has_data: bool) -> System:
    """Return the system that SYSTEM names, or one of the recipes of RECIPES."""
    name = settings.get("SYSTEM")
    if not name:
        default = "r34_512" if has_data else "demo"
        members = tuple(_words(settings, "RECIPES", default))
        return System("final", "", "", members, TRIPLET)
    if settings.get("RECIPES"):
        raise InputError(f"SYSTEM {name} names its recipes: leave out RECIPES")
    system = systems.get(name)
    if not has_data and not name.endswith(DEMO_SUFFIX):
        raise InputError(
            f"SYSTEM {name} is for real data: give RAW_DIR, or SYSTEM={name}{DEMO_SUFFIX} for "
            "phantoms"
        )
    return system


def _words(settings: Mapping[str, str], key: str, default: str) -> list[str]:
    """Return the words of a setting; refuse one that is given twice."""
    words = (settings.get(key) or default).split()
    for number, word in enumerate(words):
        if word in words[:number]:
            raise InputError(f"{key} has {word} twice")
    return words


def _planned(names: Sequence[str], folds: Sequence[Fold]) -> Iterator[Member]:
    """Yield the members that these recipes will be, as far as a recipe says."""
    for recipe in map(recipes.get, names):
        for fold in folds:
            yield Member(
                run=recipe.name, fold=fold, weight=1 / len(names), id="", has_oof=fold != ALL_DATA,
                has_p_positive=recipe.network.image_head, ranked=None, recipe_rule=recipe.rule,
            )  # fmt: skip


def _check_encoder_weights(source: str, names: Sequence[str]) -> None:
    """Refuse weights that a recipe will not take: all but those that have to be downloaded."""
    if not source:
        return
    from lib.models import build_model  # late: torch takes seconds
    from lib.models.weights import encoder_file, encoder_fingerprint, init_encoder

    for recipe in map(recipes.get, names):
        model, file = build_model(recipe), encoder_file(source, recipe.network.encoder)
        encoder_fingerprint(file)
        if file != "imagenet" or model.encoder is None:
            init_encoder(model, recipe, file)


def check_flags(words: Sequence[str]) -> None:
    """Refuse flags of stage 01 that run_all.sh gives itself: the last one given would win."""
    for word in words:
        if cure := OWN_FLAGS.get(word.partition("=")[0]):
            raise InputError(f"run_all.sh gives {word} itself: {cure}")


def main() -> None:
    check_flags(sys.argv[1:])
    print(*plan_lines(os.environ, has_data=len(sys.argv) > 1), sep="\n")


if __name__ == "__main__":
    cli.run_stage(main)
