"""How a stage ends: one line that says what is wrong, the value, and the cure."""

import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}


class InputError(ValueError):
    """Something that the person at the keyboard can mend: a flag, a file, a name.

    Any other exception is a fault of ours and keeps its traceback.
    """


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage; what its user can mend becomes one line on stderr and exit code 2.

    SIGINT (Ctrl-C) and SIGTERM end the process at once, with a line and code 130 or 143.

    Raises:
        SystemExit: 2 after an InputError or an error of the file system.
    """
    try:
        with _stopping_at_once():
            main()
    except InputError as error:
        _leave(f"error: {error}")
    except BrokenPipeError:  # who reads has read enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        cure = ""
        if error.errno in STORAGE:
            cure = "; nothing is lost: once that is mended, the same command goes on from here"
        _leave(f"error: {error.strerror or error}{where}{cure}")


@contextmanager
def _stopping_at_once() -> Iterator[None]:
    """Leave on a signal without tidying up: what is on disk is good for a SIGKILL too.

    An exception would have to wait for pools and their queues. Forked workers inherit this, and
    leave without a word.
    """
    stage = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        if os.getpid() == stage:
            name = signal.Signals(number).name
            os.write(2, f"\nstopped by {name}: the same command goes on from here\n".encode())
        os._exit(128 + number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(line: str) -> None:
    print(line, file=sys.stderr)
    raise SystemExit(2) from None
