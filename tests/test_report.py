"""report.html and what it shows: the same at every call, and nothing from outside."""

import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from lib import artifacts, csv_files
from lib.decision.rules import ThresholdRule
from lib.files import remove, write_bytes
from lib.layout import Work
from lib.score import Score
from lib.submit import inputs, lesion_sizes, lineage, overlays, report, report_text, submission
from tests import fakes

RULE = ThresholdRule(top=0.5, min_area=3, bottom=0.3)


def score_of(*rows: tuple[int, int, int]) -> Score:
    return Score(tuple(f"i{number:02}" for number in range(len(rows))), np.array(rows))


class TestOverlays:
    def test_a_dozen_is_chosen_by_rank(self) -> None:
        found = [(100, 100, 100 - 5 * n) for n in range(12)]  # Dice 1, .95, ... .45
        missed = [(0, 10 * n, 0) for n in range(1, 6)]
        false = [(7, 0, 0), (9, 0, 0), (8, 0, 0)]
        picks = overlays.choose(score_of(*found, *missed, *false, (0, 0, 0)))
        assert [(pick.kind, pick.image_id) for pick in picks] == [
            ("best", "i00"), ("best", "i01"),
            ("median", "i04"), ("median", "i05"), ("median", "i06"),
            ("worst", "i10"), ("worst", "i11"),
            ("missed", "i16"), ("missed", "i15"), ("missed", "i14"),
            ("false alarm", "i18"), ("false alarm", "i19"),
        ]  # fmt: skip
        assert picks[2].dice == pytest.approx(0.8)
        assert (picks[7].predicted, picks[7].true) == (0, 50)

    @pytest.mark.parametrize("count", range(8))
    def test_no_image_is_shown_twice_where_there_are_few(self, count: int) -> None:
        picks = overlays.choose(score_of((0, 0, 0), *[(9, 9, n + 1) for n in range(count)]))
        assert len({pick.image_id for pick in picks}) == len(picks) == min(count, 7)

    def test_equal_scores_are_ranked_by_id(self) -> None:
        picks = overlays.choose(score_of(*[(5, 5, 5)] * 9))
        assert [pick.image_id for pick in picks][:2] == ["i00", "i01"]

    def test_prediction_is_filled_and_truth_outlined(self) -> None:
        image = np.full((64, 64), 100, np.uint8)
        predicted, true = np.zeros((2, 64, 64), bool)
        predicted[:, :32] = True
        true[16:48, 40:56] = True
        drawn = overlays.draw(image, predicted, true)[..., ::-1].astype(int)
        scale = overlays.SIDE / 64
        at = lambda row, column: drawn[int(row * scale), int(column * scale)]  # noqa: E731
        assert drawn.shape == (480, 480, 3)
        assert at(5, 5).tolist() == np.rint(0.55 * 100 + 0.45 * np.array([230, 130, 0])).tolist()
        assert at(5, 60).tolist() == [100, 100, 100]
        assert at(32, 48).tolist() == [100, 100, 100]
        assert tuple(drawn[int(16 * scale), int(48 * scale)]) == overlays.TRUE

    def test_the_largest_cache_of_this_dataset_is_taken(self, tmp_path: Path) -> None:
        work = Work(tmp_path)
        made_from = prepare(work)
        assert overlays.largest_cache(made_from) is None
        for size, made in ((16, [made_from.dataset.artifact]), (8, made_from.inputs), (99, [])):
            artifacts.begin(work.cache(size), {"size": size}, made).finish()
        found = overlays.largest_cache(made_from)
        assert found is not None
        assert found.location == work.cache(16)


class TestAreas:
    def test_positives_are_classed_by_quartile_of_their_area(self) -> None:
        rows = [(0, 0, 0), (0, 10, 0), (20, 20, 20), (15, 30, 15), (50, 40, 40), (9, 0, 0)]
        classes = lesion_sizes.by_size(score_of(*rows))
        assert [(c.smallest, c.images, c.found) for c in classes] == [
            (10, 1, 0), (20, 1, 1), (30, 1, 1), (40, 1, 1),
        ]  # fmt: skip
        assert [c.dice for c in classes] == pytest.approx([0, 1, 2 / 3, 80 / 90])
        assert np.isnan(classes[0].ratio)
        assert [c.ratio for c in classes[1:]] == [1, 0.5, 1.25]

    def test_without_positives_there_are_no_classes(self) -> None:
        assert lesion_sizes.by_size(score_of((0, 0, 0), (5, 0, 0))) == []

    @pytest.mark.parametrize(
        "rows", [[(0, 0, 0)], [(5, 0, 0)], [(0, 5, 0)], [(9, 8, 7), (0, 6, 0), (4, 0, 0)]]
    )
    def test_the_scatter_is_the_same_png_each_time(self, rows) -> None:
        png = lesion_sizes.scatter(score_of(*rows))
        assert png == lesion_sizes.scatter(score_of(*rows))
        assert cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR).shape == (750, 750, 3)


