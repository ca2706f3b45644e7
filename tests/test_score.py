"""Score of a submission, worked by hand on a frame of 4 x 4 pixels."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lib import rle, score
from lib.errors import InputError
from lib.layout import Work

ROOT = Path(__file__).resolve().parents[1]
TRUTH = "a,0 4\nb,-1\nc,0 4\nd,-1\n"


@pytest.fixture
def files(tmp_path: Path):
    """Write a submission and a truth, given as rows."""

    def write(submission: str, truth: str = TRUTH) -> tuple[Path, Path]:
        paths = tmp_path / "submission.csv", tmp_path / "truth.csv"
        for path, rows in zip(paths, (submission, truth), strict=True):
            path.write_text(f"ImageId,EncodedPixels\n{rows}")
        return paths

    return write


def test_the_score_is_the_mean_dice_over_images(files) -> None:
    # a: 2 of 4 pixels, with 2 too many: 2*2/(4+4); b: empty in both; c: missed; d: false alarm
    scored = score.compare(*files("a,2 4\nb,-1\nc,-1\nd,0 1\n"), size=4)
    assert scored.dices.tolist() == [0.5, 1, 0, 0]
    assert scored.areas.tolist() == [[4, 4, 2], [0, 0, 0], [0, 4, 0], [1, 0, 0]]
    assert (scored.dice, scored.positive_dice) == (0.375, 0.25)
    assert scored.all_empty_dice == 0.5
    assert scored.has_mask.tolist() == [True, False, False, True]
    assert scored.positive.tolist() == [True, False, True, False]


def test_rows_of_an_image_are_united_on_both_sides(files) -> None:
    # Truth: 0-3 and 2-5 are 6 pixels; prediction: 0-2 and 5-5 are 4, all inside: 2*4/(4+6)
    scored = score.compare(*files("a,0 3\na,-1\na,5 1\n", "a,0 4\na,2 4\n"), size=4)
    assert scored.areas.tolist() == [[4, 6, 4]]
    assert scored.dice == pytest.approx(0.8)


def test_a_truth_that_contradicts_itself_is_refused(files) -> None:
    with pytest.raises(InputError, match=r"truth.csv: a has a row with a mask and one without"):
        score.compare(*files("a,0 4\n", "a,0 4\na,-1\n"), size=4)


def test_the_truth_scores_one_in_any_order_of_its_rows(files) -> None:
    scored = score.compare(*files("d,-1\nc,0 4\na,0 4\nb,-1\n"), size=4)
    assert (scored.dice, scored.ids) == (1, ("a", "b", "c", "d"))


def test_missing_ids_count_as_empty_and_unknown_ones_not_at_all(files) -> None:
    scored = score.compare(*files("a,0 4\nb,-1\nx,0 9\ny,-1\n"), size=4)
    assert scored.dices.tolist() == [1, 1, 0, 1]
    assert (scored.missing, scored.unknown) == (("c", "d"), ("x", "y"))


def test_the_interval_draws_patients_where_they_are_known(files) -> None:
    """Four images of one patient are drawn together: the mean is always that of all."""
    paths = files("a,0 4\nb,-1\nc,0 2\nd,-1\n")
    same = dict.fromkeys("abcd", "patient")
    known = score.compare(*paths, size=4, patients=same)
    assert known.ci95 == (known.dice, known.dice)
    unknown, apart = score.compare(*paths, size=4), score.compare(*paths, size=4, patients={})
    assert unknown.ci95 == apart.ci95
    assert unknown.ci95[0] < known.dice < unknown.ci95[1]


def discs(side: int, count: int = 8) -> str:
    """Return rows of discs along the middle of a frame, from its left to its right."""
    y, x = np.mgrid[:side, :side] / side
    centres = np.linspace(0.2, 0.8, count)
    return "".join(
        f"i{n},{rle.encode((y - 0.5) ** 2 + (x - centre) ** 2 < 0.02)}\n"
        for n, centre in enumerate(centres)
    )


@pytest.mark.parametrize("side", [96, 64])
def test_masks_of_a_smaller_frame_are_refused_on_either_side(files, side: int) -> None:
    small, large = discs(side), discs(128)
    assert score.compare(*files(small, small), size=side).dice == 1
    for submission, truth in ((small, large), (large, small)):
        paths = files(submission, truth)
        wrong = paths[submission is large]
        with pytest.raises(InputError, match=rf"^{wrong}: .* fit into {side}x{side}.* by --size$"):
            score.compare(*paths, size=128)


def test_a_truth_of_another_frame_has_another_cure_for_a_dataset(files, tmp_path: Path) -> None:
    _, truth = files("", discs(96))
    with pytest.raises(InputError, match="96x96, .*; give a truth in the frame of dataset$"):
        score.check_test(truth, 128, ["i0"], Work(tmp_path).dataset)


@pytest.mark.parametrize("wrong", [0, 1])
def test_absolute_codes_are_named_as_such_on_either_side(files, wrong: int) -> None:
    good, absolute = discs(128), []
    for row in good.splitlines():
        name, code = row.split(",")
        numbers = np.array(code.split(), int)
        starts = np.cumsum(numbers)[0::2] + 1
        pairs = np.column_stack([starts, numbers[1::2]]).ravel()
        absolute.append(f"{name},{' '.join(map(str, pairs))}\n")
    paths = files(*(("".join(absolute), good) if wrong == 0 else (good, "".join(absolute))))
    with pytest.raises(InputError, match=f"^{paths[wrong]}: the codes are absolute"):
        score.compare(*paths, size=128)


def test_masks_that_meet_nowhere_are_named_where_both_files_have_some(files) -> None:
    done = run(*files("a,0 2\nb,-1\nc,-1\nd,-1\n", "a,4 4\nb,1 9\nc,-1\nd,-1\n"), "--size", 4)
    assert done.returncode == 0
    (warning,) = done.stderr.splitlines()
    assert warning.startswith("no predicted pixel is true: 1 images have a predicted mask and 2")
    for submission in ("a,-1\n", "a,5 1\n"):
        assert run(*files(submission, "a,4 4\n"), "--size", 4).stderr == ""
    assert run(*files("a,5 1\n", "a,-1\n"), "--size", 4).stderr == ""


def test_images_with_several_rows_in_the_submission_are_named(files) -> None:
    """Two rows with the same RLE too: a truth has rows for annotations, a submission for images."""
    paths = files("a,0 2\na,2 2\nb,-1\nb,-1\nc,-1\nd,-1\n", "a,0 2\na,2 2\nb,-1\nc,-1\nd,-1\n")
    scored = score.compare(*paths, size=4)
    assert (scored.dice, scored.repeated) == (1, ("a", "b"))
    (warning,) = run(*paths, "--size", "4").stderr.splitlines()
    assert warning == f"2 with several rows in {paths[0]}, united: a, b"


@pytest.mark.parametrize(
    ("submission", "truth"),
    [
        ("1.20.png,0 4\n1.5.PNG,-1\nx.png,-1\n", "1.20,0 4\n1.5,-1\n"),
        ("1.20,0 4\n1.5,-1\nx.dcm,-1\n", "1.20.dcm,0 4\n1.5.dcm,-1\n"),
    ],
)
def test_ids_that_match_without_their_extension_only_are_matched(
    files, submission: str, truth: str
) -> None:
    paths = files(submission, truth)
    scored = score.compare(*paths, size=4)
    assert (scored.dice, scored.missing) == (1, ())
    assert len(scored.extensions) == 2
    assert len(scored.unknown) == 1
    warning = run(*paths).stderr
    assert f"2 match {paths[1]} without their extension only: 1.20" in warning


def test_a_truth_is_checked_by_the_same_match_of_ids(files, tmp_path: Path) -> None:
    _, truth = files("", "a.png,0 4\nb.png,-1\n")
    dataset = Work(tmp_path).dataset
    score.check_test(truth, 4, ["b", "c"], dataset)
    with pytest.raises(InputError, match=r"no test image of dataset.*, such as c"):
        score.check_test(truth, 4, ["c"], dataset)


def test_an_id_that_matches_as_it_is_comes_before_one_without_its_extension(files) -> None:
    scored = score.compare(*files("a.png,-1\na,0 4\n", "a,0 4\n"), size=4)
    assert (scored.dice, scored.unknown, scored.extensions) == (1, ("a.png",), ())


def test_ids_that_differ_in_their_extension_alone_are_not_guessed(files) -> None:
    with pytest.raises(InputError, match="no image of"):
        score.compare(*files("a,0 4\n", "a.png,0 4\na.jpg,-1\n"), size=4)


@pytest.mark.parametrize("rows", ["x,-1\ny,0 4\n", ""])
def test_a_submission_of_other_images_is_refused(files, rows: str) -> None:
    paths = files(rows)
    done = run(*paths)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {paths[0]} has no image of {paths[1]}, such as a; ")


def test_the_interval_holds_the_score(files) -> None:
    low, high = score.compare(*files("a,0 4\nb,-1\nc,-1\nd,-1\n"), size=4).ci95
    assert low <= 0.75 <= high == 1


def test_a_truth_without_rows_is_refused(files) -> None:
    with pytest.raises(InputError, match=r"truth\.csv has no rows"):
        score.compare(*files("a,-1\n", ""), size=4)


def run(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "lib.score", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_the_command_prints_json_and_names_what_is_missing(files) -> None:
    done = run(*files("a,2 4\nb,-1\nd,-1\nx,-1\n"), "--json", "--size", "4")
    assert done.returncode == 0
    score = json.loads(done.stdout)
    low, high = score.pop("ci95")
    assert score == {
        "dice": 0.625, "positive_dice": 0.25, "all_empty_dice": 0.5, "images": 4, "missing": 1,
    }  # fmt: skip
    assert 0 <= low < 0.625 < high <= 1
    missing, unknown = done.stderr.splitlines()
    assert missing.startswith("1 not in")
    assert missing.endswith("so empty: c")
    assert unknown.startswith("1 not in")
    assert unknown.endswith("truth.csv, ignored: x")


def test_a_blank_rle_of_a_submission_is_no_mask_and_the_command_counts_it(files) -> None:
    """A published submission of the competition has one."""
    paths = files("a,0 4\nb,\nc,\nd,-1\n")
    scored = score.compare(*paths, size=4)
    assert scored.dices.tolist() == [1, 1, 0, 1]
    assert (scored.blank, scored.missing) == (("b", "c"), ())
    done = run(*paths, "--json")
    assert json.loads(done.stdout)["dice"] == 0.75
    (warning,) = done.stderr.splitlines()
    assert warning == f"2 without EncodedPixels in {paths[0]}, taken as no mask: b, c"


def test_the_command_prints_a_sentence(files) -> None:
    done = run(*files(TRUTH))
    assert done.stdout.startswith("Dice 1.0000 over 4 images, 95 % interval 1.0000 to 1.0000")
    assert done.stderr == ""


def test_positive_dice_is_null_without_positives(files) -> None:
    done = run(*files("a,-1\n", "a,-1\n"), "--json")
    assert json.loads(done.stdout)["positive_dice"] is None


def test_the_command_prints_one_line_on_bad_input(files, tmp_path: Path) -> None:
    done = run(files(TRUTH)[0], tmp_path / "none.csv")
    assert done.returncode == 2
    assert done.stderr == f"error: {tmp_path}/none.csv does not exist\n"


@pytest.mark.parametrize("size", ["-1", "0", "99999999999999", "9" * 5000, "1.5"])
def test_a_size_that_no_frame_has_is_refused(files, size: str) -> None:
    done = run(*files(TRUTH), "--size", size)
    assert done.returncode == 2
    assert "argument --size: " in done.stderr.splitlines()[-1]
