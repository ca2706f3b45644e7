"""Trainings and decisions compared on real radiographs with silver masks.

    python -m tests.bench silver --raw DIR --weights DIR [--only NAME ...] [--seeds 0 1]

Every network trains on folds 1 to 4, from the same number of presented images, and its decision is
fitted on fold 0. Choose between variants by fold 0: the test images are for the table alone.
Finished trainings are up to date, so the same command goes on after a kill. Each variant is scored
when its seeds are trained: its row in silver.csv and its columns in silver_dice.csv, the Dice of
each test image, replace older ones. Differences are made from these columns, so the variants of one
table may be trained on several days; two commands with other variants may run side by side.
--table prints the table of all rows, and trains nothing.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock

from lib import artifacts, csv_files, dataset, metrics, recipes
from lib.bootstrap import interval
from lib.errors import InputError
from lib.files import sha256
from lib.layout import CLASSES, TTA_SUFFIXES, Work, map_file
from lib.leaderboard import markdown
from lib.prob_maps import read_map
from lib.provenance import collect
from lib.recipes import Ema, Input, Keep, Phase, Recipe, serialize
from lib.recipes.demo_variant import with_epochs
from lib.train.sampling import images_in_epoch
from tests.bench.harness import format_gain, print_lines, run_stage
from tests.bench.recipes import training_cost
from tests.bench.rule_scores import RuleScores, score_rule

FOLD = 0  # held out
SIZE = 192  # side of the images, in pixels
BATCH = 16
PRESENTATIONS = 10_000
ROWS = Path(__file__).with_name("silver.csv")
DICE = "silver_dice.csv"  # beside it: a row a test image, a column a variant and seed
POSITIVE = "positive"  # its first column: 1 where the truth has a mask
LOCK = Path(gettempdir(), "silver.lock")
START = "base"  # the variant that all others are compared with
BASE_RECIPE = "r34_512"  # the recipe that --set changes into each of the variants

LITE0 = "efficientnet_lite0_imagenet_gray.pt"
LITE2 = "efficientnet_lite2_imagenet_gray.pt"
MOBILENET = "sum:mobilenet_v2_imagenet.pt"
GRAY = Input(mean=(0.498,), std=(0.502,))  # of the files of EfficientNet-Lite
SLIM = (96, 48, 32, 16, 8)


@dataclass(frozen=True)
class Variant:
    """A training, or a decision on trainings.

    Attributes:
        recipe: what is trained for each seed; None: nothing, the members are averaged.
        weights: file of the encoder, in the folder of --weights.
        presentations: images presented in training, over all epochs.
        members: variants whose networks are averaged, for each seed.
        pool_seeds: average the networks of all seeds into one ensemble.
        rule: flags of stage 04.
        tta: flips of the members, "flip" or "none".
    """

    name: str
    recipe: Recipe | None = None
    weights: str = LITE2
    presentations: int = PRESENTATIONS
    members: tuple[str, ...] = ()
    pool_seeds: bool = False
    rule: str = "--rule triplet"
    tta: str = "flip"

    @property
    def trainings(self) -> tuple[str, ...]:
        """Names of the variants whose networks it takes."""
        return self.members or (self.name,)


def at_base(recipe: Recipe, **network: Any) -> Recipe:
    """Return a recipe with the encoder, size and batch of this comparison."""
    return replace(
        recipe,
        network=replace(recipe.network, **{"encoder": "timm-tf_efficientnet_lite2"} | network),
        input=replace(recipe.input, mean=GRAY.mean, std=GRAY.std),
        phases=tuple(
            replace(phase, size=SIZE, batch=BATCH, accumulate=1) for phase in recipe.phases
        ),
    )


def with_phases(recipe: Recipe, **changes: Any) -> Recipe:
    """Return a recipe with values changed in all phases."""
    return replace(recipe, phases=tuple(replace(phase, **changes) for phase in recipe.phases))


def with_loss(recipe: Recipe, **weights: float) -> Recipe:
    """Return a recipe with weights of losses changed in all phases."""
    phases = (replace(phase, loss=replace(phase.loss, **weights)) for phase in recipe.phases)
    return replace(recipe, phases=tuple(phases))


DEFAULT = at_base(recipes.get("r34_512"))
SLIM_NETWORK = replace(DEFAULT.network, decoder_channels=SLIM)  # a step in half the time
# The default with a slim decoder, at higher rates for few epochs: the start of the single changes.
BASE = with_phases(
    replace(
        DEFAULT,
        network=SLIM_NETWORK,
        phases=tuple(
            replace(phase, lr=lr) for phase, lr in zip(DEFAULT.phases, (1e-3, 5e-4), strict=True)
        ),
    ),
    early_stop=None,
)
HEADLESS = replace(SLIM_NETWORK, image_head=False)
SNEDDY = recipes.get("sneddy_albunet_valid")
SMALL = at_base(recipes.get("small"))  # both of its phases at one size, as all others


VARIANTS = (
    # Systems at the same budget, encoder and start. All but the default as it is have the slim
    # decoder: AlbuNet's fits resnet34 alone, and the others' take twice the time.
    Variant("r34_512", DEFAULT),
    # Its parts at the larger size.
    Variant("sneddy_albunet_valid", replace(
        at_base(replace(SNEDDY, phases=SNEDDY.phases[3:])), network=HEADLESS,
    )),
    Variant("abedalla_2st_unet", at_base(
        recipes.get("abedalla_2st_unet"), decoder_channels=SLIM,
    )),
    Variant("viel_baseline", replace(
        at_base(recipes.get("viel_baseline")), network=SLIM_NETWORK,
    )),
    # Single changes of `base`.
    Variant("base", BASE),
    Variant("base, wide decoder", replace(BASE, network=DEFAULT.network)),
    Variant("keep the last 3", with_phases(BASE, keep=Keep("last", count=3))),
    Variant("SWA of the last 3", with_phases(BASE, keep=Keep("swa", count=3))),
    Variant("EMA .998", with_phases(BASE, ema=Ema(decay=0.998))),
    Variant("one cycle to 2e-3", with_phases(BASE, lr=2e-3, schedule="linear", warmup=0.1)),
    Variant("Lite0", at_base(BASE, encoder="timm-tf_efficientnet_lite0"), weights=LITE0),
    Variant("MobileNetV2", replace(
        at_base(BASE, encoder="mobilenet_v2"), input=Input(mean=(0.5,), std=(0.5,)),
    ), weights=MOBILENET),
    Variant("scSE", replace(BASE, network=replace(BASE.network, attention="scse"))),
    Variant("every image once", with_phases(BASE, positive_rate=None)),
    Variant("positives .5 to .22", with_phases(BASE, positive_rate=0.5, positive_rate_end=0.22)),
    Variant("BCE + Dice", with_loss(BASE, positive_dice=0.0, dice=0.5)),
    Variant("image loss 1", with_loss(BASE, image_bce=1.0)),
    Variant("winner's augmentation", replace(BASE, augmentation="sneddy")),
    Variant("flips alone", replace(BASE, augmentation="hflip")),
    Variant("288 px, same seconds", with_phases(BASE, size=288), presentations=4_000),
    Variant("small", SMALL),
    Variant("small, twice the budget", SMALL, presentations=2 * PRESENTATIONS),
    # Decisions.
    Variant("base, no flips", members=("base",), tta="none"),
    Variant("base, gated", members=("base",), rule="--rule gated"),
    Variant("base, expected", members=("base",), rule="--rule expected"),
    Variant("both seeds of base", members=("base",), pool_seeds=True),
    Variant("base and Lite0", members=("base", "Lite0")),
)  # fmt: skip
BASELINES = ("r34_512", "sneddy_albunet_valid", "abedalla_2st_unet", "viel_baseline")
SYSTEM = "small"  # compared with each of them
BY_NAME = {variant.name: variant for variant in VARIANTS}


def run_name(variant: str, seed: int) -> str:
    """Return the run of a variant and a seed."""
    words = "".join(letter if letter.isalnum() else " " for letter in variant.lower()).split()
    return f"{'_'.join(words)}_s{seed}"


def fit_budget(recipe: Recipe, positive: np.ndarray, presentations: int) -> Recipe:
    """Return a recipe with all its numbers of epochs scaled to a number of presented images.

    A moving average covers the same part of the training: without that, one over 500 steps would
    hold mostly the first weights of a training of 600.

    Args:
        recipe: to scale; the phases keep their parts of the presentations.
        positive: (n,) bool, True for training images with a pneumothorax.
        presentations: aim; the last epochs are whole.
    """

    def presented(phase: Phase) -> int:
        return sum(images_in_epoch(phase, epoch, positive) for epoch in range(phase.epochs))

    factor = presentations / sum(map(presented, recipe.phases))
    recipe = replace(recipe, phases=tuple(
        replace(
            phase,
            ema=phase.ema and replace(phase.ema, decay=phase.ema.decay ** (1 / factor)),
        )
        for phase in recipe.phases
    ))  # fmt: skip
    phases = [with_epochs(phase, max(1, round(phase.epochs * factor))) for phase in recipe.phases]
    others = sum(map(presented, phases[:-1]))
    lengths = range(1, 4 * phases[-1].epochs)
    last = min(
        (with_epochs(recipe.phases[-1], epochs) for epochs in lengths),
        key=lambda phase: abs(others + presented(phase) - presentations),
    )
    return replace(recipe, phases=(*phases[:-1], last))


def settings(recipe: Recipe) -> list[str]:
    """Return the words of --set that make BASE_RECIPE this recipe, its name and source apart."""
    base, changed = asdict(recipes.get(BASE_RECIPE)), asdict(recipe)
    keys = [key for key in base if key not in ("name", "source", "summary")]
    return [f"{key}={json.dumps(changed[key])}" for key in keys if base[key] != changed[key]]


def train(work: Path, variant: Variant, seed: int, weights: Path) -> None:
    """Train and infer a variant, with the flips of all rows that it serves."""
    assert variant.recipe
    data = dataset.read(Work(work))
    positive = np.array([data.positive(name) for name in data.training_ids(FOLD)])
    recipe = replace(fit_budget(variant.recipe, positive, variant.presentations), seed=seed)
    name = run_name(variant.name, seed)
    run_stage(
        work, "02_train.py", "--recipe", BASE_RECIPE, "--name", name, "--folds", str(FOLD),
        "--encoder-weights", _weights_flag(variant, weights), "--set", *settings(recipe),
    )  # fmt: skip
    served = (each for each in VARIANTS if variant.name in each.trainings)
    for tta in sorted({each.tta for each in served}):
        run_stage(work, "03_infer.py", "--run", name, "--tta", tta)


def _weights_flag(variant: Variant, folder: Path) -> str:
    prefix, _, file = variant.weights.rpartition(":")
    return f"{prefix}:{folder / file}" if prefix else str(folder / file)


def score(work: Path, variant: Variant, seeds: Sequence[int], truth: Path) -> RuleScores:
    """Fit the rule of a variant on fold 0, and score it on the test images."""
    runs = [run_name(member, seed) for member in variant.trainings for seed in seeds]
    members = [_maps(work, run, variant.tta) for run in runs]
    ensemble = f"silver_{run_name(variant.name, seeds[0])}" + ("_pooled" if len(seeds) > 1 else "")
    return score_rule(work, members, truth, variant.name, variant.rule, ensemble)


def _maps(work: Path, run: str, tta: str) -> str:
    """Return the folder of a run's maps under probs/."""
    recipe = artifacts.read(Work(work).run(run, FOLD)).config["recipe"]
    return run if recipe["tta"] == tta else run + TTA_SUFFIXES[tta]