class TestLineage:
    def test_it_follows_inputs_as_far_as_they_are_here(self, tmp_path: Path) -> None:
        work = Work(tmp_path)
        dataset = artifacts.begin(work.dataset, {}).finish()
        run = artifacts.begin(work.run("demo", 0), {}, [dataset]).finish()
        probs = artifacts.begin(work.probs("demo", 0), {}, [run, dataset]).finish()
        gone = artifacts.begin(work.probs("demo", 1), {}, [dataset]).finish()
        ensemble = artifacts.begin(work.ensemble("e"), {}, [probs, gone]).finish()
        remove(gone.location.folder)
        artifacts.begin(work.run("demo", 0), {"other": 1}, [dataset], replace=True).finish()
        line = lineage.ancestors(work.root, [ensemble])
        assert {ancestor.name: ancestor.artifact is not None for ancestor in line} == {
            "ensembles/e": True,
            "probs/demo/fold0": True,
            "probs/demo/fold1": False,
            "runs/demo/fold0": False,  # remade since
            "dataset": True,
        }
        text = lineage.circumstances(line)
        assert f"probs/demo/fold1\n  id       {gone.id}\n  not on this machine" in text
        assert text.count("  command  ") == 3


@pytest.mark.parametrize(
    ("rule", "steps"),
    [
        (ThresholdRule(), ["The mask is every pixel above 0.500."]),
        (
            ThresholdRule(0.9, 1, 0.2),
            [
                "An image without any pixel above 0.900 is empty.",
                "The mask is every pixel above 0.200.",
            ],
        ),
        (
            ThresholdRule(0.7, 2000, 0.3, component_min_area=50, fill_holes=True, class_min=0.4),
            [
                "An image whose probability of a pneumothorax is below 0.400 is empty.",
                "An image with fewer than 2,000 of its 64 × 64 pixels above 0.700 is empty.",
                "The mask is every pixel above 0.300.",
                "Connected parts of fewer than 50 pixels go.",
                "Holes are filled.",
            ],
        ),
    ],
)
def test_a_rule_in_words(rule: ThresholdRule, steps: list[str]) -> None:
    assert report_text.steps(rule, 64) == steps


@pytest.mark.parametrize(
    ("decided", "origin"),
    [
        ({"rule": "triplet", "choose": "plateau"}, "kind “triplet”.*in the middle"),
        ({"rule": "duplet", "choose": "best"}, "kind “duplet”.*where the score peaks"),
        ({"rule": "params", "choose": None}, "stated, not fitted"),
        ({"rule": "see", "choose": None}, "published rule “see”, not fitted"),
    ],
)
def test_where_a_rule_comes_from(decided: dict, origin: str) -> None:
    assert re.search(origin, report_text.origin(decided))


EQUAL, SEARCHED = {"weights": [0.5, 0.5]}, {"weights": "search"}


@pytest.mark.parametrize(
    ("decided", "ensemble", "class_gate", "voted", "said"),
    [
        ({}, EQUAL, False, False, []),
        ({}, EQUAL, True, False, ["is the members' own, their mean."]),
        ({"gate": ["a", "b"], "gate_fit": "mean"}, EQUAL, True, False, ["of those of a, b."]),
        ({"gate": ["a"], "gate_fit": "stack"}, EQUAL, True, False, ["regression, .* of a and"]),
        ({}, SEARCHED, False, True, ["was searched on the out-of-fold", "the rule decides on"]),
        ({"choose": "best"}, EQUAL, False, True, ["fitted on the fold.s .* than half"]),
    ],
)  # fmt: skip
def test_what_a_rule_is_applied_to_in_words(decided, ensemble, class_gate, voted, said) -> None:
    found = report_text.circumstances(decided, ensemble, class_gate, voted)
    assert len(found) == len(said)
    assert all(re.search(part, sentence) for part, sentence in zip(said, found, strict=True))


@pytest.mark.parametrize("number", [report_text.dice, report_text.percent, report_text.pixels])
def test_no_number_is_a_dash(number) -> None:
    assert number(float("nan")) == "–"


