"""Average the maps of several runs, and decide on out-of-fold images what becomes a mask.

    python 04_ensemble.py --members r34_512 see_fpn_r50 --name final --weights search
    python 04_ensemble.py --members r34_512 --name r34 --params top=.7 min_area=800 bottom=.3

Reads   WORK/dataset/, WORK/probs/<run>/fold<k>/
Writes  WORK/ensembles/final/, WORK/decisions/final-triplet/
"""

from lib import cli

cli.stop_on_signals()  # now: the imports below take a second

import argparse

from lib import artifacts, dataset
from lib.ensemble import gates, members, options, vote
from lib.ensemble.average import average, config
from lib.ensemble.decide import decide
from lib.ensemble.evaluation import summary
from lib.layout import Work


def parse_args() -> argparse.Namespace:
    parser = cli.stage_parser(__doc__)
    parser.add_argument("--members", nargs="+", required=True, metavar="RUN", help="in WORK/probs")
    parser.add_argument("--name", required=True, help="of the ensemble")
    parser.add_argument("--folds", nargs="+", metavar="K", help="default: the first member's")
    parser.add_argument("--weights", nargs="+", default=[members.EQUAL],
        help="equal, one a member, or search: found on out-of-fold maps")  # fmt: skip
    rule = parser.add_mutually_exclusive_group()
    rule.add_argument("--rule", choices=options.RULES, default="triplet", metavar="RULE",
        help=f"what is searched, or a published rule: {', '.join(options.RULES)}")  # fmt: skip
    rule.add_argument("--params", nargs="+", metavar="KEY=VALUE", help="a rule without search: "
        "top, min_area, bottom, component_min_area, fill_holes=1, class_min")  # fmt: skip
    parser.add_argument("--choose", choices=["plateau", "best"], default="plateau",
        help="the middle of what cannot be told from the best, or the best")  # fmt: skip
    parser.add_argument("--gate", nargs="+", default=[], metavar="RUN", help="for p(positive) only")
    parser.add_argument("--gate-fit", choices=[gates.MEAN, gates.STACK], default=gates.MEAN)
    parser.add_argument("--test-rule", choices=[vote.MEAN, vote.VOTE], default=vote.MEAN,
        help="one decision on the mean of the folds' maps, or the majority of theirs")  # fmt: skip
    parser.add_argument("--tag", help="of the decision; default: the rule's name, or params")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    work = Work(args.work)
    data = dataset.read(work)
    sources = members.load_members(work, data, args.members, args.folds, args.weights)
    gating = gates.load_gates(work, data, args.gate, sources)
    asked = options.parse_options(sources, args.rule, args.choose, args.params,
        gate=args.gate, gate_fit=args.gate_fit, test_rule=args.test_rule)  # fmt: skip
    decided = work.decision(f"{args.name}-{args.tag or asked.rule}")

    averaged, maps = work.ensemble(args.name), [source.probs for source in sources]
    made = config(sources, data, members.searched(args.weights))
    draft = artifacts.begin(averaged, made, [data.artifact, *maps], args.replace)
    if draft is None:
        print(f"up to date: {averaged}")
    else:
        average(draft, sources, data)
    ensemble = artifacts.read(averaged)
    inputs = [ensemble, data.artifact, *(source.probs for source in gating)]
    inputs += maps if args.test_rule == vote.VOTE else []
    draft = artifacts.begin(decided, asked.config, inputs, args.replace)
    if draft is None:
        print(f"up to date: {decided}")
    else:
        result = decide(draft, ensemble, data, asked, sources, gating)
        print(f"{summary(result, data)} -> {decided.folder}")


if __name__ == "__main__":
    cli.run_stage(main)
