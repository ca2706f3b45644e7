#!/usr/bin/env bash
# Lint, types and tests; sets up as run_all.sh does. Arguments go to pytest.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib/environment.sh"
cd "$home"

"$python" -m ruff check .
"$python" -m ruff format --check .
"$python" -m mypy
# A process a core, so one thread in each; a module's tests share what they set up. By name, as the
# module that takes longest has few tests and would come last.
OMP_NUM_THREADS=1 "$python" -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder "$@"
