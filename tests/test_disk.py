"""The need of disk space: estimated from the first files, printed, and refused if it cannot fit."""

from pathlib import Path

import pytest

from lib import disk
from lib.errors import InputError

KB = 1000


def written(folder: Path, n_files: int) -> list[list[Path]]:
    """Files of 100 KB, one for each result."""
    paths = [folder / "fold0.partial/oof" / f"{number}.png" for number in range(n_files)]
    paths[0].parent.mkdir(parents=True)
    for path in paths:
        path.write_bytes(bytes(100 * KB))
    return [[path] for path in paths]


def test_the_first_files_tell_the_need_of_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """100 results remain, 32 of them are written: 68 of 100 KB are to come."""
    files = written(tmp_path, 40)
    assert list(disk.report_need_early(range(40), files, n_remaining=100)) == [*range(40)]
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{tmp_path}/fold0.partial needs about 7 MB more; ")


def test_what_exists_already_needs_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    list(disk.report_need_early(range(40), written(tmp_path, 40), n_remaining=8))
    assert "needs about 0 MB more" in capsys.readouterr().out


def test_a_need_that_cannot_fit_ends_after_the_first_files(tmp_path: Path) -> None:
    files = written(tmp_path, 40)
    results = disk.report_need_early(iter(range(40)), files, n_remaining=10**12)
    passed = []
    with pytest.raises(InputError, match=r"fold0.partial needs about .* MB are free: "):
        passed.extend(results)
    assert len(passed) < 40


def test_files_in_several_folders_are_counted_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [tmp_path / size / "images/a.png" for size in ("256.partial", "512.partial")]
    for path in paths:
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(1000 * KB))
    list(disk.report_need_early(range(16), [paths] * 16, n_remaining=17))
    assert f"{tmp_path} needs about 2 MB more" in capsys.readouterr().out
