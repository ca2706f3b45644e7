"""Options of stage 04, validated before any map is averaged."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from lib import artifacts
from lib.dataset import Dataset
from lib.decision import schema
from lib.decision.calibration import check_both_kinds
from lib.decision.rules import LEVELS, DecisionRule, ThresholdRule
from lib.decision.schema import DECISION_FILE, EXPECTED, PARAMS, STACK, Decision
from lib.decision.threshold_search import PRESETS, Preset
from lib.decision.tuning import GateFit, RuleFitter, identity_gate, mean_gate, stacked_gate
from lib.ensemble.members import Member
from lib.errors import InputError
from lib.layout import MANIFEST, ArtifactPath, Fold
from lib.recipes.published_rules import PUBLISHED

TRIPLET = "triplet"
AUTO = "auto"  # this or EXPECTED, chosen by cross-fitted scores
PLATEAU = "plateau"  # the default of --choose
RECIPE = "recipe"  # the published rule of the members' recipe
RULES = (*PRESETS, AUTO, RECIPE, *PUBLISHED)  # values of --rule
MEAN = "mean"  # a value of --gate-fit, as STACK
GATE_FITS: Mapping[str, GateFit] = {MEAN: mean_gate, STACK: stacked_gate}


@dataclass(frozen=True)
class DecisionOptions:
    """A preset to search, or a fixed rule, and the source of p(positive).

    Attributes:
        rule: its name.
        choose: "plateau" or "best"; None for a fixed rule and for "expected".
        fixed_rule: a rule that is published or given by --params; it is not searched.
        gate: runs that are used for p(positive) only.
        gate_fit: "mean" or "stack", how their probabilities are combined.
    """

    rule: str
    choose: str | None
    fixed_rule: DecisionRule | None = None
    gate: tuple[str, ...] = ()
    gate_fit: str = MEAN

    @property
    def config(self) -> dict[str, Any]:
        """The options as the decision's manifest holds them."""
        options = {key: value for key, value in vars(self).items() if key != "fixed_rule"}
        return options | {"params": self.fixed_rule and self.fixed_rule.parameters()}

    @property
    def preset(self) -> Preset:
        """The preset to search; a fixed rule is compared with the triplets."""
        if self.fixed_rule:
            return PRESETS[TRIPLET]
        return PRESETS[EXPECTED if self.rule == AUTO else self.rule]  # AUTO may become either

    @property
    def fitter(self) -> RuleFitter:
        """The way the rule is fitted to labelled images."""
        fit_gate = GATE_FITS[self.gate_fit] if self.gate else identity_gate
        return RuleFitter(self.preset, self.choose, fit_gate, self.fixed_rule)

    @property
    def needs_p_positive(self) -> bool:
        """True if the rule has a class gate."""
        if self.fixed_rule:
            return self.fixed_rule.uses_p_positive
        return self.preset.extension == "class"

    @property
    def wants_p_positive(self) -> bool:
        """True if the rule has a class gate, or uses p(positive) where it is known."""
        return self.needs_p_positive or self.preset.extension == "expected"

    @property
    def needs_components(self) -> bool:
        """True if the rule has component areas or fills holes."""
        if self.fixed_rule:
            return self.fixed_rule.looks_at_components
        return self.preset.extension == "components"

    @property
    def needs_fitting(self) -> bool:
        """True if anything but member weights is fitted on truth."""
        return self.fixed_rule is None or (bool(self.gate) and self.gate_fit == STACK)


