"""Differences between two configs, in words for an error message."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

JSON_MARKS = str.maketrans("", "", '[]{},"')


def describe_differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    """Describe how two configs differ, such as "folds 0 1; asked for: 0".

    Args:
        old: config of what is there, as JSON holds it.
        new: config that is asked for.

    Returns:
        One line, or None if the configs are equal. Several differences repeat the names: "folds
        0 1, limit none; asked for: folds 0, limit 5". Nested keys are dotted: recipe.phases.0.lr.
    """
    old_values, new_values = dict(_flatten(old)), dict(_flatten(new))
    keys = sorted({key for key, _ in old_values.items() ^ new_values.items()})
    if not keys:
        return None
    existing, requested = [], []
    for key in keys:
        old_text, new_text = _describe(old_values.get(key), new_values.get(key))
        existing.append(f"{key} {old_text}")
        requested.append(f"{key} {new_text}" if len(keys) > 1 else new_text)
    return f"{', '.join(existing)}; asked for: {', '.join(requested)}"


def _flatten(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield dotted keys and their values as JSON; a list of plain values is one value."""
    if isinstance(value, Mapping) and value:
        items: Iterable[tuple[Any, Any]] = value.items()
    elif isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value):
        items = enumerate(value)
    else:
        items = ()
        yield key, json.dumps(value)
    for name, item in items:
        yield from _flatten(item, f"{key}.{name}" if key else str(name))


def _describe(old: str | None, new: str | None) -> tuple[str, str]:
    """Return both values as people write them; as JSON where those would look equal."""
    texts = [(value or "").translate(JSON_MARKS) for value in (old, new)]
    old_text, new_text = ("none" if text in ("", "null") else text for text in texts)
    if old_text == new_text:
        return old or "absent", new or "absent"
    return old_text, new_text
