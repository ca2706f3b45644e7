"""index.html: a gallery of all predicted images, the most probable pneumothoraces first."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lib import templates
from lib.files import write_bytes
from lib.predict.files import Failed
from lib.predict.outputs import MASKS, OVERLAYS, PREDICTIONS, THUMBNAILS, output_file
from lib.predict.system import DISCLAIMER, TrainedSystem

TEMPLATE = Path(__file__).with_name("gallery.html.jinja")
GALLERY = "index.html"


def write(
    out: Path, system: TrainedSystem, records: Sequence[Mapping[str, Any]], failed: Sequence[Failed]
) -> None:
    """Write the page.

    Args:
        out: folder of the outputs; the page refers to its files.
        system: for the rule and the score.
        records: rows of predictions.csv.
        failed: files that were skipped.
    """
    page = templates.load(TEMPLATE).render(
        records=sorted(records, key=lambda record: (-record["p_pneumothorax"], record["file"])),
        with_mask=sum(record["area_px"] > 0 for record in records),
        failed=failed,
        system=system,
        sentences=system.rule.explain(system.frame_px),
        disclaimer=DISCLAIMER,
        predictions=PREDICTIONS,
        link=lambda kind, name: quote(output_file(kind, name)),
        kinds={"mask": MASKS, "overlay": OVERLAYS, "thumbnail": THUMBNAILS},
    )
    write_bytes(out / GALLERY, page.encode())
