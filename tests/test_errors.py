"""How a stage ends: a line and a code for what its user can mend, a traceback for our faults."""

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
        (KeyboardInterrupt(), 130, "interrupted: the same command goes on from here"),
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
