"""The gallery: order, links, and what it says."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from lib.decision.rules import ThresholdRule
from lib.predict import gallery, outputs
from lib.predict.files import Failed, ImageFile
from lib.predict.system import TrainedSystem

SCORES: dict[str, Any] = {"oof_dice": None}
SYSTEM = TrainedSystem("final-x", 1024, "params", ThresholdRule(min_area=99), (), None, SCORES, {})


def record(name: str, p: float, area: int = 0) -> dict[str, Any]:
    return {"file": name, "p_pneumothorax": p, "area_px": area, "area_mm2": "", "components": 1}


def test_images_are_sorted_by_probability_and_their_links_lead_to_files(tmp_path: Path) -> None:
    records = [record("a.png", 0.2), record("b & <c>#1%.png", 0.9, 1234), record("0.png", 0.2)]
    gallery.write(tmp_path, SYSTEM, records, [])
    page = (tmp_path / "index.html").read_text()
    pictures = [unquote(link) for link in re.findall('href="(overlays/[^"]*)"', page)]
    expected = ["b & <c>#1%.png", "0.png", "a.png"]
    assert pictures == [outputs.output_file("overlays", name) for name in expected]
    assert "<c>" not in page
    assert "1,234 px" in page
    assert "marked in 1 of 3 images" in page


def test_the_page_names_skipped_files_the_rule_and_its_purpose(tmp_path: Path) -> None:
    failed = [Failed(ImageFile(Path("x"), "broken.dcm"), "empty file")]
    gallery.write(tmp_path, SYSTEM, [record("a.png", 0.2)], failed)
    page = (tmp_path / "index.html").read_text()
    assert "broken.dcm: empty file" in page
    assert "fewer than 99 of its 1024" in page
    assert "For research, not a medical device." in page
    assert not re.search("(src|href)=.(https?:)?//", page)
