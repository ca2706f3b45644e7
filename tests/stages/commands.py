"""Commands of the project, run as a user runs them."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


SETTINGS = ("ENCODER_WEIGHTS", "FOLDS", "LIMIT", "NAME", "PARALLEL", "RECIPES", "REPLACE", "RULE",
            "SYSTEM", "TAG", "WORK")  # fmt: skip


def settings_of_run_all(**settings: str) -> dict[str, str]:
    """Return an environment for run_all.sh with these settings, and none of the caller's."""
    others = {key: value for key, value in os.environ.items() if key not in SETTINGS}
    return others | settings


def run(*words: object, expect: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a script or module of the project, which must end with an exit code."""
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done


def error_line(*words: object) -> str:
    """Run a script, expect exit code 2, and return its only line on stderr."""
    (line,) = run(*words, expect=2).stderr.splitlines()
    assert line.startswith("error: ")
    return line
