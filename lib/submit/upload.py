"""Handing a submission in, through the competition's own command."""

import shutil
import subprocess
from pathlib import Path

from lib.errors import InputError


def to_kaggle(path: Path, competition: str, message: str) -> str:
    """Submit a file with the `kaggle` command.

    Returns:
        What the command said.

    Raises:
        InputError: if the command is not installed, or refuses.
    """
    command = shutil.which("kaggle")
    if command is None:
        raise InputError("the kaggle command is not installed; pip install kaggle, or upload "
                         f"{path} on the competition's page")  # fmt: skip
    words = [command, "competitions", "submit", "-c", competition, "-f", str(path), "-m", message]
    done = subprocess.run(words, capture_output=True, text=True)
    said = " ".join((done.stdout + done.stderr).split())
    if done.returncode:
        raise InputError(f"kaggle refused {path}: {said[-300:] or 'it gave no reason'}")
    return said
