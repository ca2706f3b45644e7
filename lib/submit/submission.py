"""The artifact of a submission: its config, its files, its summary, and the upload."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lib import artifacts, rle, score
from lib.artifacts import Artifact, Draft
from lib.errors import InputError
from lib.files import sha256, write_bytes, write_json
from lib.layout import ArtifactPath
from lib.score import Score
from lib.submit import masks, positive_rate, report, validation
from lib.submit.inputs import SubmissionInputs
from lib.submit.masks import Row
from lib.submit.positive_rate import Proportion, Reference

SUBMISSION, SUMMARY = "submission.csv", "summary.json"


def config(location: ArtifactPath, truth: Path | None, replace: bool) -> dict[str, Any]:
    """Return the config: the checksum of the truth that the report scores against.

    A finished submission keeps its config, even if it is scored against another truth later.
    """
    if location.folder.exists() and not replace:
        return dict(artifacts.read(location).config)
    return {"truth": sha256(truth) if truth else None}


def fill(draft: Draft, source: SubmissionInputs, truth: Path | None) -> Artifact:
    """Write submission.csv, check it, and write the summary and the report.

    Args:
        draft: the artifact to fill.
        source: the decision, the ensemble and the dataset.
        truth: CSV file with masks of test images, for a score in the report.

    Raises:
        InputError: if a map is missing or damaged, or if submission.csv does not hold the masks
            that were predicted.
    """
    without_map = masks.images_without_map(source)
    rows = list(masks.predict(source))
    path = draft.path(SUBMISSION)
    write(path, rows)
    validation.check(path, rows, source.dataset.rle_size)
    oof = masks.score_out_of_fold(source)
    test = None
    if truth:
        test = score.compare(path, truth, source.dataset.rle_size, source.dataset.test_patients)
    expected = positive_rate.reference(source.dataset)
    summary = summarize(rows, without_map, oof, expected)
    write_json(draft.path(SUMMARY), summary)
    report.write(draft, report.ReportData(source, rows, summary, oof, test))
    return draft.finish()


def write(path: Path, rows: Sequence[Row]) -> None:
    """Write rows in the competition's format."""
    lines = [validation.HEADER, *(f"{row.image_id},{row.code}" for row in rows)]
    write_bytes(path, "".join(f"{line}\n" for line in lines).encode("ascii"))


def summarize(
    rows: Sequence[Row],
    without_map: dict[str, str],
    oof: Score | None,
    expected: Reference | None,
) -> dict[str, Any]:
    """Return the content of summary.json: numbers of images and masks, and warnings.

    Args:
        rows: of the submission.
        without_map: ImageId -> why it has no map.
        oof: the rule's masks out of fold.
        expected: the positive rate to expect.
    """
    test_rate = Proportion(sum(row.area > 0 for row in rows), len(rows) - len(without_map))
    oof_rate = Proportion(int(oof.has_mask.sum()), len(oof.ids)) if oof else None
    return {
        "rows": len(rows),
        "without_map": without_map,
        "test": {"with_mask": test_rate.count, "images": test_rate.total},
        "oof": {"with_mask": oof_rate.count, "images": oof_rate.total} if oof_rate else None,
        "expected": expected.text if expected else None,
        "warnings": positive_rate.warnings(test_rate, oof_rate, expected),
    }


def describe(submission: Artifact) -> list[str]:
    """Return the lines that stage 05 prints about a submission."""
    summary = json.loads(submission.path(SUMMARY).read_bytes())
    test, oof = summary["test"], summary["oof"]
    line = f"{summary['rows']} rows, a mask in {Proportion(test['with_mask'], test['images'])}"
    line += f"; out of fold in {Proportion(oof['with_mask'], oof['images'])}" if oof else ""
    expected = summary.get("expected")  # earlier versions have none
    lines = [f"{line}; {expected}" if expected else line]
    lines += [f"warning: {warning}" for warning in summary["warnings"]]
    if without_map := summary["without_map"]:
        reasons = ", ".join(f"{name} ({reason})" for name, reason in without_map.items())
        lines.append(f"warning: {len(without_map)} without a map go in as empty: {reasons}")
    return lines


def describe_score(test: Score) -> str:
    """Return the line that stage 05 prints about a score on test images."""
    low, high = test.ci95
    line = (
        f"Dice {test.dice:.4f} (95 % interval {low:.4f} to {high:.4f}) on {len(test.ids)} "
        f"images of the truth; all-empty baseline {test.all_empty_dice:.4f}"
    )
    return line + (f"; {len(test.missing)} are not in the sample" if test.missing else "")


def describe_frame(size: int) -> str | None:
    """Return a line on masks of another frame than the competition's; None if it is the same.

    Args:
        size: side of the RLE frame, in pixels.
    """
    side = rle.COMPETITION_FRAME
    if size == side:
        return None
    return (
        f"masks are encoded in the frame of the dataset, {size}x{size} px, and the competition "
        f"reads {side}x{side}; to submit there, give 01_prepare.py labels of that frame, or "
        f"--masks with --rle-size {side}"
    )


def check_upload(size: int) -> None:
    """Refuse an upload that cannot succeed, before any work is done for it.

    Args:
        size: side of the RLE frame, in pixels.

    Raises:
        InputError: if the `kaggle` command is not installed, or the masks are of another frame
            than the competition's.
    """
    find_kaggle()
    if line := describe_frame(size):
        raise InputError(f"--upload: {line}")


def find_kaggle() -> str:
    """Return the path of the `kaggle` command; an InputError if it is not installed."""
    kaggle = shutil.which("kaggle")
    if kaggle is None:
        raise InputError(
            "the kaggle command is not installed; pip install kaggle, or leave --upload and give "
            "the file to the competition's page"
        )
    return kaggle


def upload(path: Path, competition: str, message: str) -> str:
    """Submit a file with the `kaggle` command.

    Returns:
        The command's output, in one line.

    Raises:
        InputError: if the command is not installed, or if it fails.
    """
    kaggle = find_kaggle()
    command = [kaggle, "competitions", "submit", "-c", competition, "-f", str(path), "-m", message]
    process = subprocess.run(command, capture_output=True, text=True)
    output = " ".join((process.stdout + process.stderr).split())
    if process.returncode:
        raise InputError(f"kaggle refused {path}: {output[-300:] or 'it gave no reason'}")
    return output
