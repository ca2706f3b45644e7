"""Average the maps of several runs, and decide on out-of-fold images what becomes a mask.

    python 04_ensemble.py --members r34_512 see_fpn_r50 --name final
    python 04_ensemble.py --members r34_512 --name r34 --params top=.7 min_area=800 bottom=.3

Reads   WORK/dataset/, WORK/probs/<member>/fold<k>/
Writes  WORK/ensembles/final/, WORK/decisions/final-triplet/
"""

import argparse
from pathlib import Path

from lib import artifacts, dataset
from lib.decision.search import PRESETS
from lib.ensemble.average import average, facts
from lib.ensemble.decide import decide, read_wish, summary
from lib.ensemble.members import EQUAL, gather
from lib.errors import run_stage
from lib.layout import Work


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--members", nargs="+", required=True, metavar="RUN", help="in WORK/probs")
    parser.add_argument("--name", required=True, help="of the ensemble")
    parser.add_argument("--folds", nargs="+", metavar="K", help="default: the first member's")
    parser.add_argument("--weights", nargs="+", default=[EQUAL], help="equal, or one a member")
    rule = parser.add_mutually_exclusive_group()
    rule.add_argument("--rule", choices=PRESETS, default="triplet", help="what is searched")
    rule.add_argument("--params", nargs="+", metavar="KEY=VALUE", help="a rule without search: "
        "top, min_area, bottom, component_min_area, fill_holes=1, class_min")  # fmt: skip
    parser.add_argument("--choose", choices=["plateau", "best"], default="plateau",
        help="the middle of what cannot be told from the best, or the best")  # fmt: skip
    parser.add_argument("--tag", help="of the decision; default: the rule's name, or params")
    parser.add_argument("--work", type=Path, default=Path("work"))
    parser.add_argument("--replace", action="store_true", help="remove and remake what is there")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    work = Work(args.work)
    data = dataset.read(work)
    sources = gather(work, data, args.members, args.folds, args.weights)
    wish = read_wish(sources, args.rule, args.choose, args.params)
    averaged = work.ensemble(args.name)
    decided = work.decision(f"{args.name}-{args.tag or wish.rule}")

    inputs = [data.artifact, *(source.probs for source in sources)]
    draft = artifacts.begin(averaged, facts(sources, data), inputs, args.replace)
    if draft is None:
        print(f"up to date: {averaged}")
    else:
        average(draft, sources, data)
    ensemble = artifacts.read(averaged)
    draft = artifacts.begin(decided, wish.facts, [ensemble, data.artifact], args.replace)
    if draft is None:
        print(f"up to date: {decided}")
    else:
        print(f"{summary(decide(draft, ensemble, data, wish), data)} -> {decided.folder}")


if __name__ == "__main__":
    run_stage(main)
