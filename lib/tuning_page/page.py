"""The tuning page: pixel counts, rules to compare with, and the scripts that score, in one file.

The page holds only what the inputs determine, so that equal inputs give an artifact of equal id.
"""

import base64
import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lib import templates
from lib.decision.histograms import OofSample
from lib.decision.rules import ThresholdRule
from lib.decision.tuning import TunedRule
from lib.files import write_bytes
from lib.recipes.published_rules import PUBLISHED

TUNING_FILE = "tuning.html"
FOLDER = Path(__file__).parent
COMPRESSION = 6  # of zlib; 9 takes three times as long and saves one percent


def write(
    path: Path, sample: OofSample, tuned: TunedRule, rule_name: str, command: str, rle_size: int
) -> None:
    """Write the page; equal arguments give equal bytes.

    Args:
        path: of the page.
        sample: labelled images, whose counts go into the page.
        tuned: the saved rule and its search. It may be of any kind: the page compares with the
            areas of its masks.
        rule_name: name of the saved rule.
        command: of stage 04 for the same maps, to which the page adds --work, --params and --tag.
        rle_size: side of the RLE frame, in pixels.
    """
    content = _content(sample, tuned, rle_size) | {"ruleName": rule_name, "command": command}
    page = templates.load(FOLDER / "page.html.jinja").render(
        data=json.dumps(content, allow_nan=False).replace("<", "\\u003c"),
        scripts=[(FOLDER / name).read_text() for name in ("counts.js", "page.js")],
    )
    write_bytes(path, page.encode())


def _content(sample: OofSample, tuned: TunedRule, rle_size: int) -> dict[str, Any]:
    """Return all that the scripts read, as JSON can hold it."""
    saved, plateau = tuned.fitted.rule, tuned.search.plateau
    p_positive = sample.p_positive(tuned.fitted.gate)
    has_gate = p_positive is not None
    rules = [_mark(kind, name, rule, has_gate) for kind, name, rule in _rules(tuned, rle_size)]
    return {
        "frame": rle_size,
        "savedText": str(saved),
        "rules": rules,
        "start": next(rule for rule in rules if rule["kind"] in ("saved", "plateau")),
        "best": float(plateau.surface.score.max()),
        "standardError": plateau.standard_error,
        "counts": _counts(sample, tuned, p_positive),
    }


def _rules(tuned: TunedRule, rle_size: int) -> Iterator[tuple[str, str, ThresholdRule]]:
    """Yield kind, name and rule of all that the page marks; published ones in this frame."""
    if saved := tuned.fitted.rule.thresholds:
        yield "saved", "saved", saved
    yield "plateau", "plateau", tuned.search.middle
    yield "best", "best", tuned.search.best
    for fold, rule in tuned.best_of_fold.items():
        yield "fold", f"best of fold {fold}", rule
    names: dict[ThresholdRule, list[str]] = {}
    for name, rule in PUBLISHED.items():
        names.setdefault(rule, []).append(name)
    for rule, same in names.items():
        yield "published", ", ".join(same), rule.in_frame(rle_size)


def _mark(kind: str, name: str, rule: ThresholdRule, has_gate: bool) -> dict[str, Any]:
    """Return a rule as far as the page computes it, and a note on the rest."""
    top, bottom = rule.levels
    missing = []
    if rule.component_min_area:
        missing.append(f"component areas ({rule.component_min_area:,} px)")
    if rule.fill_holes:
        missing.append("holes")
    if rule.class_min and not has_gate:
        missing.append(f"its class gate ({rule.class_min:g})")
    return {
        "kind": kind,
        "name": name,
        "top": top,
        "minArea": rule.min_area,
        "bottom": bottom,
        "classMin": (rule.class_min or 0) if has_gate else 0,
        "note": f"without {' and '.join(missing)}" if missing else "",
    }


def _counts(
    sample: OofSample, tuned: TunedRule, p_positive: np.ndarray | None
) -> Mapping[str, str | None]:
    """Return the arrays of `readCounts` in counts.js, packed; a row or an entry an image."""
    histograms = sample.histograms
    _, patients = np.unique(sample.patients, return_inverse=True)
    predicted, _, overlap = tuned.fitted.areas(sample)
    ids = "\n".join(map(str, histograms.ids)).encode()
    arrays = {
        "pixels": histograms.pixels,
        "inside": histograms.inside,
        "folds": sample.folds,
        "patients": patients,
        "savedPredicted": predicted,
        "savedOverlap": overlap,
    }
    packed: dict[str, str | None] = {name: _pack(a.astype("<u4")) for name, a in arrays.items()}
    packed["ids"] = _pack(np.frombuffer(ids, np.uint8))
    packed["pPositive"] = None if p_positive is None else _pack(p_positive.astype("<f8"))
    return packed


def _pack(values: np.ndarray) -> str:
    """Return numbers as base64 of deflated bytes: first the lowest byte of all, then the next.

    Counts rarely need more than two bytes of four. So the others are long runs of zeros, which cost
    nothing.
    """
    planes = values.reshape(-1, 1).view(np.uint8).T
    return base64.b64encode(zlib.compress(planes.tobytes(), COMPRESSION)).decode()
