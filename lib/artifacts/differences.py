"""Differences between two configs, in words for an error message."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

JSON_MARKS = str.maketrans("", "", '[]{},"')
MAX_LENGTH = 60  # characters of a value

# Keys with other names than their own: mostly flags.
NAMES = {
    "limit": "--limit", "n_folds": "--n-folds", "rle_size": "--rle-size", "balanced": "--balanced",
    "encoder_weights": "--encoder-weights", "tta": "--tta", "members": "--members",
    "weights": "--weights", "folds": "--folds", "rule": "--rule", "choose": "--choose",
    "gate": "--gate", "gate_fit": "--gate-fit", "ranked": "checkpoints ranked by the fold",
    "seed": "split seed", "size": "image side", "n_train": "training phantoms",
    "n_test": "test phantoms",
}  # fmt: skip
PREFIXES = ("recipe.", "params.", "rule.")  # --set and --params name the rest of such a key
# Keys with checksums, which say only that something differs.
CHECKSUMS = {
    "image_files_sha256": "other images", "labels_sha256": "other labels",
    "sample_sha256": "another sample submission", "folds_sha256": "another split file",
    "groups_sha256": "another --groups", "dataset_config": "another dataset",
    "truth": "another --truth",
}  # fmt: skip
# A key that differs because the second one does, if one config has no value for it.
IMPLIED = {"seed": "n_folds", "choose": "rule", "params": "rule"}
UNSET = (None, "null", "[]", "{}", '""')


def describe_differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    """Describe how two configs differ, such as "--folds 0 1; asked for: --folds 0".

    Args:
        old: config of what is there, as JSON holds it.
        new: config that is asked for.

    Returns:
        One line, to follow "made with"; None if the configs are equal. Nested keys are dotted.
    """
    old_values, new_values = dict(_flatten(old)), dict(_flatten(new))
    keys = {key for key, _ in old_values.items() ^ new_values.items()}
    # A null on one side and no key on the other tell nothing beside a real difference.
    has_value = {key for key in keys if {old_values.get(key), new_values.get(key)} - {*UNSET}}
    keys = has_value or keys
    existing, requested = [], []
    for key in sorted(keys):
        top = key.partition(".")[0]
        if IMPLIED.get(top) in keys and None in (old.get(top), new.get(top)):
            continue
        old_text, new_text = _describe(key, old_values.get(key), new_values.get(key))
        existing.append(old_text)
        requested += [new_text] if new_text else []
    requests = f"; asked for: {', '.join(requested)}" if requested else ""
    return f"{', '.join(existing)}{requests}" if keys else None


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


def _describe(key: str, old: str | None, new: str | None) -> tuple[str, str]:
    """Return both values as people write them, with their name; as JSON if they look equal."""
    name = NAMES.get(key, key)
    if key in CHECKSUMS:
        if old not in UNSET and new not in UNSET:
            return CHECKSUMS[key], ""
        _, name = CHECKSUMS[key].split(" ", 1)
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    is_checksum = key in CHECKSUMS
    old_text, new_text = (_phrase(name, value, is_checksum) for value in (old, new))
    if old_text == new_text:
        return f"{name} {old or 'absent'}", f"{name} {new or 'absent'}"
    return old_text, new_text


def _phrase(name: str, value: str | None, is_checksum: bool) -> str:
    """Return a value with its name; the name alone of a checksum and of a flag without a value."""
    if value is None or value in UNSET:
        return f"no {name}"
    if is_checksum or (value == "true" and name.startswith("--")):
        return name
    if (name, value) == ("--rule", '"params"'):
        return "the rule of --params"
    text = value.translate(JSON_MARKS)
    return f"{name} {text if len(text) <= MAX_LENGTH else f'{text[:MAX_LENGTH]}...'}"