def image_auc(scores: RuleScores, part: str) -> float:
    """Return the AUC of p(positive), or of the mean of the map for networks without one.

    Args:
        scores: of a decision.
        part: "oof" for the images of fold 0, "test" for those of the truth.
    """
    source = scores.made_from
    if part == "oof":
        names = sorted(source.dataset.folds, key=str)
        names = [name for name in names if source.dataset.folds[name] == FOLD]
        positive = np.array([source.dataset.positive(name) for name in names])
    else:
        names, positive = list(scores.test_score.ids), scores.test_score.positive
    table = csv_files.read(source.ensemble.path(CLASSES), ("ImageId", "p"))
    p = dict(zip(table["ImageId"], table["p"].astype(float), strict=True))
    if not p:
        size = source.dataset.rle_size
        paths = {name: source.ensemble.path(map_file(part, name)) for name in names}
        p = {name: float(read_map(path, size, block=8).mean()) for name, path in paths.items()}
    return metrics.auc(np.array([p[name] for name in names]), positive)


def summarize(scores: Sequence[RuleScores]) -> dict[str, Any]:
    """Return the figures of a variant, the means over its seeds."""
    tests = [each.test_score for each in scores]
    dices = np.mean([test.dices for test in tests], axis=0)
    images = np.arange(dices.size)
    row = {
        "fold0_dice": np.mean([each.decision.oof_dice for each in scores]),
        "fold0_auc": np.mean([image_auc(each, "oof") for each in scores]),
        "rules": "; ".join(str(each.decision.rule) for each in scores),
        "test_dice": dices.mean(),
        "test_seeds": " ".join(f"{test.dice:.4f}" for test in tests),
        "positive_dice": np.mean([test.positive_dice for test in tests]),
        "auc": np.mean([image_auc(each, "test") for each in scores]),
        "sensitivity": np.mean([test.has_mask[test.positive].mean() for test in tests]),
        "specificity": np.mean([1 - test.has_mask[~test.positive].mean() for test in tests]),
    }
    row["test_low"], row["test_high"] = interval(dices, images)
    empty = ~tests[0].positive
    row["over_empty"] = (dices - empty).mean()
    row["over_empty_low"], row["over_empty_high"] = interval(dices - empty, images)
    return row


