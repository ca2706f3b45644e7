"""Tables in the papers' shapes: the figures of runs, with the papers' figures beside them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain

from lib.errors import InputError
from lib.layout import FLIP, NO_FLIP
from lib.leaderboard import decisions
from lib.leaderboard.evaluate import RunMetrics
from lib.leaderboard.leaderboard import Leaderboard
from lib.leaderboard.markdown import NONE, below, number, percent, table
from lib.leaderboard.paper_results import (
    ABEDALLA_5,
    ABEDALLA_6,
    ABEDALLA_7,
    ABEDALLA_8,
    ABEDALLA_10,
    ABEDALLA_11,
    GROUPS,
    JAKHAR,
    NIU,
    NO,
    SWITCHES,
    VIEL,
    YES,
    ZHANG,
)  # fmt: skip

Figure = Callable[[RunMetrics], float]
ABOUT_DEMO = """\
The papers have other validation images. A run NAME_demo is a reduced variant of the recipe NAME:
it cannot be compared with a paper. Maps are as in the paper, with or without flips."""
ABOUT_NIU = """\
*Dice*: mean over images at the recipe's rule. *Loss*: validation loss of the kept checkpoint,
the mean over folds. The paper does not say how its loss is weighted or summed: only the order of
its rows can be compared."""
ABOUT_ZHANG = """\
In per cent, means over images. An image scores 1 if both masks are empty, and 0 if one is. The
paper does not define its precision and recall; its abstract calls the 92.42 of its precision
accuracy."""
ABOUT_JAKHAR = """\
In per cent, means over images: 1 if both masks are empty, 0 if one is. The paper gives the formulas
for one image; its images include those without pneumothorax."""
ABOUT_ABEDALLA = """\
*IoU*: mean over images, 1 where both are empty. *Flips*: maps averaged with those of the
mirrored image. *Removal*: masks of less than the rule's minimum area are emptied. Our columns
of Tables 5, 6 and 8 have removal: the paper does not name it there, but gives it for the prediction
(5.1). It does not say whether Table 6 has flips: our column has them, as do the best of Table 5.
The paper's IoU is of validation images, its Dice of test images. Ours are of validation images
without --truth, of test images with it; Tables 6, 8 and 11 need it, by the command above each;
tests/bench/published.md has the commands before it. For Table 8, WORK is round1 or round2, by
its training set. The truth of round 2's test is not published: without one, an upload (05_submit.py
--upload) gives the public and the private Dice."""
BOARD = "python -m lib.leaderboard"
ABOUT_VIEL = """\
Dice at .5; accuracy of the classification branch at .5. The paper has as many negatives as
positives, as a dataset by 01_prepare.py --balanced has. On others, *balanced* figures, in which
both count alike, can be compared with it."""


def niu(leaderboard: Leaderboard) -> Iterator[str]:
    """Yield Niu, Table 1: encoders."""
    figures = {"Dice": RunMetrics.dice, "loss": RunMetrics.loss}
    yield from _model_table(leaderboard, NIU, figures)
    yield from _below(leaderboard, ABOUT_NIU, NIU)


def zhang(leaderboard: Leaderboard) -> Iterator[str]:
    """Yield Zhang, Table 1: networks."""
    figures = {
        "Dice": RunMetrics.dice,
        "precision": RunMetrics.precision,
        "recall": RunMetrics.recall,
        "IoU": RunMetrics.iou,
    }
    yield from _model_table(leaderboard, ZHANG, figures, percent)
    yield from _below(leaderboard, ABOUT_ZHANG, ZHANG)


def jakhar(leaderboard: Leaderboard) -> Iterator[str]:
    """Yield Jakhar et al., Table I."""
    figures = {"Dice": RunMetrics.dice, "IoU": RunMetrics.iou}
    yield from _model_table(leaderboard, JAKHAR, figures, percent)
    yield from _below(leaderboard, ABOUT_JAKHAR, JAKHAR)


def abedalla(leaderboard: Leaderboard) -> Iterator[str]:
    """Yield 2ST-UNet, Tables 5 to 8, 10 and 11: flips, removal, test images, and winners."""
    yield "Table 5:\n"
    columns = ["recipe", "run", "IoU without flips", "paper", "IoU with flips", "paper"]
    yield from table(columns, (_experiment_row(leaderboard, recipe) for recipe in ABEDALLA_5))
    yield f"\nTable 6, by `{BOARD} --work work1 --truth round1-truth.csv`:\n"
    yield from table(
        ["recipe", "run", "Dice", "paper"],
        (
            [recipe, *_test_dice(leaderboard, recipe, YES), paper]
            for recipe, paper in ABEDALLA_6.items()
        ),
    )
    yield "\nTable 7, abedalla_2st_unet:\n"
    rows = []
    for setting, paper in ABEDALLA_7.items():
        run, iou, _ = _run_iou_dice(leaderboard, "abedalla_2st_unet", *setting)
        rows.append([*_marks(*setting), run, iou, paper])
    yield from table(["flips", "removal", "run", "IoU", "paper"], rows)
    yield f"\nTable 8, abedalla_2st_unet, by `{BOARD} --work WORK --truth TRUTH`:\n"
    boards = ["public", "private"]
    columns = [f"paper, round {number}: {board}" for number in (1, 2) for board in boards]
    yield from table(
        ["flips", "run", "Dice", *columns],
        (
            [*_marks(flips), *_test_dice(leaderboard, "abedalla_2st_unet", flips), *paper]
            for flips, paper in ABEDALLA_8.items()
        ),
    )
    yield "\nTable 10:\n"
    columns = ["augmentation", "flips", "removal", "run", "IoU", "paper", "Dice", "paper, test"]
    yield from table(
        columns, (row for recipe in ABEDALLA_10 for row in _augmentation_rows(leaderboard, recipe))
    )
    yield f"\nTable 11, by `{BOARD} --truth TRUTH`:\n"
    dices, notes = _decision_dices(leaderboard, ABEDALLA_11)
    columns = ["team", "model", "image size", "decision", "Dice", "paper"]
    rows = [
        [*system, decision, dices.get(decision, NONE), paper]
        for decision, (*system, paper) in ABEDALLA_11.items()
    ]
    yield from table(columns, rows)
    recipes = [*ABEDALLA_5, *ABEDALLA_10]
    yield from _below(leaderboard, ABOUT_ABEDALLA, recipes, [FLIP, NO_FLIP])
    yield from (f"- {note}" for note in notes)


def viel(leaderboard: Leaderboard) -> Iterator[str]:
    """Yield Viel and Orhan, Table 6: 16 combinations of four switches."""
    figures = (
        RunMetrics.balanced_dice,
        RunMetrics.balanced_class_accuracy,
        RunMetrics.class_accuracy,
    )
    recipes = {f"viel_{'_'.join(on) or 'baseline'}": on for on in VIEL}
    rows = []
    for recipe, on in recipes.items():
        run, dice, *accuracies = _figures(leaderboard.recipe_metrics(recipe), *figures)
        paper_dice, paper_accuracy = VIEL[on]
        switches = _marks(*(switch in on for switch in SWITCHES))
        rows.append([*switches, run, dice, paper_dice, *accuracies, paper_accuracy])
    columns = ["run", "balanced Dice", "paper", "balanced accuracy", "accuracy", "paper"]
    yield from table([*SWITCHES.values(), *columns], rows)
    yield from _below(leaderboard, ABOUT_VIEL, recipes)


# The tables by name, each with the recipes that its rows stand for.
TABLES: dict[str, tuple[Callable[[Leaderboard], Iterator[str]], Iterable[str]]] = {
    "niu": (niu, NIU),
    "zhang": (zhang, ZHANG),
    "jakhar": (jakhar, JAKHAR),
    "abedalla": (abedalla, [*ABEDALLA_5, *ABEDALLA_10]),
    "viel": (viel, [f"viel_{'_'.join(on) or 'baseline'}" for on in VIEL]),
}


def paper(leaderboard: Leaderboard, name: str) -> Iterator[str]:
    """Yield the tables of a paper; one line, and notes, if no run stands for any of its recipes."""
    tables, recipes = TABLES[name]
    if any(leaderboard.recipe_run(recipe) for recipe in recipes):
        yield from tables(leaderboard)
    else:
        yield f"No run of the recipes of this paper, such as {next(iter(recipes))}."
        yield from (f"- {note}" for note in leaderboard.recipe_notes(recipes))


def _model_table(
    leaderboard: Leaderboard,
    paper: Mapping[str, Sequence[str]],
    figures: Mapping[str, Figure],
    text: Callable[[float], str] = number,
) -> Iterator[str]:
    """Yield a table with a row for each model: its run's figures, and the paper's beside them."""
    rows = []
    for recipe, (model, *paper_cells) in paper.items():
        run, *cells = _figures(leaderboard.recipe_metrics(recipe), *figures.values(), text=text)
        rows.append([model, run, *chain(*zip(cells, paper_cells, strict=True))])
    yield from table(["model", "run", *chain(*((name, "paper") for name in figures))], rows)


def _experiment_row(leaderboard: Leaderboard, recipe: str) -> list[str]:
    """Return a row of Table 5."""
    cells = [recipe, leaderboard.recipe_run(recipe) or NONE]
    for flips, paper in zip((NO, YES), ABEDALLA_5[recipe], strict=True):
        cells += [_run_iou_dice(leaderboard, recipe, flips, YES)[1], paper]
    return cells


def _augmentation_rows(leaderboard: Leaderboard, recipe: str) -> Iterator[list[str]]:
    """Yield the rows of one group of Table 10."""
    for setting, (paper_iou, paper_dice) in ABEDALLA_10[recipe].items():
        run, iou, dice = _run_iou_dice(leaderboard, recipe, *setting)
        yield [GROUPS[recipe], *_marks(*setting), run, iou, paper_iou, dice, paper_dice]


def _run_iou_dice(leaderboard: Leaderboard, recipe: str, flips: bool, removal: bool) -> list[str]:
    """Return run, IoU and Dice of a recipe, with or without flips and removal."""
    metrics = leaderboard.recipe_metrics(recipe, FLIP if flips else NO_FLIP)
    if metrics and not removal:
        metrics = metrics.without_removal()
    return _figures(metrics, RunMetrics.iou, RunMetrics.dice)


def _test_dice(leaderboard: Leaderboard, recipe: str, flips: bool) -> list[str]:
    """Return run and Dice of a recipe on test images, with removal; dashes without a truth."""
    if leaderboard.truth is None:
        return [NONE, NONE]
    run, _, dice = _run_iou_dice(leaderboard, recipe, flips, YES)
    return [run, dice]


def _decision_dices(
    leaderboard: Leaderboard, names: Iterable[str]
) -> tuple[dict[str, str], list[str]]:
    """Return the Dice of decisions on test images, none without a truth; notes on missing ones."""
    dices: dict[str, str] = {}
    notes: list[str] = []
    if leaderboard.truth is None:
        return dices, notes
    for name in names:
        try:
            entry = decisions.read(leaderboard.work, name)
            score = decisions.score_on_test(entry, leaderboard.dataset, leaderboard.truth)
            dices[name] = number(score.dice)
        except InputError as error:
            notes.append(f"Left out of Table 11: {error}.")
    return dices, notes


def _figures(
    metrics: RunMetrics | None,
    *figures: Figure,
    text: Callable[[float], str] = number,
) -> list[str]:
    """Return the run's name and its figures as text; dashes without a run."""
    if metrics is None:
        return [NONE] * (1 + len(figures))
    return [metrics.run.name, *(text(figure(metrics)) for figure in figures)]


def _marks(*switches: bool) -> list[str]:
    return ["✓" if switch else "" for switch in switches]


def _below(
    leaderboard: Leaderboard, about: str, recipes: Iterable[str], ttas: Sequence[str] = ()
) -> Iterator[str]:
    return below(f"{about}\n{ABOUT_DEMO}", leaderboard.recipe_notes(recipes, ttas))
