"""How a stage ends: a line and a code for what its user can mend, a traceback for our faults."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lib.cli import run_stage
from lib.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
STAGES = sorted(path.name for path in ROOT.glob("0*.py"))
# What a stage is doing a moment after it was started: it imports pandas.
IMPORTING = """
import builtins, os, runpy, signal, sys
import_module = builtins.__import__

def interrupted(name, *rest):
    if name == "pandas":
        os.kill(os.getpid(), signal.{signal})
    return import_module(name, *rest)

builtins.__import__ = interrupted
sys.argv = ["{stage}", "--help"]
runpy.run_path("{stage}", run_name="{run_name}")
"""


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
        "from lib.cli import run_stage\n"
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


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_so_it_does_while_it_still_imports(stage: str, number: signal.Signals) -> None:
    code = IMPORTING.format(signal=number.name, stage=stage, run_name="__main__")
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 128 + number
    assert ended.stderr == f"\nstopped by {number.name}: the same command goes on from here\n"


def test_a_worker_that_is_starting_leaves_without_a_word(tmp_path: Path) -> None:
    """Ctrl-C reaches it too, and it imports the stage before anything else."""
    worker = IMPORTING.format(signal="SIGINT", stage=STAGES[0], run_name="__mp_main__")
    (tmp_path / "worker.py").write_text(f"def work():\n    exec({worker!r}, {{}})\n")
    code = (
        "import multiprocessing, worker\n"
        "process = multiprocessing.get_context('spawn').Process(target=worker.work)\n"
        "process.start(), process.join()\n"
        "print(process.exitcode)\n"
    )
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True,
                           env=os.environ | {"PYTHONPATH": path})  # fmt: skip
    assert (ended.stdout, ended.stderr) == ("130\n", "")


@pytest.mark.parametrize("lines", [1, 100_000], ids=["at-the-end", "on-the-way"])
def test_who_reads_no_more_stops_a_stage_as_any_program(lines: int) -> None:
    """`stage | head -1`: a training that ended so is not done."""
    code = f"from lib.cli import run_stage; run_stage(lambda: print('epoch\\n' * {lines}))"
    reads, writes = os.pipe()
    os.close(reads)
    ended = subprocess.run([sys.executable, "-c", code], stdout=writes, stderr=subprocess.PIPE)
    os.close(writes)
    assert ended.returncode == 128 + signal.SIGPIPE
    assert ended.stderr == b"\nstopped by SIGPIPE: the same command goes on from here\n"


def test_who_reads_neither_lines_nor_errors_learns_it_from_the_code() -> None:
    """`stage 2>&1 | head -1`."""
    code = "from lib.cli import run_stage; run_stage(lambda: print('epoch'))"
    reads, writes = os.pipe()
    os.close(reads)
    ended = subprocess.run([sys.executable, "-c", code], stdout=writes, stderr=writes)
    os.close(writes)
    assert ended.returncode == 128 + signal.SIGPIPE


def test_a_stage_without_stdout_works() -> None:
    code = "import sys; sys.stdout = None; from lib.cli import run_stage; run_stage(print)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
