"""How a stage ends: a line and a code for what its user can mend, a traceback for our faults."""

import signal
import subprocess
import sys
import time

import pytest

from lib.errors import InputError, run_stage


def stage_that_raises(error: BaseException):
    def main() -> None:
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("fold 9 does not exist"), 2, "error: fold 9 does not exist"),
        (FileNotFoundError(2, "No such file", "a.csv"), 2, "error: No such file: a.csv"),
        (OSError("disk trouble"), 2, "error: disk trouble"),
        (
            OSError(28, "No space left on device", "w.pt"),
            2,
            "error: No space left on device: w.pt; "
            "nothing is lost: once that is mended, the same command goes on from here",
        ),
    ],
)
def test_what_the_user_can_mend_is_one_line(error, code, line, capsys) -> None:
    with pytest.raises(SystemExit) as left:
        run_stage(stage_that_raises(error))
    assert left.value.code == code
    assert capsys.readouterr().err == f"{line}\n"


def test_a_fault_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        run_stage(stage_that_raises(ZeroDivisionError()))


def test_a_stage_that_works_says_nothing(capsys) -> None:
    run_stage(lambda: None)
    assert capsys.readouterr().err == ""


def test_an_input_error_is_a_value_error() -> None:
    assert issubclass(InputError, ValueError)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_stage_at_once_with_a_line(number: signal.Signals) -> None:
    """Even one that waits for its workers."""
    code = (
        "import time\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from lib.errors import run_stage\n"
        "def main():\n"
        "    with ThreadPoolExecutor() as pool:\n"
        "        print('started', flush=True)\n"
        "        list(pool.map(time.sleep, [600] * 9))\n"
        "run_stage(main)\n"
    )
    stage = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert stage.stdout
    stage.stdout.readline()
    time.sleep(0.2)
    stage.send_signal(number)
    _, said = stage.communicate(timeout=10)
    assert stage.returncode == 128 + number
    assert said == f"\nstopped by {number.name}: the same command goes on from here\n"
