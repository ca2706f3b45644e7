"""How a stage ends: one line that says what is wrong, the value, and the cure."""

import errno
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import NoReturn

STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}


class InputError(ValueError):
    """Something that the person at the keyboard can mend: a flag, a file, a name.

    Any other exception is a fault of ours and keeps its traceback.
    """


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage; what its user can mend becomes one line on stderr and exit code 2.

    Signals end it as `stop_on_signals` says. So does a line that nobody reads any more, as after
    `head`: code 141, as from any program.

    Raises:
        SystemExit: 2 after an InputError or an error of the file system.
    """
    stop_on_signals()
    try:
        main()
        print(end="", flush=True)  # here, where an error has a line
    except InputError as error:
        _leave(f"error: {error}")
    except BrokenPipeError:
        _stop(signal.SIGPIPE)
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        cure = ""
        if error.errno in STORAGE:
            cure = "; nothing is lost: once that is mended, the same command goes on from here"
        _leave(f"error: {error.strerror or error}{where}{cure}")


def stop_on_signals() -> None:
    """From here on SIGINT (Ctrl-C) and SIGTERM end the process at once: a line, code 130 or 143.

    Without tidying up: what is on disk is good for a SIGKILL too, and an exception would have to
    wait for pools and their queues. Workers inherit this.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)


def _stop(number: int, frame: FrameType | None = None) -> NoReturn:
    """Leave as a signal would have it; a worker does so without a word."""
    if not multiprocessing.parent_process():
        name = signal.Signals(number).name
        with suppress(OSError):  # who reads may be gone
            os.write(2, f"\nstopped by {name}: the same command goes on from here\n".encode())
    os._exit(128 + number)


def _leave(line: str) -> None:
    print(line, file=sys.stderr)
    raise SystemExit(2) from None
