# Set $python to a Python with the packages of requirements.txt. Sourced by run_all.sh, tests/run.sh.
#
# This is the active Python if it has them all. Otherwise it is a virtual environment, created on
# first use: .venv beside requirements.txt, or $VENV if set (then the active Python is ignored).

home=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
export PYTHONPATH="$home${PYTHONPATH:+:$PYTHONPATH}"
export NO_ALBUMENTATIONS_UPDATE=1

# Versions must be the pinned ones. torch and torchvision may differ: they follow the CUDA version.
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

create_venv() {
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
    create_venv "${VENV:-$home/.venv}"
    python="${VENV:-$home/.venv}/bin/python"
fi
