"""One process at a time: a lock on a file, which a dead process does not keep."""

import fcntl
import os
import socket
import time
from pathlib import Path
from typing import IO, Any

from lib.errors import InputError


class Lock:
    """Who makes an artifact, in a file beside it.

    The lock is the process's and not the file's: where a killed process leaves the file behind, the
    next one takes it over, and children that outlive their parent hold nothing.
    """

    def __init__(self, path: Path, name: str) -> None:
        """Name a lock.

        Args:
            path: its file.
            name: of what is locked, for the message.
        """
        self.path, self.name = path, name
        self._file: IO[str] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """A copy in another process has no lock."""
        return {**vars(self), "_file": None}

    def acquire(self) -> None:
        """Take the lock, or take it again.

        Raises:
            InputError: if another process has it, and which.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        while not self._file:
            file = self.path.open("a+")
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                file.seek(0)
                holder = file.read().strip() or "another process"
                raise InputError(
                    f"{self.name} is being made by {holder}; wait until that ends, or end it"
                ) from None
            if self._is_current(file):
                self._file = file
        self._file.truncate(0)
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        self._file.write(f"process {os.getpid()} on {socket.gethostname()} since {since}\n")
        self._file.flush()

    def release(self) -> None:
        """Give the lock back; its file goes."""
        assert self._file
        self.path.unlink(missing_ok=True)
        self._file.close()
        self._file = None

    def _is_current(self, file: IO[str]) -> bool:
        """Whether the path still leads to the file: its last holder removes it at the end."""
        try:
            return self.path.stat().st_ino == os.fstat(file.fileno()).st_ino
        except FileNotFoundError:
            return False
