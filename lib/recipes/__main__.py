"""List the recipes, or print one in full.

python -m lib.recipes [NAME]
"""

import argparse
import json

from lib import recipes
from lib.errors import run_stage
from lib.recipes import facts


def main() -> None:
    parser = argparse.ArgumentParser(description="List the recipes, or print one in full.")
    parser.add_argument("name", nargs="?")
    args = parser.parse_args()
    if args.name:
        print(json.dumps(facts.to_facts(recipes.get(args.name)), indent=1))
        return
    for recipe in recipes.RECIPES.values():
        print(f"{recipe.name:24} {recipe.source:24} {recipe.summary}")


if __name__ == "__main__":
    run_stage(main)