def describe(work: Path, variant: Variant, seeds: Sequence[int], weights: Path) -> dict[str, Any]:
    """Return everything that is needed to run a variant again, and what it cost."""
    row: dict[str, Any] = {
        "variant": variant.name,
        "seeds": " ".join(map(str, seeds)),
        "members": " + ".join(variant.members),
        "rule": variant.rule,
        "tta": variant.tta,
    }
    if variant.recipe:
        trained = [artifacts.read(Work(work).run(run_name(variant.name, s), FOLD)) for s in seeds]
        costs = [training_cost(Work(work), run_name(variant.name, seed), FOLD) for seed in seeds]
        file = weights / variant.weights.rpartition(":")[2]
        row |= {
            "size": variant.recipe.phases[-1].size,
            "encoder_weights": f"{variant.weights} {sha256(file)[:12]}",
            "set": " ".join(settings(serialize.from_dict(trained[0].config["recipe"]))),
            "seconds": round(np.mean([seconds for seconds, _ in costs])),
            "presentations": round(np.mean([count for _, count in costs])),
        }
    made = collect(0)
    return row | {"torch": made["libraries"]["torch"], "commit": made["commit"]}


def write(row: dict[str, Any], positive: np.ndarray, dices: Sequence[np.ndarray]) -> None:
    """Add a variant to silver.csv and silver_dice.csv; it replaces an earlier one of its name.

    Args:
        row: of silver.csv.
        positive: (n,) bool, True for test images with a mask.
        dices: (n,) Dice of each test image, for each seed or for the ensemble of all seeds.
    """
    name = row["variant"]
    order = {each: number for number, each in enumerate(BY_NAME)}
    with FileLock(LOCK):
        rows, columns = pd.DataFrame([row]), pd.DataFrame({POSITIVE: positive.astype(int)})
        if ROWS.exists():
            old, columns = pd.read_csv(ROWS), pd.read_csv(ROWS.with_name(DICE))
            assert (columns[POSITIVE] == positive).all(), "other test images"
            rows = pd.concat([old[old["variant"] != name], rows])
            columns = columns.drop(columns=_columns_of(name, columns))
        for number, of_images in enumerate(dices):
            columns[f"{name} / {number}"] = of_images
        rows = rows.sort_values("variant", key=lambda names: names.map(order))
        in_order = [each for variant in BY_NAME for each in _columns_of(variant, columns)]
        rows.to_csv(ROWS, index=False, float_format="%.5f")
        columns[[POSITIVE, *in_order]].to_csv(
            ROWS.with_name(DICE), index=False, float_format="%.4g"
        )


