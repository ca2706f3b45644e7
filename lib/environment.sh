# Sourced by run_all.sh and tests/run.sh: sets $python to one that has what requirements.txt asks for.
#
# The active Python if it already has it all; else a virtual environment, made on first use: $VENV
# where that is set (the active Python is then not asked), .venv beside requirements.txt otherwise.

home=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
export PYTHONPATH="$home${PYTHONPATH:+:$PYTHONPATH}"
export NO_ALBUMENTATIONS_UPDATE=1

# Versions must be the pinned ones; torch and torchvision follow the machine's CUDA, so any will do.
has_requirements() {
    "$1" - "$home/requirements.txt" 2>/dev/null <<'PYTHON'
import sys
from importlib.metadata import version

for line in open(sys.argv[1]):
    name, _, pinned = line.split("#")[0].strip().partition("==")
    if name and version(name) != pinned and name not in ("torch", "torchvision"):
        sys.exit(1)
PYTHON
}

set_up() {
    local venv=$1
    if [ ! -e "$venv/complete" ] || ! cmp -s "$venv/complete" "$home/requirements.txt"; then
        echo "setting up $venv from requirements.txt (once; some 6 GB, minutes)"
        python3 -m venv "$venv"
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
            -r "$home/requirements.txt"
        cp "$home/requirements.txt" "$venv/complete"
    fi
}

if [ -z "${VENV:-}" ] && has_requirements python3; then
    python=python3
else
    set_up "${VENV:-$home/.venv}"
    python="${VENV:-$home/.venv}/bin/python"
fi
