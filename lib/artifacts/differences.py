"""Differences between two configs, in words for an error message."""

import json
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

ABSENT = object()
MAX_DIFFERENCES = 4
MAX_CHARS = 80  # of one value


def describe_differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    """Describe how two configs differ, such as "folds 0 1; asked for: 0".

    Args:
        old: config of what is there, as JSON holds it.
        new: config that is asked for.

    Returns:
        One line, or None if the configs are equal. Several differences repeat the names: "folds
        0 1, limit none; asked for: folds 0, limit 5". Nested keys are dotted: recipe.phases.0.lr.
    """
    differences = list(_compare("", old, new))
    if not differences:
        return None
    shown = [(key, *_describe_pair(*values)) for key, *values in differences[:MAX_DIFFERENCES]]
    existing = ", ".join(f"{key} {old_text}" for key, old_text, _ in shown)
    if len(shown) == 1:
        requested = shown[0][2]
    else:
        requested = ", ".join(f"{key} {new_text}" for key, _, new_text in shown)
    if len(differences) > len(shown):
        requested += f" and {len(differences) - len(shown)} more"
    return f"{existing}; asked for: {requested}"


def _compare(key: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield the dotted key and both values of each difference, sorted by key."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in sorted(old.keys() | new.keys()):
            dotted = f"{key}.{name}" if key else name
            yield from _compare(dotted, old.get(name, ABSENT), new.get(name, ABSENT))
    elif _is_nested_list(old) and _is_nested_list(new):
        for index, items in enumerate(zip_longest(old, new, fillvalue=ABSENT)):
            yield from _compare(f"{key}.{index}", *items)
    elif _to_json(old) != _to_json(new):
        yield key, old, new


def _is_nested_list(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value)


def _describe_pair(old: Any, new: Any) -> tuple[str, str]:
    """Return both values as people write them; as JSON where those would look equal."""
    old_text, new_text = _describe(old), _describe(new)
    if old_text == new_text:
        old_text, new_text = _to_json(old), _to_json(new)
    return _shorten(old_text), _shorten(new_text)


def _describe(value: Any) -> str:
    if value in (ABSENT, None, "", [], {}):
        return "none"
    if isinstance(value, Mapping):
        return " ".join(f"{key} {_describe(value[key])}" for key in value)
    if isinstance(value, list):
        return " ".join(map(_describe, value))
    return str(value)


def _to_json(value: Any) -> str:
    return "absent" if value is ABSENT else json.dumps(value, sort_keys=True)


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_CHARS else f"{text[:MAX_CHARS]}..."