def _columns_of(variant: str, columns: pd.DataFrame) -> list[str]:
    """Return the columns of a variant in silver_dice.csv."""
    return [name for name in map(str, columns) if name.rpartition(" / ")[0] == variant]


def table() -> Iterator[str]:
    """Yield the Markdown table of silver.csv.

    Raises:
        InputError: if there is none yet.
    """
    if not ROWS.exists():
        raise InputError(f"{ROWS} does not exist; make its rows with --raw DIR --weights DIR")
    columns = ("variant", "fold 0 Dice", "fold 0 AUC", "test Dice (95 %)", "seeds", "positive Dice",
               "AUC", "sens.", "spec.", f"more than {START} (95 %)", "images", "s")  # fmt: skip
    dice = pd.read_csv(ROWS.with_name(DICE))
    rows = []
    for row in pd.read_csv(ROWS).to_dict("records"):
        known = not np.isnan(row.get("presentations", np.nan))
        rows.append((
            row["variant"], f"{row['fold0_dice']:.4f}", f"{row['fold0_auc']:.3f}",
            f"{row['test_dice']:.4f} ({row['test_low']:.4f} to {row['test_high']:.4f})",
            str(row["test_seeds"]), f"{row['positive_dice']:.3f}", f"{row['auc']:.3f}",
            f"{row['sensitivity']:.2f}", f"{row['specificity']:.3f}",
            describe_gain(dice, row["variant"], START),
            f"{row['presentations']:,.0f}" if known else "",
            f"{row['seconds']:.0f}" if known else "",
        ))  # fmt: skip
    yield from markdown.table(columns, rows)
    systems = [name for name in BASELINES if _columns_of(name, dice)]
    if not _columns_of(SYSTEM, dice) or not systems:
        return
    yield ""
    yield from markdown.table(
        (f"{SYSTEM} minus", "Dice (95 %)", "positive Dice", "seeds differ by up to"),
        [
            (name, describe_gain(dice, SYSTEM, name), *compare_positives(dice, SYSTEM, name))
            for name in systems
        ],
    )


