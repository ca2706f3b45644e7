"""Errors for people: one line that says what is wrong, the value, and the cure."""

import sys
from collections.abc import Callable


class InputError(ValueError):
    """Something that the person at the keyboard can mend: a flag, a file, a name.

    Any other exception is a fault of ours and keeps its traceback.
    """


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage; what its user can mend becomes one line on stderr and exit code 2.

    Raises:
        SystemExit: 2 after an InputError or an error of the file system, 130 after Ctrl-C.
    """
    try:
        main()
    except InputError as error:
        _leave(f"error: {error}", 2)
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        _leave(f"error: {error.strerror or error}{where}", 2)
    except KeyboardInterrupt:
        _leave("interrupted: the same command goes on from here", 130)


def _leave(line: str, code: int) -> None:
    print(line, file=sys.stderr)
    raise SystemExit(code) from None
