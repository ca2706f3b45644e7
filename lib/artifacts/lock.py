"""Lock of an artifact: one process at a time makes it."""

import os
import socket
import time
from contextlib import suppress

from filelock import FileLock, Timeout

from lib.errors import InputError
from lib.layout import ArtifactPath

TIMEOUT = 0.1  # seconds: a process that ends needs a moment to remove its lock file


class Lock:
    """A lock file beside the artifact, which names the process that makes it.

    The operating system frees the lock when that process ends, even if it was killed. Child
    processes do not inherit the lock. Several drafts of one artifact in one process share it.
    """

    def __init__(self, location: ArtifactPath) -> None:
        self.location = location
        self._lock = FileLock(
            location.lock, TIMEOUT, thread_local=False, is_singleton=True, on_acquired=_write_holder
        )

    def __reduce__(self) -> tuple[type["Lock"], tuple[ArtifactPath]]:
        """Copy without the lock: a copy in another process does not hold it."""
        return Lock, (self.location,)

    @property
    def is_held(self) -> bool:
        """True if this process has the lock."""
        return self._lock.is_locked

    def acquire(self) -> None:
        """Take the lock; do nothing if this process has it already.

        Raises:
            InputError: if another process has it; the message names that process.
        """
        path = self.location.lock
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            if not self.is_held:
                self._lock.acquire()
        except Timeout:
            holder = ""
            with suppress(OSError):  # removed since, or locked against reading, as on Windows
                holder = path.read_text().strip()
            raise InputError(
                f"{self.location} is being made by {holder or 'another process'}; "
                "wait until that ends, or end it"
            ) from None

    def release(self) -> None:
        """Free the lock and remove its file."""
        if self.is_held:
            # Removed first: once the lock is free, the file may be another process's.
            with suppress(PermissionError):  # on Windows, where filelock removes it
                self.location.lock.unlink(missing_ok=True)
            self._lock.release()


def _write_holder(descriptor: int) -> None:
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    holder = f"process {os.getpid()} on {socket.gethostname()} since {since}\n"
    os.ftruncate(descriptor, 0)
    os.write(descriptor, holder.encode())
