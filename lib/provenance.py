"""Provenance: facts about how an artifact was made that do not change its content."""

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
    """Return the command, commit, library versions, start and duration of this process.

    Args:
        started: time of the start, in seconds since the epoch.
    """
    return {
        "command": shlex.join(sys.argv),
        "commit": _read_commit(),
        "python": platform.python_version(),
        "libraries": library_versions(),
        "started": datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
        "seconds": round(time.time() - started, 1),
    }


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that decide results, as far as they are installed."""
    installed = [name for name in LIBRARIES if any(metadata.distributions(name=name))]
    return {name: metadata.version(name) for name in installed}


def _read_commit() -> str:
    """Return the commit of this code; "unknown" without git, as in a source archive."""
    home = Path(__file__).resolve().parents[1]
    command = ["git", "-C", str(home), "describe", "--always", "--dirty"]
    # An archive unpacked inside another repository must not report the commit of that one.
    env = os.environ | {"GIT_CEILING_DIRECTORIES": str(home.parent)}
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
        return result.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
