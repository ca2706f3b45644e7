"""The artifact of a submission: what decides it, its files, and what it says of itself."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lib import artifacts, score
from lib.artifacts import Artifact, Draft
from lib.files import sha256, write_bytes, write_json
from lib.layout import ArtifactPath
from lib.score import Score
from lib.submit import masks, positive_rate, report, validation
from lib.submit.inputs import SubmissionInputs
from lib.submit.masks import Row
from lib.submit.positive_rate import Proportion

SUBMISSION, SUMMARY = "submission.csv", "summary.json"


def config(location: ArtifactPath, truth: Path | None, replace: bool) -> dict[str, Any]:
    """What decides a submission besides its inputs: the truth that its report was scored on.

    A finished one stays as it is, whatever truth it is scored on later.
    """
    if location.folder.exists() and not replace:
        return dict(artifacts.read(location).config)
    return {"truth": sha256(truth) if truth else None}


def fill(draft: Draft, source: SubmissionInputs, truth: Path | None) -> Artifact:
    """Write submission.csv, check it, and explain it.

    Raises:
        InputError: if a map is missing or damaged, or the file read back is not what was meant.
    """
    missing = masks.without_map(source)
    rows = list(masks.predict(source))
    path = draft.path(SUBMISSION)
    write(path, rows)
    validation.check(path, rows, source.dataset.rle_size)
    oof = masks.score_out_of_fold(source)
    tested = score.compare(path, truth, source.dataset.rle_size) if truth else None
    summary = summarize(rows, missing, oof)
    write_json(draft.path(SUMMARY), summary)
    report.write(draft, report.ReportData(source, rows, summary, oof, tested))
    return draft.finish()


def write(path: Path, rows: Sequence[Row]) -> None:
    """Write rows as the competition wants them."""
    lines = [validation.HEADER, *(f"{row.image_id},{row.code}" for row in rows)]
    write_bytes(path, "".join(f"{line}\n" for line in lines).encode("ascii"))


def summarize(rows: Sequence[Row], missing: dict[str, str], oof: Score | None) -> dict[str, Any]:
    """What is worth knowing of a submission, for people and programs.

    Args:
        rows: of the submission.
        missing: ImageId -> why it has no map.
        oof: the rule's masks out of fold.
    """
    test = Proportion(sum(row.area > 0 for row in rows), len(rows) - len(missing))
    held_out = Proportion(int(oof.found.sum()), len(oof.ids)) if oof else None
    return {
        "rows": len(rows),
        "without_map": missing,
        "test": {"with_mask": test.part, "images": test.whole},
        "oof": {"with_mask": held_out.part, "images": held_out.whole} if held_out else None,
        "warnings": positive_rate.warnings(test, held_out),
    }


def describe(made: Artifact) -> list[str]:
    """The lines that a stage prints of a submission."""
    summary = json.loads(made.path(SUMMARY).read_bytes())
    test, oof = summary["test"], summary["oof"]
    line = f"{summary['rows']} rows, a mask in {Proportion(test['with_mask'], test['images'])}"
    line += f"; out of fold in {Proportion(oof['with_mask'], oof['images'])}" if oof else ""
    lines = [f"{line}; the competition's prior is {positive_rate.PRIOR_IN_WORDS}"]
    lines += [f"warning: {warning}" for warning in summary["warnings"]]
    if missing := summary["without_map"]:
        named = ", ".join(f"{name} ({why})" for name, why in missing.items())
        lines.append(f"warning: {len(missing)} without a map go in as empty: {named}")
    return lines


def describe_score(tested: Score) -> str:
    """The line that a stage prints of a score."""
    low, high = tested.ci95
    line = (
        f"Dice {tested.dice:.4f} (95 % interval {low:.4f} to {high:.4f}) on {len(tested.ids)} "
        f"images of the truth; all empty {tested.all_empty_dice:.4f}"
    )
    return line + (f"; {len(tested.missing)} are not in the sample" if tested.missing else "")
