"""Tables in the papers' shapes, with what the papers report beside what was run here."""

from collections.abc import Callable, Iterable, Iterator

from lib.layout import FLIP, NO_FLIP
from lib.leaderboard.board import Board
from lib.leaderboard.evaluate import RunMetrics
from lib.leaderboard.markdown import NONE, below, number, percent, table
from lib.leaderboard.paper_results import (
    ABEDALLA_5,
    ABEDALLA_7,
    ABEDALLA_10,
    GROUPS,
    NIU,
    NO,
    SWITCHES,
    VIEL,
    YES,
    ZHANG,
)  # fmt: skip

SHRUNK = """\
The papers held out other images. A run NAME_demo is the recipe NAME, shrunk: not to be compared
with a paper."""
ABOUT_NIU = """\
*Dice*: mean over images at the recipe's rule. *Loss*: validation loss of the kept checkpoint,
the mean over folds; the paper's has weights, or is a sum, that it does not give: only the order of
its rows can be compared."""
ABOUT_ZHANG = """\
In per cent, means over images; an image that is empty in both counts 1, in one 0. The paper does
not define its precision and recall; its abstract calls the 92.42 of its precision accuracy."""
ABOUT_ABEDALLA = """\
*IoU*: mean over images, 1 where both are empty. *Flips*: maps averaged with those of the
mirrored image. *Removal*: masks of less than the rule's minimum area are emptied, as in all of
Table 5."""
ABOUT_VIEL = """\
Dice at .5; accuracy of the classification branch at .5. The paper has as many negatives as
positives: *balanced* figures, in which both count alike, are what can stand beside its own."""


def niu(board: Board) -> Iterator[str]:
    """Niu, Table 1: encoders."""
    rows = []
    for recipe, paper in NIU.items():
        run, dice, loss = _ours(board.of_recipe(recipe), RunMetrics.dice, RunMetrics.loss)
        rows.append([paper.model, run, dice, number(paper.dice, 3), loss, number(paper.loss, 2)])
    yield from table(["model", "run", "Dice", "paper", "loss", "paper"], rows)
    yield from _below(board, ABOUT_NIU, NIU)


def zhang(board: Board) -> Iterator[str]:
    """Zhang, Table 1: networks."""
    figures = RunMetrics.dice, RunMetrics.precision, RunMetrics.recall, RunMetrics.iou
    rows = []
    for recipe, paper in ZHANG.items():
        run, *ours = _ours(board.of_recipe(recipe), *figures, shown=percent)
        papers = map(percent, (paper.dice, paper.precision, paper.recall, paper.iou))
        pairs = zip(ours, papers, strict=True)
        rows.append([paper.model, run, *(cell for pair in pairs for cell in pair)])
    columns = ("Dice", "paper", "precision", "paper", "recall", "paper", "IoU", "paper")
    yield from table(["model", "run", *columns], rows)
    yield from _below(board, ABOUT_ZHANG, ZHANG)


def abedalla(board: Board) -> Iterator[str]:
    """2ST-UNet, Tables 5, 7 and 10: flips and removal."""
    yield "Table 5:\n"
    columns = ["recipe", "run", "IoU without flips", "paper", "IoU with flips", "paper"]
    yield from table(columns, (_experiment(board, recipe) for recipe in ABEDALLA_5))
    yield "\nTable 7, abedalla_2st_unet:\n"
    rows = [
        [*_marks(*setting), *_at(board, "abedalla_2st_unet", *setting)[:2], number(paper)]
        for setting, paper in ABEDALLA_7.items()
    ]
    yield from table(["flips", "removal", "run", "IoU", "paper"], rows)
    yield "\nTable 10:\n"
    columns = ["augmentation", "flips", "removal", "run", "IoU", "paper", "Dice", "paper, test"]
    yield from table(columns, (row for recipe in ABEDALLA_10 for row in _study(board, recipe)))
    yield from _below(board, ABOUT_ABEDALLA, [*ABEDALLA_5, *ABEDALLA_10])


def viel(board: Board) -> Iterator[str]:
    """Viel and Orhan, Table 6: 16 combinations of four switches."""
    figures = (
        RunMetrics.balanced_dice,
        RunMetrics.balanced_class_accuracy,
        RunMetrics.class_accuracy,
    )
    recipes = {f"viel_{'_'.join(on) or 'baseline'}": on for on in VIEL}
    rows = []
    for recipe, on in recipes.items():
        run, dice, *accuracies = _ours(board.of_recipe(recipe), *figures)
        paper_dice, paper_accuracy = (number(figure, 3) for figure in VIEL[on])
        switches = _marks(*(switch in on for switch in SWITCHES))
        rows.append([*switches, run, dice, paper_dice, *accuracies, paper_accuracy])
    columns = ["run", "balanced Dice", "paper", "balanced accuracy", "accuracy", "paper"]
    yield from table([*SWITCHES.values(), *columns], rows)
    yield from _below(board, ABOUT_VIEL, recipes)


def _experiment(board: Board, recipe: str) -> list[str]:
    """A row of Table 5."""
    cells = [recipe, board.run_of(recipe) or NONE]
    for flips, paper in zip((NO, YES), ABEDALLA_5[recipe], strict=True):
        cells += [_at(board, recipe, flips, YES)[1], number(paper)]
    return cells


def _study(board: Board, recipe: str) -> Iterator[list[str]]:
    """The rows of Table 10 of one group."""
    for setting, (paper_iou, paper_dice) in ABEDALLA_10[recipe].items():
        run, iou, dice = _at(board, recipe, *setting)
        papers = number(paper_iou), number(paper_dice)
        yield [GROUPS[recipe], *_marks(*setting), run, iou, papers[0], dice, papers[1]]


def _at(board: Board, recipe: str, flips: bool, removal: bool) -> list[str]:
    """Run, IoU and Dice of a recipe, with or without flips and removal."""
    one = board.of_recipe(recipe, FLIP if flips else NO_FLIP)
    if one and not removal:
        one = one.without_removal()
    return _ours(one, RunMetrics.iou, RunMetrics.dice)


def _ours(
    one: RunMetrics | None,
    *figures: Callable[[RunMetrics], float],
    shown: Callable[[float], str] = number,
) -> list[str]:
    """The run's name and its figures; dashes where there is none."""
    if one is None:
        return [NONE] * (1 + len(figures))
    return [one.run.name, *(shown(figure(one)) for figure in figures)]


def _marks(*switches: bool) -> list[str]:
    return ["✓" if switch else "" for switch in switches]


def _below(board: Board, about: str, recipes: Iterable[str]) -> Iterator[str]:
    return below(f"{about}\n{SHRUNK}", board.notes_on(recipes))
