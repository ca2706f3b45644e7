"""report.html: one page that explains a submission to a competitor and to a radiologist.

It holds nothing that differs between two makings of the same work, so that the artifact's id does
not either: commands, versions and times are in log/lineage.txt beside it.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lib import csv_files, metrics, rle
from lib.artifacts import Draft
from lib.decision import deciders
from lib.decision.expected_dice import ExpectedDiceRule
from lib.files import write_bytes
from lib.score import Score
from lib.submit import lesion_sizes, lineage, overlays, reliability, report_text
from lib.submit.inputs import SubmissionInputs
from lib.submit.lineage import Ancestor
from lib.submit.masks import Row
from lib.submit.positive_rate import Proportion

REPORT = "report.html"
TEMPLATE = Path(__file__).with_name("report.html.jinja")


@dataclass(frozen=True)
class ReportData:
    """What a report is about.

    Attributes:
        rows: of the submission.
        summary: as `submission.summarize` makes it.
        oof: the rule's masks out of fold; None without labels.
        tested: the score on a truth of the test images; None without.
    """

    source: SubmissionInputs
    rows: Sequence[Row]
    summary: Mapping[str, Any]
    oof: Score | None
    tested: Score | None


def write(draft: Draft, content: ReportData) -> None:
    """Write report.html and the overlays it shows, and log/lineage.txt."""
    source = content.source
    line = lineage.ancestors(draft.location.root, source.inputs)
    cache = overlays.largest_cache(source) if content.oof else None
    picks = overlays.choose(content.oof) if content.oof and cache else []
    if cache:
        overlays.write(draft, source, cache, picks)
    page = _template().render(
        name=draft.location.folder.name,
        content=content,
        labelled=len(source.dataset.truth),
        decided=source.decided,
        chosen=report_text.origin(source.decided),
        steps=report_text.steps(source.rule, source.dataset.rle_size),
        circumstances=report_text.circumstances(
            source.decision.config,
            source.ensemble.config,
            class_gate=_looks_at_classes(source),
            voted=source.voted,
        ),
        settled=report_text.settled(source.decided),
        levels=deciders.to_json(source.rule),
        reliability=_embedded(reliability.draw(source.decided["reliability"]))
        if source.decided.get("reliability")
        else None,
        surface=_embedded(source.decision.path("surface.png").read_bytes())
        if content.oof
        else None,
        members=_members(source),
        shares=_shares(content),
        confusions=_confusions(content),
        folds=_by_fold(content),
        sizes=lesion_sizes.by_size(content.oof) if content.oof else [],
        scatter=_embedded(lesion_sizes.scatter(content.oof)) if content.oof else None,
        overlays=[(pick, _embedded(draft.path(pick.file).read_bytes())) for pick in picks],
        curves=_curves(line),
        lineage=line,
    )
    write_bytes(draft.path(REPORT), page.encode())
    write_bytes(draft.path("log/lineage.txt"), lineage.circumstances(line).encode())


def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "dice": report_text.dice,
        "px": report_text.pixels,
        "share": report_text.percent,
    }
    return environment.get_template(TEMPLATE.name)


def _looks_at_classes(source: SubmissionInputs) -> bool:
    """Whether the probability of an image counts, besides those of its pixels."""
    if isinstance(source.rule, ExpectedDiceRule):
        return source.rule.empty.wants_class
    return source.rule.class_min is not None


def _embedded(png: bytes) -> str:
    """A PNG as a data URI, so that the page can be sent on its own."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _members(source: SubmissionInputs) -> list[dict[str, Any]]:
    columns = ("member", "fold", "weight")
    table = csv_files.read(source.ensemble.path("members.csv"), columns)
    return [dict(row) for _, row in table[list(columns)].astype({"weight": float}).iterrows()]


def _shares(content: ReportData) -> list[tuple[str, Proportion, float]]:
    """How many images have a mask, and the median area of those, by where they are."""
    truth = [rle.area(code) for code in content.source.dataset.truth.values()]
    missing = content.summary["without_map"]
    test = [row.area for row in content.rows if row.image_id not in missing]
    oof, tested = content.oof, content.tested
    areas_by_place = {
        "Training images, truth": truth,
        "Out of fold, truth": oof.areas[:, 1] if oof else [],
        "Out of fold, predicted": oof.areas[:, 0] if oof else [],
        "Test images, predicted": test,
        "Test images, truth": tested.areas[:, 1] if tested else [],
    }
    return [_share(where, np.asarray(area)) for where, area in areas_by_place.items() if len(area)]


def _share(where: str, area: np.ndarray) -> tuple[str, Proportion, float]:
    masked = area[area > 0]
    median = float(np.median(masked)) if len(masked) else np.nan
    return where, Proportion(len(masked), len(area)), median


def _confusions(content: ReportData) -> list[tuple[str, Mapping[str, int]]]:
    scored = {"Out of fold": content.oof, "Test": content.tested}
    return [
        (name, metrics.confusion(score.found, score.positive))
        for name, score in scored.items()
        if score
    ]


def _by_fold(content: ReportData) -> list[tuple[int, Score]]:
    """The out-of-fold score of each fold by itself."""
    oof = content.oof
    if oof is None:
        return []
    folds = np.array([content.source.dataset.folds[name] for name in oof.ids])
    names = np.array(oof.ids)
    return [
        (int(fold), Score(tuple(names[folds == fold]), oof.areas[folds == fold]))
        for fold in np.unique(folds)
    ]


def _curves(line: Sequence[Ancestor]) -> list[tuple[str, str | None]]:
    """The training curves of every run; None where the run is not on this machine."""
    runs = sorted(
        (ancestor.name, ancestor) for ancestor in line if ancestor.name.startswith("runs/")
    )
    return [
        (
            name.removeprefix("runs/").replace("/", ", "),
            _embedded(run.artifact.path("curves.png").read_bytes()) if run.artifact else None,
        )
        for name, run in runs
    ]
