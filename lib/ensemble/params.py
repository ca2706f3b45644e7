"""A rule stated by hand: --params top=.7 min_area=800 bottom=.3"""

from collections.abc import Sequence
from dataclasses import fields

from pydantic import TypeAdapter, ValidationError

from lib.decision.rules import levels
from lib.errors import InputError
from lib.recipes.schema import Rule

KEYS = [field.name for field in fields(Rule)]


def parse(words: Sequence[str]) -> Rule:
    """Read key=value words; what is not said is Rule's default.

    Raises:
        InputError: for an unknown key, one given twice, or a value that the key cannot have.
    """
    texts: dict[str, str] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or key not in KEYS:
            raise InputError(f"--params {word}: give key=value, with a key of {', '.join(KEYS)}")
        if key in texts:
            raise InputError(f"--params {word}: {key} is given twice; give it once")
        texts[key] = text
    try:
        rule = TypeAdapter(Rule).validate_strings(texts)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"--params {first['loc'][0]}={first['input']}: {first['msg']}") from None
    levels(rule)  # refuses thresholds that make no rule
    return rule
