#!/usr/bin/env bash
# Run linter, type checker and tests, in the environment of run_all.sh. Arguments go to pytest.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib/environment.sh"
cd "$home"

"$python" -m ruff check .
"$python" -m ruff format --check .
"$python" -m mypy
# One process per core, with one thread each. The tests of a module share fixtures, so a module stays
# in one process. In order of name: by number of tests, the slowest module would come last.
OMP_NUM_THREADS=1 "$python" -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder "$@"
