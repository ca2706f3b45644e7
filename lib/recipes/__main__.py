"""List the recipes, or print one in full.

python -m lib.recipes [NAME]
"""

import argparse
import json
from dataclasses import asdict

from lib import recipes
from lib.cli import run_stage
from lib.recipes.demo_variant import DEMO_SUFFIX


def main() -> None:
    parser = argparse.ArgumentParser(description="List the recipes, or print one in full.")
    parser.add_argument("name", nargs="?")
    args = parser.parse_args()
    if args.name:
        print(json.dumps(asdict(recipes.get(args.name)), indent=1))
        return
    rows = recipes.RECIPES.values()
    name, source = (max(len(getattr(r, key)) for r in rows) for key in ("name", "source"))
    for recipe in rows:
        print(f"{recipe.name:{name}}  {recipe.source:{source}}  {recipe.summary}")
    print(f"NAME{DEMO_SUFFIX} is recipe NAME, shrunk for phantoms and a few CPU cores.")


if __name__ == "__main__":
    run_stage(main)
