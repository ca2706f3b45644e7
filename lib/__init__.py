"""Library of the five stages: a package for each stage, over shared modules."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

# torch reads this when it is loaded, so it stands before every import of it. OpenMP threads that
# wait for each other spin for milliseconds by default: beside another busy process, that made
# training on 2 cores 13 to 100 times slower. A short spin costs nothing on a quiet machine.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

# Checked here, before any module of lib is imported: otherwise a Python that lacks the packages
# ends in a traceback of its first import. Stages 01, 04 and 05 do without torch.
for _package in ("numpy", "scipy", "pandas", "cv2", "PIL", "pydicom", "sklearn", "skimage",
                 "filelock", "matplotlib", "pydantic", "jinja2", "tqdm"):  # fmt: skip
    if find_spec(_package) is None:
        _venv = Path(__file__).parents[1] / ".venv/bin/python"
        print(
            f"error: {sys.executable} lacks the package {_package}; use {_venv}, which "
            "`bash run_all.sh` sets up, or install requirements.txt",
            file=sys.stderr,
        )
        sys.exit(2)
