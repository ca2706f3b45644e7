"""report.html: one page that explains a submission to a competitor and to a radiologist.

The page holds only what the inputs determine, so that equal inputs give an artifact of equal id.
Commands, versions and times are in log/lineage.txt beside it.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lib import csv_files, metrics, rle, templates
from lib.artifacts import Draft
from lib.decision.schema import SURFACE_FILE
from lib.files import write_bytes
from lib.score import Score
from lib.submit import lesion_sizes, lineage, overlays, plots, report_text
from lib.submit.inputs import SubmissionInputs
from lib.submit.lineage import Ancestor
from lib.submit.masks import Row
from lib.submit.overlays import Example
from lib.submit.positive_rate import Proportion

REPORT = "report.html"
MAX_CLOSEST = 40  # rows of the table of test images
TEMPLATE = Path(__file__).with_name("report.html.jinja")
FILTERS = {
    "dice": report_text.dice,
    "px": report_text.pixels,
    "percent": report_text.percent,
}


@dataclass(frozen=True)
class ReportData:
    """Content of a report.

    Attributes:
        rows: of the submission.
        summary: content of summary.json.
        oof: the rule's masks out of fold; None without labels.
        test: the submission's score on test images; None without their truth.
    """

    source: SubmissionInputs
    rows: Sequence[Row]
    summary: Mapping[str, Any]
    oof: Score | None
    test: Score | None


def write(draft: Draft, data: ReportData) -> None:
    """Write report.html, the overlays that it shows, and log/lineage.txt."""
    source, oof = data.source, data.oof
    ancestors = lineage.ancestors(draft.location.root, source.inputs)
    cache = source.dataset.largest_cache()
    examples = overlays.choose_examples(oof) if oof and cache else []
    test_examples = overlays.choose_test_examples(data.rows) if cache else []
    if cache:
        overlays.write(draft, source, cache, [*examples, *test_examples])
    by_closeness = overlays.sort_by_closeness(data.rows)
    decision, bins = source.decision, source.decision.reliability
    surface = source.decision_artifact.path(SURFACE_FILE) if oof else None
    page = templates.load(TEMPLATE, FILTERS).render(
        name=draft.location.folder.name,
        data=data,
        decision=decision,
        origin=report_text.describe_origin(decision),
        rule_inputs=report_text.describe_inputs(decision, source.ensemble.config),
        reliability=_data_uri(plots.draw_reliability(bins)) if bins else None,
        surface=_data_uri(surface.read_bytes()) if surface else None,
        members=_members(source),
        positive_rates=_positive_rates(data),
        confusions=_confusions(data),
        folds=_scores_by_fold(oof, source.dataset.folds) if oof else [],
        size_classes=lesion_sizes.size_classes(oof) if oof else [],
        scatter=_data_uri(plots.draw_scatter(oof)) if oof else None,
        has_cache=cache is not None,
        overlays=_pictures(draft, examples),
        test_overlays=_pictures(draft, test_examples),
        closest=by_closeness[:MAX_CLOSEST],
        curves=_training_curves(ancestors),
        lineage=ancestors,
    )
    write_bytes(draft.path(REPORT), page.encode())
    write_bytes(draft.path("log/lineage.txt"), lineage.describe_provenance(ancestors).encode())


def _data_uri(png: bytes) -> str:
    """Return a PNG as a data URI, which keeps the page in one file."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _pictures(draft: Draft, examples: Sequence[Example]) -> list[tuple[Example, str]]:
    """Return each example with its drawing as a data URI."""
    return [(example, _data_uri(draft.path(example.file).read_bytes())) for example in examples]


def _members(source: SubmissionInputs) -> list[dict[str, Any]]:
    columns = ("member", "fold", "weight")
    table = csv_files.read(source.ensemble.path("members.csv"), columns)
    return [dict(row) for _, row in table[list(columns)].astype({"weight": float}).iterrows()]


def _positive_rates(data: ReportData) -> list[tuple[str, Proportion, float]]:
    """Return the images with a mask and the median area of these masks, by kind of image."""
    truth = [rle.area(code) for code in data.source.dataset.truth.values()]
    without_map = data.summary["without_map"]
    predicted = [row.area for row in data.rows if row.image_id not in without_map]
    areas_by_kind = {
        "Training images, truth": truth,
        "Out of fold, truth": data.oof.areas[:, 1] if data.oof else [],
        "Out of fold, predicted": data.oof.areas[:, 0] if data.oof else [],
        "Test images, predicted": predicted,
        "Test images, truth": data.test.areas[:, 1] if data.test else [],
    }
    rates = []
    for kind, areas in areas_by_kind.items():
        if len(areas):
            masked = [area for area in areas if area > 0]
            median = float(np.median(masked)) if masked else np.nan
            rates.append((kind, Proportion(len(masked), len(areas)), median))
    return rates


def _confusions(data: ReportData) -> list[tuple[str, metrics.Confusion]]:
    scores = {"Out of fold": data.oof, "Test": data.test}
    return [
        (name, metrics.confusion(score.has_mask, score.positive))
        for name, score in scores.items()
        if score
    ]


def _scores_by_fold(oof: Score, fold_by_id: Mapping[str, int]) -> list[tuple[int, Score]]:
    """Return the out-of-fold score of each fold."""
    folds = np.array([fold_by_id[name] for name in oof.ids])
    ids = np.array(oof.ids)
    return [
        (int(fold), Score(tuple(ids[folds == fold]), oof.areas[folds == fold]))
        for fold in np.unique(folds)
    ]


def _training_curves(ancestors: Sequence[Ancestor]) -> list[tuple[str, str | None]]:
    """Return the training curves of every run; None if the run is not on this machine."""
    curves = []
    for ancestor in sorted(ancestors, key=lambda ancestor: ancestor.name):
        if ancestor.name.startswith("runs/"):
            run = ancestor.artifact
            picture = _data_uri(run.path("curves.png").read_bytes()) if run else None
            curves.append((ancestor.name.removeprefix("runs/").replace("/", ", "), picture))
    return curves