def parse_options(
    members: Sequence[Member],
    dataset: Dataset,
    rule: str,
    choose: str | None = None,
    params: Sequence[str] | None = None,
    gate: Sequence[str] = (),
    gate_fit: str | None = None,
    params_from: Path | None = None,
) -> DecisionOptions:
    """Parse the flags, and check that the members' maps and the labels can serve them.

    Args:
        members: maps that are averaged.
        dataset: labels and the frame.
        rule: a name in RULES.
        choose: "plateau" or "best"; None: the plateau, for a rule that is searched.
        params: key=value words of --params, which give a rule instead; None without.
        gate, gate_fit: as in DecisionOptions; None: the mean.
        params_from: folder of a decision whose rule is taken instead, or its decision.json.

    Raises:
        InputError: if the words are not a rule, or the maps lack labels or image probabilities, or
            the decision is not for such maps.
    """
    name, flag = rule, f"--rule {rule}"
    fixed_rule: DecisionRule | None = None
    if params_from is not None:
        decision = _read_decision(params_from, dataset.rle_size)
        name, fixed_rule = PARAMS, decision.rule
        flag = f"--params-from {params_from}: its rule {decision.rule_name}"
        if fixed_rule.uses_p_positive:
            _check_same_gate(flag, decision, gate, gate_fit or MEAN)
    elif params is not None:
        given = parse_params(params)
        name, fixed_rule, flag = PARAMS, given, f"--params class_min={given.class_min or 0:g}"
    elif published := _published_rule(rule, members):
        fixed_rule = published.in_frame(dataset.rle_size)
    is_searched = not fixed_rule and name != EXPECTED
    if choose and not is_searched:
        raise InputError(f"--choose {choose}: nothing is chosen for {flag}; leave it out")
    if gate_fit and not gate:
        raise InputError(
            f"--gate-fit {gate_fit} combines gates, and there are none; add --gate RUN"
        )
    options = DecisionOptions(
        name, (choose or PLATEAU) if is_searched else None, fixed_rule, tuple(gate),
        gate_fit or MEAN,
    )  # fmt: skip
    _check_labels(options, members, dataset)
    _check_gate(options, members, flag)
    return options


def check_plan(
    members: Sequence[Member], gates: Sequence[Member], rule: str, gate_fit: str
) -> None:
    """Check before training what `parse_options` would refuse after it.

    Args:
        members, gates: runs that are not trained yet, with the image heads and rules of their
            recipes.
        rule: a name in RULES.
        gate_fit: "mean" or "stack".

    Raises:
        InputError: if the rule needs out-of-fold maps or image probabilities that will not be
            there, or the recipes have different rules.
    """
    fixed_rule = _published_rule(rule, members)
    options = DecisionOptions(
        rule, None, fixed_rule, tuple(dict.fromkeys(gate.run for gate in gates)), gate_fit
    )
    if options.needs_fitting:
        _check_out_of_fold(options, members)
    _check_gate(options, members, f"--rule {rule}")


def parse_params(words: Sequence[str]) -> ThresholdRule:
    """Parse the key=value words of --params; other keys have the defaults of ThresholdRule.

    Raises:
        InputError: for an unknown key, a repeated key, or a value that the key cannot have.
    """
    keys = [field.name for field in fields(ThresholdRule)]
    values: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key not in keys:
            raise InputError(f"--params {word}: give key=value, with a key of {', '.join(keys)}")
        if key in values:
            raise InputError(f"--params {word}: {key} is given twice; give it once")
        values[key] = value
    try:
        rule = TypeAdapter(ThresholdRule).validate_strings(values)
    except ValidationError as error:
        first = error.errors()[0]
        name, text = first["loc"][0], str(first["input"])
        hint = ""
        if name in ("top", "bottom") and text.isdigit() and 1 < int(text) < LEVELS:
            hint = f"; level {text} of 255 is {int(text) / LEVELS:.3f}"
        raise InputError(f"--params {name}={text}: {first['msg']}{hint}") from None
    _ = rule.levels  # raises for thresholds that do not fit together
    return rule


def _read_decision(path: Path, rle_size: int) -> Decision:
    """Read a decision in any WORK, given by its folder or its file, for maps of a frame.

    Raises:
        InputError: if it is missing, damaged or something else, or counts pixels of another frame.
    """
    folder = (path.parent if path.name == DECISION_FILE else path).absolute()
    _check_is_decision(path, folder)
    work = folder.parent.parent
    location = ArtifactPath(work, folder.relative_to(work).as_posix(), "decision")
    decision = schema.load(artifacts.read(location).path(DECISION_FILE))
    frame_px = decision.rle_size
    if frame_px == rle_size or not decision.rule.counts_pixels:
        return decision
    raise InputError(
        f"--params-from {path}: its rule counts pixels of a frame of {frame_px} px, and the frame "
        f"of this dataset is {rle_size} px; take a decision of this frame, or give a rule by "
        "--params"
    )


def _check_is_decision(path: Path, folder: Path) -> None:
    """Raise InputError for a folder that is not a decision, naming the decision of a submission."""
    cure = "give the folder of a decision, such as WORK/decisions/NAME-TAG"
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        kind, inputs = manifest["kind"], list(manifest["inputs"])
    except OSError:
        problem = "is not an artifact" if folder.is_dir() else "is not a folder"
        raise InputError(f"--params-from {path}: {folder} {problem}; {cure}") from None
    except (ValueError, KeyError, TypeError):
        return  # reading the decision says what is damaged
    decisions = [folder.parent.parent / name for name in inputs if name.startswith("decisions/")]
    if kind != "decision":
        cure = f"give the decision that it was made by: {decisions[0]}" if decisions else cure
        raise InputError(f"--params-from {path}: it is of kind {kind}, not a decision; {cure}")


