#!/usr/bin/env bash
# The five stages in order. Killed at any point, the same command goes on where it stopped.
#
#   bash run_all.sh                the demo: phantom radiographs, no data needed
#   bash run_all.sh RAW_DIR        the competition's data, as downloaded
#
# Environment: WORK     where everything goes (default: work)
#              RECIPES  what is trained, blank-separated (default: demo, or r34_512 with RAW_DIR)
#              FOLDS    which folds (default: 0 1 in the demo, or all with RAW_DIR)
#              NAME     of the ensemble (default: final)
#              REPLACE  1: remove and remake what is there
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/lib/environment.sh"

work=${WORK:-work}
name=${NAME:-final}
if [ $# -eq 0 ]; then
    raw=(--demo)
    truth=(--truth "$work/raw_demo/test-truth.csv")
    recipes=${RECIPES:-demo}
    folds=${FOLDS:-0 1}
elif [ $# -eq 1 ] && [ -n "$1" ]; then
    raw=(--raw "$1")
    truth=()
    recipes=${RECIPES:-r34_512}
    folds=${FOLDS:-}
else
    echo "usage: bash run_all.sh [RAW_DIR]" >&2
    exit 2
fi
read -ra recipes <<<"$recipes"
read -ra folds <<<"$folds"

# Stage 04 would say so too, but after all training.
once() {
    local twice
    twice=$(printf '%s\n' "${@:2}" | sort | uniq -d | head -n 1)
    [ -z "$twice" ] || { echo "error: $1 has $twice twice" >&2; exit 2; }
}
once RECIPES "${recipes[@]}"
once FOLDS "${folds[@]}"
"$python" - "$name" "$name-triplet" <<'PYTHON'
import sys
from lib import cli, layout
cli.run_stage(lambda: [layout.check_name(name) for name in sys.argv[1:]])
PYTHON

[ ${#folds[@]} -eq 0 ] || folds=(--folds "${folds[@]}")
common=(--work "$work")
[ "${REPLACE:-0}" != 1 ] || common+=(--replace)

# In the background, so that a signal to this script alone reaches the stage: bash would only note it
# until the stage ends.
stage() {
    echo "== $*"
    "$python" "$home/$1" "${@:2}" "${common[@]}" &
    running=$!
    wait "$running"
}
running=
stop() {
    [ -z "$running" ] || kill -TERM "$running" 2>/dev/null || true
    wait
    echo "stopped: the same command goes on from here" >&2 # a stage that was just starting says nothing
    exit "$1"
}
trap 'stop 130' INT
trap 'stop 143' TERM

stage 01_prepare.py "${raw[@]}" --recipes "${recipes[@]}"
for recipe in "${recipes[@]}"; do
    stage 02_train.py --recipe "$recipe" "${folds[@]}"
    stage 03_infer.py --run "$recipe" "${folds[@]}"
done
stage 04_ensemble.py --members "${recipes[@]}" --name "$name" "${folds[@]}"
stage 05_submit.py --decision "$name-triplet" "${truth[@]}"
