#!/usr/bin/env bash
# Lint, types and tests; sets up as run_all.sh does. Arguments go to pytest.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib/environment.sh"
cd "$home"

"$python" -m ruff check .
"$python" -m ruff format --check .
"$python" -m mypy
"$python" -m pytest "$@"
