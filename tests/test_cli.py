"""Command lines: numbers in flags, and the ways in which a stage ends."""

import argparse
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lib import cli
from lib.cli import run_stage
from lib.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
STAGES = sorted(path.name for path in ROOT.glob("0*.py"))


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("8", 8), ("7", 7)])
def test_whole_numbers_within_the_limits_are_taken(text: str, number: int) -> None:
    assert cli.int_in_range(0, 8)(text) == number


@pytest.mark.parametrize("text", ["-1", "9", "1.5", "", "one", "1e3", "²", "9" * 5000])
def test_other_numbers_are_refused_with_the_limits(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a whole number from 0 to 8$"):
        cli.int_in_range(0, 8)(text)


def test_a_picture_is_a_png() -> None:
    assert cli.png_file("some/cases.PNG") == Path("some/cases.PNG")
    with pytest.raises(argparse.ArgumentTypeError, match="cases.jpg does not end in .png"):
        cli.png_file("cases.jpg")


@pytest.mark.parametrize(
    "command",
    [
        "01_prepare.py --demo --rle-size 5000000000",
        "01_prepare.py --demo --sizes 10001",
        "01_prepare.py --demo --sizes 0",
        "02_train.py --recipe demo --workers -1",
        "03_infer.py --run demo --workers -1",
        "03_infer.py --run demo --workers 0",
        "03_infer.py --run demo --batch -1",
        "03_infer.py --run demo --batch 0",
    ],
)
def test_a_stage_refuses_numbers_that_it_cannot_use(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stage, *flags = command.split()
    monkeypatch.setattr(sys, "argv", [stage, *flags])
    with pytest.raises(SystemExit) as exit_info:
        runpy.run_path(str(ROOT / stage), run_name="__main__")
    assert exit_info.value.code == 2
    assert f"argument {flags[-2]}: {flags[-1]} is not a whole" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", [*STAGES, "-m lib.score", "-m lib.recipes", "-m lib.artifacts", "-m lib.leaderboard"]
)
def test_a_python_without_the_packages_is_a_line_that_names_another(command: str) -> None:
    """`-S` leaves out the installed packages."""
    words = [sys.executable, "-S", *command.split(), "--help"]
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    ended = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True)
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"error: {sys.executable} lacks the package ")
    assert f"{ROOT}/.venv/bin/python" in line
    assert "bash run_all.sh" in line


def stage_that_raises(error: BaseException):
    def main() -> None:
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("fold 9 does not exist"), "error: fold 9 does not exist"),
        (FileNotFoundError(2, "No such file", "a.csv"), "error: No such file: a.csv"),
        (OSError("disk trouble"), "error: disk trouble"),
        (
            OSError(28, "No space left on device", "w.pt"),
            "error: No space left on device: w.pt; "
            "nothing is lost: correct that, and the same command continues",
        ),
    ],
)
def test_an_error_of_the_user_is_one_line_and_code_2(error, line, capsys) -> None:
    with pytest.raises(SystemExit) as exit_info:
        run_stage(stage_that_raises(error))
    assert exit_info.value.code == 2
    assert capsys.readouterr().err == f"{line}\n"


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        run_stage(stage_that_raises(ZeroDivisionError()))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_stage_at_once_with_a_line(number: signal.Signals) -> None:
    """Even a stage that waits for its workers."""
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
    _, message = stage.communicate(timeout=10)
    assert stage.returncode == 128 + number
    assert message == f"\nstopped by {number.name}: run the same command again to continue\n"


def run_with_pandas_that_signals(
    folder: Path, number: signal.Signals, *arguments: str
) -> subprocess.CompletedProcess:
    """Run Python with a `pandas` that sends its process a signal when a stage imports it."""
    kill = f"import os, signal; os.kill(os.getpid(), signal.{number.name})\n"
    (folder / "pandas.py").write_text(kill)
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_stage_that_still_imports(
    tmp_path: Path, stage: str, number: signal.Signals
) -> None:
    ended = run_with_pandas_that_signals(tmp_path, number, stage, "--help")
    assert ended.returncode == 128 + number
    assert ended.stderr == f"\nstopped by {number.name}: run the same command again to continue\n"


def test_a_signal_ends_a_worker_that_still_imports_without_a_line(tmp_path: Path) -> None:
    """Ctrl-C reaches workers too, and they import the stage before anything else."""
    (tmp_path / "worker.py").write_text(
        f"import runpy\ndef work(): runpy.run_path({STAGES[0]!r}, run_name='__mp_main__')\n"
    )
    code = (
        "import multiprocessing, worker\n"
        "process = multiprocessing.get_context('spawn').Process(target=worker.work)\n"
        "process.start(), process.join()\n"
        "print(process.exitcode)\n"
    )
    ended = run_with_pandas_that_signals(tmp_path, signal.SIGINT, "-c", code)
    assert (ended.stdout, ended.stderr) == ("130\n", "")


@pytest.mark.parametrize("lines", [1, 100_000], ids=["at-the-end", "on-the-way"])
@pytest.mark.parametrize("closed_stderr", [False, True])
def test_a_closed_stdout_stops_a_stage_like_any_program(lines: int, closed_stderr: bool) -> None:
    """`stage | head -1`, with `2>&1` too: a training that ended so is not complete."""
    code = f"from lib.cli import run_stage; run_stage(lambda: print('epoch\\n' * {lines}))"
    reads, writes = os.pipe()
    os.close(reads)
    stderr = writes if closed_stderr else subprocess.PIPE
    ended = subprocess.run([sys.executable, "-c", code], stdout=writes, stderr=stderr)
    os.close(writes)
    assert ended.returncode == 128 + signal.SIGPIPE
    if not closed_stderr:
        assert ended.stderr == b"\nstopped by SIGPIPE: run the same command again to continue\n"


def test_a_stage_works_without_stdout() -> None:
    code = "import sys; sys.stdout = None; from lib.cli import run_stage; run_stage(print)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
