"""Options of stage 04, validated before any map is averaged."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lib.decision.rules import ThresholdRule
from lib.decision.threshold_search import PRESETS, Preset
from lib.decision.tuning import GateFit, RuleFitter, identity_gate, mean_gate, stacked_gate
from lib.ensemble.members import MemberFold
from lib.errors import InputError
from lib.recipes.published_rules import PUBLISHED

TRIPLET, EXPECTED = "triplet", "expected"
AUTO = "auto"  # one of these two, chosen by cross-fitted scores
RECIPE = "recipe"  # the published rule of the members' recipe
RULES = (*PRESETS, AUTO, RECIPE, *PUBLISHED)  # values of --rule
PARAMS = "params"  # the name of a rule that --params states
MEAN, STACK = "mean", "stack"  # values of --gate-fit
GATE_FITS: Mapping[str, GateFit] = {MEAN: mean_gate, STACK: stacked_gate}


@dataclass(frozen=True)
class DecisionOptions:
    """A preset to search, or a fixed rule, and the source of p(positive).

    Attributes:
        rule: its name.
        choose: "plateau" or "best"; None for a fixed rule and for "expected".
        fixed_rule: a published or stated rule, which is not searched.
        gate: runs that are used for p(positive) only.
        gate_fit: "mean" or "stack", how their probabilities are combined.
    """

    rule: str
    choose: str | None
    fixed_rule: ThresholdRule | None = None
    gate: tuple[str, ...] = ()
    gate_fit: str = MEAN

    @property
    def config(self) -> dict[str, Any]:
        """The options as the decision's manifest holds them."""
        options = {key: value for key, value in asdict(self).items() if key != "fixed_rule"}
        return options | {"params": asdict(self.fixed_rule) if self.fixed_rule else None}

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
    members: Sequence[MemberFold],
    rule: str,
    choose: str,
    params: Sequence[str] | None = None,
    gate: Sequence[str] = (),
    gate_fit: str = MEAN,
) -> DecisionOptions:
    """Parse the flags, and check that the members' maps can serve them.

    Args:
        members: maps that are averaged.
        rule: a name in RULES.
        choose: "plateau" or "best".
        params: key=value words of --params, which state a rule instead; None without.
        gate, gate_fit: as in DecisionOptions.

    Raises:
        InputError: if the words are not a rule, or the maps lack labels or image probabilities.
    """
    name = rule if params is None else PARAMS
    fixed_rule = PUBLISHED.get(name)
    if params is not None:
        fixed_rule = parse_params(params)
    elif name == RECIPE:
        fixed_rule = _rule_of_recipe(members)
    searched_choice = None if fixed_rule or name == EXPECTED else choose
    options = DecisionOptions(name, searched_choice, fixed_rule, tuple(gate), gate_fit)
    if options.needs_fitting and not any(member.has_oof for member in members):
        raise InputError(
            "there are no out-of-fold maps of labelled images to fit on; "
            "state a rule: --params top=.7 min_area=800 bottom=.3, and no --gate-fit stack"
        )
    _check_gate(options, any(not member.p_positive.empty for member in members))
    return options


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
        raise InputError(f"--params {first['loc'][0]}={first['input']}: {first['msg']}") from None
    _ = rule.levels  # raises for thresholds that do not fit together
    return rule


def _rule_of_recipe(members: Sequence[MemberFold]) -> ThresholdRule:
    """Return the published rule of the members' recipe.

    Raises:
        InputError: if members have different rules.
    """
    rules = {member.run: member.recipe_rule for member in members}
    if len(set(rules.values())) > 1:
        named = "; ".join(f"{run}: {rule}" for run, rule in rules.items())
        raise InputError(
            f"--rule {RECIPE}: the members' recipes have different rules ({named}); "
            "name one with --rule, or state one with --params"
        )
    return next(iter(rules.values()))


def _check_gate(options: DecisionOptions, members_have_p: bool) -> None:
    """Raise InputError for a class gate without p(positive), and for gates that nothing uses."""
    flag = f"--rule {options.rule}"
    if options.rule == PARAMS:
        assert options.fixed_rule
        flag = f"--params class_min={options.fixed_rule.class_min or 0:g}"
    if options.needs_p_positive and not options.gate and not members_have_p:
        raise InputError(
            f"{flag} needs image probabilities, and no member has an image head; "
            "add --gate RUN, or a member that has one"
        )
    if options.gate and not options.wants_p_positive:
        raise InputError(
            f"--gate {' '.join(options.gate)} would gate nothing, as the rule has no class gate; "
            "give --rule gated or expected, or class_min in --params"
        )
