"""The figure of cases: its rows, its columns, and the pixels of truth and prediction."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from lib.drawing import GAP, LINE, PANEL, PREDICTED, TRUE
from lib.errors import InputError
from lib.layout import ALL_DATA, Work
from lib.leaderboard import figure
from lib.leaderboard.leaderboard import Leaderboard
from tests import fakes
from tests.leaderboard.builders import MAPS_ALL_MISSED, RECIPE, TRUTH, add_run
from tests.leaderboard.builders import PREDICTED as PREDICTED_MASKS
from tests.stages.commands import error_line, run

RUN = 'import runpy; runpy.run_module("lib.leaderboard", run_name="__main__")'


@pytest.fixture
def work(work: Work) -> Work:
    """Two runs and a cache; `found` and `missed` are positive."""
    fakes.make_cache(work, TRUTH, fakes.FRAME)
    add_run(work, "first")
    add_run(work, "second", maps=MAPS_ALL_MISSED)
    return work


def panels(png: bytes, rows: int) -> list[list[np.ndarray]]:
    """Return the panels of a figure whose texts have a line each."""
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    columns = picture.shape[1] // (PANEL + GAP)
    step, top = PANEL + GAP + LINE, GAP + LINE
    assert picture.shape == (top + rows * step + LINE, GAP + columns * (PANEL + GAP), 3)
    places = [[(top + row * step, GAP + column * (PANEL + GAP)) for column in range(columns)]
              for row in range(rows)]  # fmt: skip
    return [[picture[y : y + PANEL, x : x + PANEL] for y, x in row] for row in places]


def enlarge(mask: np.ndarray) -> np.ndarray:
    return mask.repeat(PANEL // len(mask), axis=0).repeat(PANEL // len(mask), axis=1)


def test_a_row_has_the_radiograph_the_truth_and_every_run(work: Work) -> None:
    ((radiograph, truth, first, second),) = panels(figure.draw(Leaderboard(work), ["found"]), 1)
    inside = cv2.erode(enlarge(TRUTH["found"]).astype(np.uint8), np.ones((7, 7))) > 0
    edge = (truth == TRUE).all(axis=2)
    outside = cv2.dilate(enlarge(TRUTH["found"]).astype(np.uint8), np.ones((7, 7))) == 0
    assert (radiograph == radiograph[..., :1]).all()
    assert (truth[inside] == radiograph[inside]).all()
    assert (truth[outside] == radiograph[outside]).all()
    assert edge.any()
    predicted = cv2.erode(enlarge(PREDICTED_MASKS["found"]).astype(np.uint8), np.ones((7, 7))) > 0
    tint = 0.55 * radiograph + 0.45 * np.array(PREDICTED)
    assert np.abs(first - tint)[inside & predicted].max() <= 1
    assert (second == truth).all()


def test_every_image_of_the_flag_is_a_row(work: Work) -> None:
    rows = panels(figure.draw(Leaderboard(work), ["clean", "missed", "found"]), 3)
    lines = [(row[1] == TRUE).all(axis=2).any() for row in rows]
    assert lines == [False, True, True]


def test_all_positives_are_drawn_if_they_are_few(work: Work) -> None:
    rows = panels(figure.draw(Leaderboard(work), []), 2)
    assert all((row[1] == TRUE).all(axis=2).any() for row in rows)


def test_an_image_of_another_fold_leaves_an_empty_panel(work: Work) -> None:
    truth = {name: TRUTH["found"] for name in ("a", "b")}
    other = Work(work.root / "other")
    fakes.make_dataset(other, truth, folds=2)
    fakes.make_cache(other, truth, fakes.FRAME)
    for fold, name in enumerate(("first", "second")):
        fakes.make_run(other, name, fold, replace(RECIPE, name=name))
        fakes.make_probs(other, name, fold, truth, folds=2)
    ((*_, first, second),) = panels(figure.draw(Leaderboard(other), ["b"]), 1)
    assert (first == 255).all()
    assert (second != 255).any()


def test_a_run_without_any_out_of_fold_map_has_no_column(work: Work) -> None:
    fakes.make_run(work, "everything", ALL_DATA, replace(RECIPE, name="everything"))
    fakes.make_probs(work, "everything", ALL_DATA, TRUTH, folds=1)
    ((*_, first, second),) = panels(figure.draw(Leaderboard(work), ["found"]), 1)
    assert (first != second).any()


def test_an_image_may_have_the_extension_of_its_file(work: Work) -> None:
    leaderboard = Leaderboard(work)
    assert figure.draw(leaderboard, ["found.png"]) == figure.draw(leaderboard, ["found"])


def test_images_without_a_map_and_a_missing_cache_are_named(work: Work) -> None:
    with pytest.raises(InputError, match=r"no run has a map .* of nowhere; .*test images"):
        figure.draw(Leaderboard(work), ["found", "nowhere"])
    bare = Work(work.root / "bare")
    fakes.make_dataset(bare, TRUTH, folds=1)
    with pytest.raises(InputError, match="no cache .*01_prepare.py"):
        figure.draw(Leaderboard(bare), [])
    fakes.make_cache(bare, TRUTH, fakes.FRAME)
    with pytest.raises(InputError, match="no run has maps .*03_infer.py"):
        figure.draw(Leaderboard(bare), [])


def test_the_command_draws_instead_of_printing_tables(work: Work) -> None:
    path = work.root / "cases.png"
    output = run("-c", RUN, "--work", work.root, "--figure", path, "--images", "found").stdout
    assert output == f"2 runs -> {path}\n"
    assert len(panels(path.read_bytes(), 1)[0]) == 4


def test_images_without_a_figure_are_refused(work: Work) -> None:
    assert "--figure" in error_line("-c", RUN, "--work", work.root, "--images", "found")
