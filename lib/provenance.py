"""What is worth knowing of how something was made, and is no part of what was made."""

import os
import platform
import shlex
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

LIBRARIES = ("torch", "segmentation-models-pytorch", "albumentations", "opencv-python-headless",
             "pydicom", "numpy", "pandas", "scikit-learn")  # fmt: skip


def collect(started: float) -> dict[str, Any]:
    """The command, the code and the libraries of this process, and how long it took.

    Args:
        started: when, in seconds since the epoch.
    """
    return {
        "command": shlex.join(sys.argv),
        "commit": _commit(),
        "python": platform.python_version(),
        "libraries": {name: metadata.version(name) for name in LIBRARIES if _installed(name)},
        "started": datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
        "seconds": round(time.time() - started, 1),
    }


def _installed(name: str) -> bool:
    return any(True for _ in metadata.distributions(name=name))


def _commit() -> str:
    """The commit of this code; "unknown" without git, as in a source archive."""
    home = Path(__file__).resolve().parents[1]
    command = ["git", "-C", str(home), "describe", "--always", "--dirty"]
    # An archive unpacked inside another repository must not pass for that one.
    own = os.environ | {"GIT_CEILING_DIRECTORIES": str(home.parent)}
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=own)
        return done.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
