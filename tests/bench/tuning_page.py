"""The tuning page of stage 04 with the images of the competition: its size, and the time of a move.

A move is measured in headless chromium, from the start of the frame that shows the rule to its end:
scores, tables, plots, layout and painting, without the wait for the screen. The list of images that
change side follows when the rule has rested, and is measured by itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from lib.decision.histograms import OofSample
from lib.decision.tuning import RuleFitter, tune
from lib.tuning_page import page
from tests import browser
from tests.bench.decide import IMAGES, SIZE, measure_histograms
from tests.bench.harness import Row, parse_args, print_table, time_cpu

MOVES = 60  # of each kind
MEASURE = """
const timeFrame = (change) => new Promise((resolve) => {
  let start;
  requestAnimationFrame(() => { start = performance.now(); });
  change(); // requests a frame, which is this one
  requestAnimationFrame(() => {
    const channel = new MessageChannel(); // its message comes after layout and painting
    channel.port1.onmessage = () => resolve(performance.now() - start);
    channel.port2.postMessage(0);
  });
});
const opened = performance.now();
const times = {};
for (const [kind, moves] of Object.entries({
  threshold: (k) => ({ top: 130 + (k * 7) %% 100 }),
  area: (k) => ({ minArea: areas[20 + (k * 11) %% (areas.length - 40)] }),
  bottom: (k) => ({ bottom: 20 + (k * 7) %% 100, top: 150 }),
})) {
  times[kind] = [];
  for (let k = 0; k < %d; k++) times[kind].push(await timeFrame(() => setRule(moves(k))));
}
times.list = [];
for (let k = 0; k < 20; k++) {
  const list = () => listChanged(changedImages(counts, masks));
  times.list.push(await timeFrame(() => requestAnimationFrame(list)));
}
return { opened, times };
"""


def measure(count: int = IMAGES) -> Iterator[Row]:
    """Measure every figure; the targets hold for all 12,047 images."""
    drawn, _, _ = measure_histograms(count)
    yield from measure_page(with_long_ids(drawn))


def with_long_ids(sample: OofSample) -> OofSample:
    """Return the sample with ImageIds like those of the competition."""
    numbers = np.random.default_rng(0).integers(10**9, 10**10, len(sample))
    ids = [f"1.2.276.0.7230010.3.1.4.8323329.{n % 9999}.15178{n}.{n % 10**6}" for n in numbers]
    return replace(sample, histograms=replace(sample.histograms, ids=np.array(ids)))


def measure_page(sample: OofSample) -> Iterator[Row]:
    """Measure the page of a sample."""
    tuned = tune(sample, RuleFitter())
    with TemporaryDirectory() as folder:
        path = Path(folder) / page.TUNING_FILE
        seconds, _ = time_cpu(
            page.write, path, sample, tuned, "triplet", "python 04_ensemble.py", SIZE
        )
        yield Row("page", f"{path.stat().st_size / 1e6:.1f} MB", "at most 15 MB")
        yield Row("writing it", f"{seconds:.1f} s", "")
        if not browser.CHROMIUM:
            yield Row("in chromium", f"not measured: {browser.NO_CHROMIUM}", "")
            return
        answer = browser.run_script(path, MEASURE % MOVES)
    yield Row("opening it", f"{answer['opened'] / 1000:.1f} s", "")
    for kind, label in (
        ("threshold", "a move of top"),
        ("area", "a move of the minimum area"),
        ("bottom", "a move of bottom, with the surface"),
        ("list", "the list of images, once the rule rests"),
    ):
        median, slow = np.quantile(answer["times"][kind], [0.5, 0.9])
        value = f"{median:.0f} ms (nine of ten within {slow:.0f} ms)"
        yield Row(label, value, "" if kind == "list" else "at most 50 ms")


def main(argv: Sequence[str]) -> None:
    print_table(measure(parse_args(argv, __doc__, images=IMAGES).images))
