"""report.html: self-contained, and the same wherever it is made."""

import re
from pathlib import Path

import pytest

from lib import artifacts
from lib.files import remove, write_bytes
from lib.layout import Work
from tests import fakes
from tests.submit.builders import TEST_IDS, prepare, read_page, replace_decision, submit


def submit_with_cache(work: Work) -> artifacts.Artifact:
    prepare(work)
    fakes.make_cache(work, fakes.masks(12), 16, TEST_IDS)
    return submit(work)


@pytest.fixture
def page(work: Work) -> str:
    return read_page(submit_with_cache(work))


def test_the_page_is_self_contained(page: str) -> None:
    images = re.findall(r"<img [^>]*>", page)
    assert images
    assert all('src="data:image/png;base64,' in image for image in images)
    assert all(re.search('alt="[^"]', image) for image in images)
    assert not re.search("<script|href=|action=|http", page)


def test_the_page_has_rule_scores_rates_examples_and_lineage(page: str) -> None:
    text = " ".join(re.sub("<[^>]+>", " ", page.split("</style>")[1]).split())
    for phrase in (
        "Submission final-params", "12 labelled ones.", "Out-of-fold Dice 1.0000", "All-empty",
        "with fewer than 3 of its 16 × 16 pixels above 0.498 is empty",
        "Out of fold, predicted 12 4 33.3", "Test images, predicted 3 2 66.7",
        "Pneumothoraces by their true area", "prediction truth", "Best, Dice 1.000",
        "3 test images closest to the boundary",
        "decisions/final-params", "not for diagnosis",
    ):  # fmt: skip
        assert phrase in text, phrase


@pytest.mark.parametrize(
    ("optimism", "text"), [(0.0123, "0.0123 more on the images"), (-0.0057, "0.0057 less on the")]
)
def test_a_rule_scores_more_or_less_on_the_images_it_was_fitted_on(
    work: Work, optimism: float, text: str
) -> None:
    prepare(work)
    replace_decision(work, optimism=optimism)
    assert f"The rule scores {text}" in read_page(submit(work))


def test_the_artifact_is_the_same_wherever_it_is_made(work: Work, tmp_path: Path) -> None:
    artifact = submit_with_cache(work)
    assert submit_with_cache(Work(tmp_path / "elsewhere")).id == artifact.id
    assert str(tmp_path) not in read_page(artifact)


def test_overlays_lie_beside_the_page(work: Work) -> None:
    artifact = submit_with_cache(work)
    drawn = [name for name in artifact.files if name.startswith("overlays/")]
    assert len(drawn) == read_page(artifact).count('width="480"') > 0


def test_the_page_of_a_work_without_caches_has_no_pictures(work: Work) -> None:
    prepare(work)
    assert read_page(submit(work)).count("No cache of this dataset") == 2


def test_a_truth_adds_the_test_score(work: Work, tmp_path: Path) -> None:
    prepare(work)
    truth = tmp_path / "truth.csv"
    truth.write_text("ImageId,EncodedPixels\nt0,0 9\nt1,-1\n")
    page = read_page(submit(work, truth))
    assert "Test Dice" in page
    assert "0.5000" in page


def test_training_curves_are_shown_for_runs_on_this_machine(work: Work) -> None:
    source = prepare(work)
    runs = []
    for fold in (0, 1):
        draft = artifacts.begin(work.run("demo", fold), {}, [source.dataset.artifact])
        write_bytes(draft.path("curves.png"), b"picture")
        runs.append(draft.finish())
    replace_decision(work, parents=runs)
    remove(work.run("demo", 1).folder)
    first, second = read_page(submit(work)).split("<h3>")[1:]
    assert first.startswith("demo, fold0<")
    assert "data:image/png;base64,cGljdHVyZQ==" in first
    assert second.startswith("demo, fold1<")
    assert "This run is not on this machine" in second
