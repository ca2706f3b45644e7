"""Memory of stages 04 and 05 grows neither with images, 2 KB each apart, nor with members.

Stage 03's base, torch, hides what small maps would weigh: `python -m tests.bench memory` has it.
"""

from pathlib import Path

import pytest

from tests.bench.memory import make_work, peak

SIZE = 256


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells a peak")
@pytest.mark.parametrize(("search", "members"), [("equal", 1), ("search", 2)])
def test_five_times_the_images_and_more_members_take_no_more_memory(
    tmp_path: Path, search: str, members: int
) -> None:
    peaks = []
    for name, images, runs in (("few", 100, 1), ("many", 500, members)):
        work = make_work(tmp_path / name, images, runs, SIZE)
        listed = [str(member) for member in range(runs)]
        flags = ["--members", *listed, "--name", "x", "--weights", search]
        peaks.append([peak(work, "04_ensemble.py", *flags)])
        if search == "equal":
            peaks[-1].append(peak(work, "05_submit.py", "--decision", "x-triplet"))
    for few, many in zip(*peaks, strict=True):
        assert many < 1.1 * few, peaks
