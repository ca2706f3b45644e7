"""The benchmarks run, on as little as possible; what they measure is in tests/bench/README.md."""

import subprocess
import sys
from pathlib import Path

import pytest

from lib.layout import Work
from lib.recipes.rules import PUBLISHED
from tests import fakes
from tests.bench import decide, rules

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    place = Work(tmp_path / "my work")
    fakes.make_dataset(place)
    for fold in (0, 1):
        fakes.make_probs(place, "demo", fold, seed=fold)
    return place.root


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    path = tmp_path / "truth.csv"
    path.write_text("ImageId,EncodedPixels\ntest0,-1\ntest1,0 9\n")
    return path


def test_a_rule_is_measured_out_of_fold_and_on_the_test_images(work: Path, truth: Path) -> None:
    measured = rules.measure(work, ["demo"], truth, "stated", "--params top=.9 min_area=999")
    cells = [cell.strip() for cell in measured.row(measured).strip("|").split("|")]
    assert cells[:3] == ["stated", "0.898 / 999 / 0.498", "0.6667"]  # 8 of 12 are empty
    assert cells[4:] == ["+0.0000", "0.5000", "+0.0000 (+0.0000 to +0.0000)"]
    assert measured.all_empty() == (
        "All empty: 0.6667 on the 12 labelled images, 0.5000 on the 2 of the test."
    )


def test_a_rule_that_these_maps_cannot_have_says_why(
    work: Path, truth: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "OURS", {"gated": "--rule gated"})
    monkeypatch.setattr(rules, "PUBLISHED", {})
    lines = list(rules.table(work, ["demo"], truth))
    assert "| gated | not possible: --rule gated needs image probabilities" in lines[-1]


def test_every_published_rule_is_measured_once() -> None:
    named = [name for names in rules.published() for name in names.split(", ")]
    assert sorted(named) == sorted(PUBLISHED)
    assert len(set(rules.published().values())) == len(set(PUBLISHED.values()))


def test_deciding_is_measured_on_a_few_maps(capsys: pytest.CaptureFixture[str]) -> None:
    decide.main(["--images", "10"])
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "| figure | value | target |"
    assert len(printed) == 7


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [(["--help"], 0, "python -m tests.bench"), (["decode"], 2, "decode"), (["all", "-x"], 2, "-x")],
)
def test_the_command_names_what_there_is(words: list[str], code: int, said: str) -> None:
    command = [sys.executable, "-m", "tests.bench", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == code
    assert said in done.stdout + done.stderr