def prepare(work: Work, quality: float = 0.9) -> inputs.SubmissionInputs:
    truth = fakes.masks(12)
    rng = np.random.default_rng(0)
    fakes.make_dataset(work, truth)
    oof = {name: fakes.noisy_map(mask, rng, quality) for name, mask in truth.items()}
    empty = np.zeros((16, 16), np.uint8)
    fakes.make_ensemble(work, "final", {"oof": oof, "test": {"test0": empty, "test1": empty}})
    fakes.make_decision(work, "final", RULE)
    return inputs.read(work, "final-params")


def write(work: Work, truth: Path | None = None, **decided: float) -> str:
    made_from = inputs.read(work, "final-params")
    made_from.decided.update(decided)
    location = work.submission("final-params")
    draft = artifacts.begin(
        location, submission.config(location, truth, True), made_from.inputs, True
    )
    return submission.fill(draft, made_from, truth).path("report.html").read_text()


class Outline(HTMLParser):
    """Headings, pictures, and whatever points outside."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.alts: list[str | None] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        self.tags.append(tag)
        if tag == "img":
            self.sources.append(values["src"] or "")
            self.alts.append(values.get("alt"))
        self.links += [value or "" for name, value in attributes if name in ("href", "action")]


@pytest.fixture
def page(tmp_path: Path) -> str:
    work = Work(tmp_path / "work")
    prepare(work)
    fakes.make_cache(work, fakes.masks(12), 16)
    return write(work)


def test_the_page_is_self_contained(page: str) -> None:
    outline = Outline()
    outline.feed(page)
    assert "script" not in outline.tags
    assert outline.links == []
    assert all(src.startswith("data:image/png;base64,") for src in outline.sources)
    assert all(outline.alts)
    assert "http" not in page


def test_the_page_tells_what_matters(page: str) -> None:
    text = " ".join(re.sub("<[^>]+>", " ", page.split("</style>")[1]).split())
    for phrase in (
        "Submission final-params", "judged on 12 labelled ones.", "Out-of-fold Dice", "All empty",
        "What becomes a mask",
        "with fewer than 3 of its 16 × 16 pixels above 0.498 is empty", "above 76 of 255",
        "Out of fold, predicted 12 ", "Test images, predicted 2 0 0.0",
        "Pneumothoraces by their true area", "prediction truth", "Best, Dice",
        "decisions/final-params", "not for diagnosis",
    ):  # fmt: skip
        assert phrase in text, phrase


@pytest.mark.parametrize(
    ("optimism", "said"), [(0.0123, "0.0123 more on the images"), (-0.0057, "0.0057 less on the")]
)
def test_a_rule_scores_more_or_less_where_it_was_fitted(
    tmp_path: Path, optimism: float, said: str
) -> None:
    work = Work(tmp_path)
    prepare(work)
    assert f"The rule scores {said}" in write(work, optimism=optimism)


def test_the_page_is_the_same_wherever_it_is_made(page: str, tmp_path: Path) -> None:
    other = Work(tmp_path / "elsewhere")
    prepare(other)
    fakes.make_cache(other, fakes.masks(12), 16)
    assert write(other) == page
    assert str(tmp_path) not in page


def test_overlays_lie_beside_the_page(tmp_path: Path) -> None:
    work = Work(tmp_path)
    prepare(work)
    fakes.make_cache(work, fakes.masks(12), 16)
    page = write(work)
    made = artifacts.read(work.submission("final-params"))
    drawn = [name for name in made.files if name.startswith("overlays/")]
    assert len(drawn) == page.count('width="480"') > 0


def test_without_a_cache_the_page_says_so(tmp_path: Path) -> None:
    prepare(Work(tmp_path))
    assert "there are no pictures" in write(Work(tmp_path))


def test_a_truth_adds_the_test_score(tmp_path: Path) -> None:
    work = Work(tmp_path)
    prepare(work)
    truth = tmp_path / "truth.csv"
    truth.write_text("ImageId,EncodedPixels\ntest0,0 9\ntest1,-1\n")
    page = write(work, truth)
    assert "Test Dice" in page
    assert "0.5000" in page
    assert csv_files.read_rles(truth).shape == (2, 2)


def test_curves_are_shown_where_the_run_is_here(tmp_path: Path) -> None:
    dataset = artifacts.begin(Work(tmp_path).dataset, {}).finish()
    draft = artifacts.begin(Work(tmp_path).run("demo", 0), {}, [dataset])
    write_bytes(draft.path("curves.png"), b"picture")
    run = draft.finish()
    absent = lineage.Ancestor("runs/demo/fold1", "0" * 64, None)
    shown = report._curves([lineage.Ancestor("runs/demo/fold0", run.id, run), absent])
    assert shown == [("demo, fold0", "data:image/png;base64,cGljdHVyZQ=="), ("demo, fold1", None)]