def describe_gain(dice: pd.DataFrame, variant: str, other: str) -> str:
    """Return the gain of a variant over another, means over seeds, with its interval.

    Args:
        dice: silver_dice.csv.
    """
    columns = [_columns_of(name, dice) for name in (variant, other)]
    if variant == other or not all(columns):
        return ""
    first, second = (dice[names].to_numpy().mean(axis=1) for names in columns)
    return format_gain(first - second)


def compare_positives(dice: pd.DataFrame, variant: str, other: str) -> tuple[str, str]:
    """Return the gain in positive Dice, and the largest spread between seeds of all four scores.

    Args:
        dice: silver_dice.csv.
    """
    parts = [dice[_columns_of(name, dice)] for name in (variant, other)]
    positive = dice[POSITIVE] == 1
    gain = parts[0][positive].to_numpy().mean() - parts[1][positive].to_numpy().mean()
    spreads = [np.ptp(some.mean()) for part in parts for some in (part, part[positive])]
    return f"{gain:+.3f}", f"{max(spreads):.4f}"


def main(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench silver",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--raw", type=Path, help="re-host with test-truth.csv")
    parser.add_argument("--weights", type=Path, help="folder with the encoders' files")
    parser.add_argument("--work", type=Path, default=Path("work_silver"))
    parser.add_argument("--only", nargs="+", default=list(BY_NAME), choices=BY_NAME, metavar="NAME")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--table", action="store_true", help="print the rows of silver.csv")
    args = parser.parse_args(argv)
    if args.table:
        print_lines(table())
        return
    if not args.raw or not args.weights:
        parser.error("give --raw and --weights, or --table")
    work, raw, weights = args.work.resolve(), args.raw.resolve(), args.weights.resolve()
    sizes = sorted({phase.size for v in VARIANTS if v.recipe for phase in v.recipe.phases})
    run_stage(work, "01_prepare.py", "--raw", raw, "--sizes", *map(str, sizes))
    truth = raw / "test-truth.csv"
    for variant in (BY_NAME[name] for name in dict.fromkeys(args.only)):
        for name in variant.trainings:
            for seed in args.seeds:
                train(work, BY_NAME[name], seed, weights)
        groups = [args.seeds] if variant.pool_seeds else [[seed] for seed in args.seeds]
        scores = [score(work, variant, group, truth) for group in groups]
        row = describe(work, variant, args.seeds, weights) | summarize(scores)
        tests = [each.test_score for each in scores]
        write(row, tests[0].positive, [test.dices for test in tests])
        print(f"scored {variant.name}", flush=True)
    print_lines(table())
