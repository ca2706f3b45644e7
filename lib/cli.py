"""Command lines of the stages and tools: common flags, number types, errors and signals."""

import argparse
import errno
import math
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from lib.errors import InputError

STORAGE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}


def stage_parser(doc: str | None) -> argparse.ArgumentParser:
    """Return the parser of a stage script, with the flags that all stages have.

    Args:
        doc: docstring of the script, shown by --help as it is.
    """
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("work"), help="working folder")
    parser.add_argument("--replace", action="store_true", help="make results again that exist")
    return parser


def add_device_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the stages that run networks on several folds."""
    parser.add_argument(
        "--device", default="auto", help="auto (every GPU, else the CPU), cpu, cuda, cuda:1, ..."
    )
    parser.add_argument(
        "--parallel", type=parallel, metavar="N",
        help="folds at the same time, each in a process with its part of the cores; more than "
        "there are GPUs share them; not with torchrun (default: one on each GPU, one on a CPU)",
    )  # fmt: skip


def int_in_range(low: int, high: int = 1_000_000) -> Callable[[str], int]:
    """Return the `type` of a flag that takes an integer from `low` to `high`, both included."""

    def parse(text: str) -> int:
        # Longer text than `high` is not parsed: Python refuses thousands of digits.
        if text.isdecimal() and len(text) <= len(str(high)) and low <= int(text) <= high:
            return int(text)
        raise argparse.ArgumentTypeError(f"{text[:40]} is not a whole number from {low} to {high}")

    return parse


parallel = int_in_range(1, 1024)  # the type of --parallel


def positive_number(text: str) -> float:
    """Return a number above 0; the `type` of a flag."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text[:40]} is not a number above 0")
    return value


def png_file(text: str) -> Path:
    """Return the path of a picture to write; the `type` of a flag."""
    path = Path(text)
    if path.suffix.lower() != ".png":
        raise argparse.ArgumentTypeError(f"{text} does not end in .png; pictures are PNGs")
    return path


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage; print one line for an error that its user can correct, and exit with code 2.

    Signals end it, see `stop_on_signals`. A closed stdout, as after `| head`, ends it with code
    141, like any program.

    Raises:
        SystemExit: 2 after an InputError or an error of the file system.
    """
    stop_on_signals()
    try:
        main()
        print(end="", flush=True)  # an error of stdout is raised here, and not at exit
        return
    except InputError as error:
        message = str(error)
    except BrokenPipeError:
        _stop(signal.SIGPIPE)
    except OSError as error:
        message = str(error.strerror or error)
        if error.filename:
            message += f": {error.filename}"
        if error.errno in STORAGE_ERRORS:
            message += "; nothing is lost: correct that, and the same command continues"
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(2)


def stop_on_signals() -> None:
    """Make SIGINT (Ctrl-C) and SIGTERM end the process at once, with a line and code 130 or 143.

    Nothing is cleaned up: files on disk survive a SIGKILL too, and an exception would have to wait
    for pools and their queues. Workers inherit this.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)


def _stop(number: int, frame: FrameType | None = None) -> NoReturn:
    """Exit with the code of a signal; only the parent process prints a line."""
    if not multiprocessing.parent_process():
        name = signal.Signals(number).name
        with suppress(OSError):  # stderr may be closed
            os.write(2, f"\nstopped by {name}: run the same command again to continue\n".encode())
    os._exit(128 + number)
