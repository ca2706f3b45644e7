"""Stage 01 run in the process of a test, on a small raw folder."""

import json
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from lib import artifacts, csv_files
from lib.layout import Work
from tests.raw_folders import POSITIVE, SIDE, write_labels, write_raw

SCRIPT = Path(__file__).parents[2] / "01_prepare.py"


class Stage:
    """Stage 01 in this process: a call runs it with one worker on a folder of 15 images."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = write_raw(root / "raw")
        self.work = Work(root / "work")
        self.monkeypatch = monkeypatch

    def __call__(self, *flags: object, source: Sequence[object] | None = None) -> None:
        source = ["--raw", self.root] if source is None else source
        split = [] if "--folds-csv" in flags else ["--n-folds", 2]
        common = ["--work", self.work.root, "--rle-size", SIDE, "--workers", 1, "--sizes", 8]
        argv = [SCRIPT, *source, *common, *split, *flags]
        self.monkeypatch.setattr(sys, "argv", [str(word) for word in argv])
        runpy.run_path(str(SCRIPT), run_name="__main__")

    def train_file(self, number: int) -> Path:
        return self.root / f"dicom-images-train/study{number}/series/train{number:02}.dcm"

    def label(self, *rows: tuple[str, str]) -> None:
        """Write the label file: these rows, and else train00 to train05 positive."""
        others = {f"train{n:02}": POSITIVE if n < 6 else "-1" for n in range(12)}
        for image_id, _ in rows:
            others.pop(image_id, None)
        write_labels(self.root / "stage_2_train.csv", [*others.items(), *rows])

    def table(self, name: str) -> pd.DataFrame:
        return csv_files.read(artifacts.read(self.work.dataset).path(name), ["ImageId"])

    def reason(self, image_id: str) -> str:
        row = self.table("images.csv").set_index("ImageId").loc[image_id]
        assert (row["split"] == "excluded") is bool(row["reason"])
        return row["reason"]

    def census(self) -> dict:
        return json.loads(artifacts.read(self.work.dataset).path("census.json").read_text())

    def refusal(self, capsys: pytest.CaptureFixture, *flags: object, **source: object) -> str:
        """Return the single line on stderr of a run that ends with exit code 2."""
        with pytest.raises(SystemExit) as caught:
            self(*flags, **source)
        assert caught.value.code == 2
        message = capsys.readouterr().err
        assert message.startswith("error: ")
        assert message.count("\n") == 1
        assert not self.work.dataset.folder.exists()
        return message
