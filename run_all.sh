#!/usr/bin/env bash
# Run the five stages in order. After a kill, the same command goes on where it stopped.
#
#   bash run_all.sh                the demo: phantom radiographs, no data needed
#   bash run_all.sh RAW_DIR        the competition's data, unpacked
#   bash run_all.sh RAW_DIR FLAGS  a re-host that 01_prepare.py needs flags for, as --rle-size 384
#
# Environment: WORK     working folder (default: work)
#              RECIPES  recipes to train, separated by blanks (default: demo, or r34_512 with RAW_DIR)
#              SYSTEM   instead of RECIPES: one of python -m lib.recipes systems (NAME_demo: shrunk
#                       for the demo), with its members, weights and gates; it has its own defaults
#                       of NAME and RULE
#              FOLDS    folds to train (default: 0 1 in the demo, or all with RAW_DIR)
#              NAME     name of the ensemble (default: final)
#              RULE     rule of the decision (default: triplet)
#              TAG      of the decision (default: RULE)
#              ENCODER_WEIGHTS  imagenet, none, a file, or a folder with a file <encoder>.pt for each
#                       encoder (default: the recipe's; r34_512 downloads ImageNet weights once, so
#                       without a network give files)
#              PARALLEL folds at the same time in 02 and 03 (default: one on each GPU, one on a CPU)
#              LIMIT    maximum of training and of test images (default: all)
#              REPLACE  1: make the results of all stages again, 01 and 02 too; to make only one
#                       again, run that stage's command with --replace
set -euo pipefail
if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 404)); then
    echo "run_all.sh needs bash 4.4 or newer, and this is $BASH_VERSION" >&2
    exit 2
fi
source "$(dirname -- "${BASH_SOURCE[0]}")/lib/environment.sh"

work=${WORK:-work}
if [ $# -eq 0 ]; then
    raw=(--demo)
    truth=(--truth "$work/raw_demo/test-truth.csv")
elif [[ -n $1 && $1 != -* && ${2:--} == -* ]]; then
    raw=(--raw "$@")
    truth=()
else
    echo "usage: bash run_all.sh [RAW_DIR [FLAGS OF 01_prepare.py]]" >&2
    exit 2
fi

# Now: what a stage would refuse only after all training is refused before the first one starts.
plan=$("$python" -m lib.plan "$@")
setting() { sed -n "s/^$1: //p" <<<"$plan"; }
read -ra recipes <<<"$(setting recipes)"
read -ra members <<<"$(setting members)"
read -ra combination <<<"$(setting combination)"
read -ra folds <<<"$(setting folds)"
name=$(setting name) rule=$(setting rule) tag=$(setting tag)
decision=$name-$tag
[ ${#folds[@]} -eq 0 ] || folds=(--folds "${folds[@]}")
common=(--work "$work")
limit=() weights=() parallel=()
[ -z "${ENCODER_WEIGHTS:-}" ] || weights=(--encoder-weights "$ENCODER_WEIGHTS")
[ -z "${PARALLEL:-}" ] || parallel=(--parallel "$PARALLEL")
[ -z "${LIMIT:-}" ] || limit=(--limit "$LIMIT")

# Stages that REPLACE=1 has finished, so that after a kill they are not made a third time.
replaced=$work/replaced.txt
[ "${REPLACE:-0}" = 1 ] || replaced=

# The stage runs in the background, so that a signal to this script alone can be passed on at once:
# bash would otherwise wait for the end of the stage.
run_stage() {
    local words=("${@:2}" "${common[@]}") replace=() code=0
    echo "== $*"
    if [ -n "$replaced" ] && ! grep -qsxF -- "$*" "$replaced"; then replace=(--replace); fi
    "$python" "$home/$1" "${words[@]}" "${replace[@]}" &
    running=$!
    wait "$running" || code=$?
    if [ "$code" -eq 2 ]; then
        echo "that was: $(printf '%q ' "$python" "$home/$1" "${words[@]}")" \
            "(--name, --tag and --work are NAME, TAG and WORK of run_all.sh)" >&2
    fi
    [ "$code" -eq 0 ] || exit "$code"
    [ -z "$replaced" ] || grep -qsxF -- "$*" "$replaced" || echo "$*" >>"$replaced"
}
running=
stop() {
    [ -z "$running" ] || kill -TERM "$running" 2>/dev/null || true
    wait
    echo "stopped: run the same command again to continue" >&2 # a stage that has just started prints nothing
    exit "$1"
}
trap 'stop 130' INT
trap 'stop 143' TERM

run_stage 01_prepare.py "${raw[@]}" --recipes "${recipes[@]}" "${limit[@]}"
for recipe in "${recipes[@]}"; do
    run_stage 02_train.py --recipe "$recipe" "${folds[@]}" "${weights[@]}" "${parallel[@]}"
    run_stage 03_infer.py --run "$recipe" "${folds[@]}" "${parallel[@]}"
done
run_stage 04_ensemble.py --members "${members[@]}" "${combination[@]}" --name "$name" "${folds[@]}" \
    --rule "$rule" --tag "$tag"
run_stage 05_submit.py --decision "$decision" "${truth[@]}"
rm -f "$work/replaced.txt"