def _check_same_gate(flag: str, decision: Decision, gate: Sequence[str], gate_fit: str) -> None:
    """Raise InputError if p(positive) has another source than the one the rule was fitted to."""

    def describe(gate: Sequence[str], gate_fit: str) -> str:
        return f"--gate {' '.join(gate)} --gate-fit {gate_fit}" if gate else "the members"

    fitted, given = (decision.gate, decision.gate_fit), (gate, gate_fit)
    if bool(fitted[0]) != bool(gate) or (gate and fitted[1] != gate_fit):
        raise InputError(
            f"{flag} has image probabilities from {describe(*fitted)}, and here they are from "
            f"{describe(*given)}; give the same flags, with runs of this WORK"
        )


def _published_rule(rule: str, members: Sequence[Member]) -> ThresholdRule | None:
    """Return the rule that a name in RULES means; None if it is to be searched."""
    return _rule_of_recipe(members) if rule == RECIPE else PUBLISHED.get(rule)


def _rule_of_recipe(members: Sequence[Member]) -> ThresholdRule:
    """Return the published rule of the members' recipe.

    Raises:
        InputError: if members have different rules.
    """
    rules = {member.run: member.recipe_rule for member in members}
    if len(set(rules.values())) > 1:
        named = "; ".join(f"{run}: {rule}" for run, rule in rules.items())
        raise InputError(
            f"--rule {RECIPE}: the members' recipes have different rules ({named}); "
            "name one by --rule, or give one by --params"
        )
    return next(iter(rules.values()))


def _check_labels(options: DecisionOptions, members: Sequence[Member], dataset: Dataset) -> None:
    """Raise InputError if something is to be fitted, and the labels do not allow it."""
    if not options.needs_fitting:
        return
    folds = _check_out_of_fold(options, members)
    ids = [image_id for image_id, fold in dataset.folds.items() if fold in folds]
    positive = np.array([dataset.positive(image_id) for image_id in ids])
    fold_of = np.array([dataset.folds[image_id] for image_id in ids])
    outside = [positive[fold_of != fold] for fold in folds] if len(folds) > 1 else [positive]
    if options.rule == EXPECTED or (options.rule == AUTO and len(folds) > 1):
        for part in outside:
            check_both_kinds(part, "--rule expected", "--rule triplet")
    if options.gate and options.gate_fit == STACK:  # each fold's best rule has its own gate
        for part in [*outside, *(positive[fold_of == fold] for fold in folds)]:
            check_both_kinds(part, "--gate-fit stack", "--gate-fit mean")


def _check_out_of_fold(options: DecisionOptions, members: Sequence[Member]) -> set[Fold]:
    """Return the folds with out-of-fold maps; raise InputError if there are none to fit on."""
    folds = {member.fold for member in members if member.has_oof}
    if not folds:
        cure = (
            "take the recipe's rule: --rule recipe (run_all.sh: RULE=recipe), that of a decision: "
            "--params-from WORK/decisions/NAME-TAG, or another: --params top=.7 min_area=800 "
            "bottom=.3"
        )
        raise InputError(
            "there are no out-of-fold maps of labelled images to fit on (all-data runs and new "
            f"images have none); {'give --gate-fit mean' if options.fixed_rule else cure}"
        )
    return folds


def _check_gate(options: DecisionOptions, members: Sequence[Member], flag: str) -> None:
    """Raise InputError for a class gate without p(positive), and for gates that nothing uses."""
    heads = {member.fold for member in members if member.has_p_positive}
    headless = {member.fold for member in members if member.has_oof} - heads
    if options.needs_p_positive and not options.gate and not heads:
        raise InputError(
            f"{flag} needs image probabilities, and no member has an image head; "
            "add --gate RUN, or a member that has one"
        )
    if options.gate and not options.wants_p_positive:
        raise InputError(
            f"--gate {' '.join(options.gate)} would gate nothing, as the rule has no class gate; "
            "give --rule gated or expected, or class_min in --params"
        )
    uses_heads = options.wants_p_positive and (not options.gate or options.gate_fit == STACK)
    if uses_heads and heads and headless:
        raise InputError(
            f"{flag} uses image probabilities, and no member has an image head in fold "
            f"{min(headless)}; run 03_infer.py --replace for it, or give --gate RUN and "
            "--gate-fit mean"
        )
