"""What is asked of a decision, read from flags and checked before any map is averaged."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lib.decision.threshold_search import PRESETS, Preset
from lib.ensemble import params, vote
from lib.ensemble.gates import MEAN, ONLY, STACK
from lib.ensemble.members import MemberFold
from lib.errors import InputError
from lib.recipes.published_rules import PUBLISHED
from lib.recipes.schema import Rule

STATED = "params"  # the name of a rule that --params states
TRIPLET, EXPECTED = "triplet", "expected"
AUTO = "auto"  # one of these two, settled when both were measured
RULES = (*PRESETS, AUTO, *PUBLISHED)  # what --rule takes


@dataclass(frozen=True)
class DecisionOptions:
    """A preset to search and how to choose, or a rule that is published or stated.

    Attributes:
        rule: its name.
        choose: "plateau" or "best"; None with a rule that is not searched, and with "expected".
        stated: that rule.
        gate: runs that are used for their image probabilities only.
        gate_fit: "mean" or "stack", how these become one.
        test_rule: "mean", one decision on the averaged test maps, or "vote", one a fold.
    """

    rule: str
    choose: str | None
    stated: Rule | None = None
    gate: tuple[str, ...] = ()
    gate_fit: str = MEAN
    test_rule: str = vote.MEAN

    @property
    def config(self) -> dict[str, Any]:
        """What decides a decision's content, besides its inputs."""
        return self.words | {"params": asdict(self.stated) if self.stated else None}

    @property
    def words(self) -> dict[str, Any]:
        """What decision.json says of it."""
        return {key: value for key, value in asdict(self).items() if key != "stated"}

    @property
    def preset(self) -> Preset:
        """What is searched; a rule that is not searched is shown among the triplets."""
        if self.stated:
            return PRESETS[TRIPLET]
        return PRESETS[EXPECTED if self.rule == AUTO else self.rule]  # auto may become either

    @property
    def needs_classes(self) -> bool:
        """Whether its rule has a class gate."""
        if self.stated:
            return self.stated.class_min is not None
        return self.preset.extension == "class"

    @property
    def wants_classes(self) -> bool:
        """Whether its rule has a class gate, or looks at image probabilities if there are any."""
        return self.needs_classes or self.preset.extension == "expected"

    @property
    def wants_shapes(self) -> bool:
        """Whether its rule looks at components or holes."""
        if self.stated:
            return bool(self.stated.component_min_area) or self.stated.fill_holes
        return self.preset.extension == "components"

    @property
    def how(self) -> str:
        """How image probabilities become one: a name in `gates.FITS`."""
        return self.gate_fit if self.gate else ONLY

    @property
    def fits(self) -> bool:
        """Whether anything but weights is fitted on truth."""
        return self.stated is None or self.how == STACK


def parse_options(
    sources: Sequence[MemberFold],
    rule: str,
    choose: str,
    words: Sequence[str] | None,
    gate: Sequence[str] = (),
    gate_fit: str = MEAN,
    test_rule: str = vote.MEAN,
) -> DecisionOptions:
    """Read the flags, and check that the maps can answer them before any is averaged.

    Args:
        sources: the maps that are averaged.
        rule: a name in RULES.
        choose: "plateau" or "best".
        words: of --params, which states a rule instead; None without.
        gate, gate_fit, test_rule: as Wish has them.

    Raises:
        InputError: if the words are no rule, or the maps lack labels or image probabilities.
    """
    stated = PUBLISHED.get(rule) if words is None else params.parse(words)
    name = rule if words is None else STATED
    searched = None if stated or name == EXPECTED else choose
    wish = DecisionOptions(name, searched, stated, tuple(gate), gate_fit, test_rule)
    if wish.fits and not any(source.out_of_fold for source in sources):
        raise InputError(
            "there are no out-of-fold maps of labelled images to fit on; "
            "state a rule: --params top=.7 min_area=800 bottom=.3, and no --gate-fit stack"
        )
    if test_rule == vote.VOTE:
        vote.check(sources)
    _check_gate(wish, any(not source.classes.empty for source in sources))
    return wish


def _check_gate(wish: DecisionOptions, has_heads: bool) -> None:
    """Refuse a class gate without image probabilities, and gates for a rule that has none."""
    what = f"--rule {wish.rule}"
    if wish.rule == STATED:
        assert wish.stated
        what = f"--params class_min={wish.stated.class_min or 0:g}"
    if wish.needs_classes and not wish.gate and not has_heads:
        raise InputError(
            f"{what} needs image probabilities, and no member has an image head; "
            "add --gate RUN, or a member that has one"
        )
    if wish.gate and not wish.wants_classes:
        raise InputError(
            f"--gate {' '.join(wish.gate)} would gate nothing, as the rule has no class gate; "
            "give --rule gated or expected, or class_min in --params"
        )
