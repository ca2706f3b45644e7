"""The benchmark of the expected-Dice rule, and its gain where images differ in certainty."""

import pytest

from lib import metrics
from lib.bootstrap import interval
from lib.decision.threshold_search import PRESETS
from lib.decision.tuning import RuleFitter
from tests.bench import expected as bench


@pytest.mark.parametrize("kind", ["heights vary", "half with a sure core"])
def test_expected_dice_beats_the_best_triplet_where_images_differ_in_certainty(kind: str) -> None:
    sample, _ = bench.simulate(600, bench.KINDS[kind], seed=2)
    new, _ = bench.simulate(3000, bench.KINDS[kind], seed=3)
    expected, triplet = (
        metrics.dice(*RuleFitter(PRESETS[preset], choose).fit(sample).areas(new))
        for preset, choose in (("expected", None), ("triplet", "best"))
    )
    low, _ = interval(expected - triplet, new.patients)
    assert low > 0


def test_the_table_of_a_few_images(capsys: pytest.CaptureFixture[str]) -> None:
    bench.main(["--images", "50"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 4 * 4 + 2
    assert "| heights vary | expected |" in "\n".join(lines)
    assert lines[-1].startswith("From a histogram to a mask")
