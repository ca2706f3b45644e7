"""Average the maps of several runs, and decide on out-of-fold images which pixels become a mask.

    python 04_ensemble.py --members r34_512 see_fpn_r50 --name final --weights search
    python 04_ensemble.py --members r34_512 --name r34 --params top=.7 min_area=800 bottom=.3
    python 04_ensemble.py --members all --name all --params-from WORK/decisions/r34-triplet

Reads   WORK/dataset/, WORK/probs/<run>/fold<k>/
Writes  WORK/ensembles/final/, WORK/decisions/final-triplet/
"""

from lib import cli

cli.stop_on_signals()  # now: the imports below take a second

import argparse
from pathlib import Path

from lib import artifacts, dataset
from lib.artifacts import Artifact
from lib.dataset import Dataset
from lib.decision import schema
from lib.ensemble import members, options
from lib.ensemble.average import average, ensemble_config
from lib.ensemble.decide import decide
from lib.ensemble.evaluation import summary
from lib.ensemble.member_weights import describe_weights, find_weights
from lib.layout import Work


def parse_args() -> argparse.Namespace:
    parser = cli.stage_parser(__doc__)
    parser.add_argument("--members", nargs="+", required=True, metavar="RUN", help="in WORK/probs")
    parser.add_argument("--name", required=True, help="of the ensemble")
    parser.add_argument(
        "--folds", nargs="+", metavar="K", help="default: those of the first member"
    )
    parser.add_argument("--weights", nargs="+", default=[members.EQUAL],
        help="equal, one for each member, or search: found on out-of-fold maps")  # fmt: skip
    rule = parser.add_mutually_exclusive_group()
    rule.add_argument("--rule", choices=options.RULES, default=options.TRIPLET, metavar="RULE",
        help="a family to search (single, duplet, triplet, components, gated, expected, auto), "
        "recipe for the published rule of the members' recipe, or a published rule: "
        f"{', '.join(options.PUBLISHED)}")  # fmt: skip
    rule.add_argument("--params", nargs="+", metavar="KEY=VALUE", help="a rule without search: "
        "top, min_area, bottom, component_min_area, fill_holes=1, class_min")  # fmt: skip
    rule.add_argument("--params-from", type=Path, metavar="DECISION", help="take the rule of a "
        "decision, its folder in any WORK; without search")  # fmt: skip
    parser.add_argument("--choose", choices=["plateau", "best"],
        help="the middle of the rules as good as the best (default), or the best")  # fmt: skip
    parser.add_argument("--gate", nargs="+", default=[], metavar="RUN", help="for p(positive) only")
    parser.add_argument("--gate-fit", choices=list(options.GATE_FITS),
        help="mean (default) or stack of the gates' probabilities")  # fmt: skip
    parser.add_argument("--tag", help="of the decision; default: the rule's name, or params")
    return parser.parse_args()


def make_ensemble(
    args: argparse.Namespace, work: Work, data: Dataset, loaded: list[members.MemberFold]
) -> Artifact:
    """Average the members, unless the ensemble is recorded and none were loaded."""
    location, search_weights = work.ensemble(args.name), members.is_search(args.weights)
    draft = None
    if loaded:  # else --replace is for the decision alone
        config = ensemble_config(loaded, data, search_weights)
        inputs = [data.artifact, *(member.probs for member in loaded)]
        draft = artifacts.begin(location, config, inputs, args.replace)
    if draft:
        average(draft, find_weights(draft, loaded, data) if search_weights else loaded, data)
    else:
        print(f"up to date: {location}")
    ensemble = artifacts.read(location)
    if search_weights:
        print(describe_weights(ensemble))
    return ensemble


def main() -> None:
    args = parse_args()
    work = Work(args.work)
    data = dataset.read(work)
    request = (args.members, args.folds, args.weights)
    recorded = members.recorded_members(work, args.name, *request)
    loaded = [] if recorded else members.load_members(work, data, *request)
    runs = recorded or loaded
    gates = members.load_gates(work, data, args.gate, runs)
    chosen = options.parse_options(
        runs, data, args.rule, args.choose, args.params, args.gate, args.gate_fit, args.params_from
    )
    location = work.decision(f"{args.name}-{args.tag or chosen.rule}")

    ensemble = make_ensemble(args, work, data, loaded)
    inputs = [ensemble, data.artifact, *(gate.probs for gate in gates)]
    draft = artifacts.begin(location, chosen.config, inputs, args.replace)
    if draft:
        decide(draft, ensemble, data, chosen, runs, gates)
    else:
        print(f"up to date: {location}")
    decision = schema.load(artifacts.read(location).path(schema.DECISION_FILE))
    print(f"{summary(decision, data)} -> {location.folder}")
    notes = members.describe_missing_folds(work, runs)
    notes += members.describe_mixed_recipes(work, [*runs, *gates])
    print(*notes, sep="\n", end="\n" * bool(notes))
    if outdated := artifacts.describe_outdated(ensemble):
        print(outdated)


if __name__ == "__main__":
    cli.run_stage(main)
