"""Peak memory of stages 04 and 05 grows neither with the images nor with the members.

Test and out-of-fold images add about 2 KB each. Stage 03 is left to `python -m tests.bench memory`:
beside the memory of torch, small maps would not show.
"""

from pathlib import Path

import pytest

from tests.bench.memory import make_work, measure_peak

SIZE = 256


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from Linux")
@pytest.mark.parametrize(("weights", "members"), [("equal", 1), ("search", 2)])
def test_five_times_the_images_and_more_members_take_no_more_memory(
    tmp_path: Path, weights: str, members: int
) -> None:
    peaks = []
    for name, images, runs in (("few", 100, 1), ("many", 500, members)):
        work = make_work(tmp_path / name, images, runs, SIZE)
        names = [str(member) for member in range(runs)]
        flags = ["--members", *names, "--name", "x", "--weights", weights]
        peaks.append([measure_peak(work, "04_ensemble.py", *flags)])
        if weights == "equal":
            peaks[-1].append(measure_peak(work, "05_submit.py", "--decision", "x-triplet"))
    for few, many in zip(*peaks, strict=True):
        assert many < 1.1 * few, peaks
