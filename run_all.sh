#!/usr/bin/env bash
# Run the five stages in order. After a kill, the same command goes on where it stopped.
#
#   bash run_all.sh                the demo: phantom radiographs, no data needed
#   bash run_all.sh RAW_DIR        the competition's data, unpacked
#
# Environment: WORK     working folder (default: work)
#              RECIPES  recipes to train, separated by blanks (default: demo, or r34_512 with RAW_DIR)
#              FOLDS    folds to train (default: 0 1 in the demo, or all with RAW_DIR)
#              NAME     name of the ensemble (default: final)
#              REPLACE  1: remove existing results and make them again
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

# Stage 04 refuses repeated values and bad names too, but only after all training.
refuse_repeats() {
    local repeated
    repeated=$(printf '%s\n' "${@:2}" | sort | uniq -d | head -n 1)
    [ -z "$repeated" ] || { echo "error: $1 has $repeated twice" >&2; exit 2; }
}
refuse_repeats RECIPES "${recipes[@]}"
refuse_repeats FOLDS "${folds[@]}"
"$python" - "$name" "$name-triplet" <<'PYTHON'
import sys
from lib import cli, layout
cli.run_stage(lambda: [layout.check_name(name) for name in sys.argv[1:]])
PYTHON

[ ${#folds[@]} -eq 0 ] || folds=(--folds "${folds[@]}")
common=(--work "$work")
[ "${REPLACE:-0}" != 1 ] || common+=(--replace)

# The stage runs in the background, so that a signal to this script alone can be passed on at once:
# bash would otherwise wait for the end of the stage.
run_stage() {
    echo "== $*"
    "$python" "$home/$1" "${@:2}" "${common[@]}" &
    running=$!
    wait "$running"
}
running=
stop() {
    [ -z "$running" ] || kill -TERM "$running" 2>/dev/null || true
    wait
    echo "stopped: the same command goes on from here" >&2 # a stage that has just started prints nothing
    exit "$1"
}
trap 'stop 130' INT
trap 'stop 143' TERM

run_stage 01_prepare.py "${raw[@]}" --recipes "${recipes[@]}"
for recipe in "${recipes[@]}"; do
    run_stage 02_train.py --recipe "$recipe" "${folds[@]}"
    run_stage 03_infer.py --run "$recipe" "${folds[@]}"
done
run_stage 04_ensemble.py --members "${recipes[@]}" --name "$name" "${folds[@]}"
run_stage 05_submit.py --decision "$name-triplet" "${truth[@]}"
