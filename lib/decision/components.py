"""The connected components of masks: all that component areas and hole filling need of a map.

What is removed first and filled then can still be summed over components. A component that lies in
a hole of another is covered once that one is kept and filled; so it counts, with its own holes,
while it is kept itself and all that enclose it are gone: for `component_min_area` above the largest
of those and up to its own area. Every component is one such span, and any area is answered from
the spans alone, without the maps.

Reference:
    Rosenfeld, Adjacency in digital pictures, 1974: with 8-connected components and 4-connected
    holes, what encloses what is a tree.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from lib import images, rle
from lib.layout import map_file
from lib.parallel import map_in_processes

AREA, INSIDE, FILLED, FILLED_INSIDE, ENCLOSING = range(5)
Job = tuple[Path, str, Sequence[int]]  # a map, the code of its truth, levels


@dataclass(frozen=True)
class ComponentIntervals:
    """What masks consist of, over `component_min_area`.

    Attributes:
        image: (K,) the image that each span belongs to, by number.
        after, upto: (K,) it counts for areas above the one and not above the other.
        pixels, inside: (K,) how many pixels it adds to |P| and to |P and T|.
    """

    image: np.ndarray
    after: np.ndarray
    upto: np.ndarray
    pixels: np.ndarray
    inside: np.ndarray

    def areas(self, min_area: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """|P| and |P and T| of `count` images at one minimum area, each (count,) in pixels."""
        least = max(min_area, 1)
        there = (self.after < least) & (least <= self.upto)
        sums = [
            np.bincount(self.image[there], weights[there], count).astype(np.int64)
            for weights in (self.pixels, self.inside)
        ]
        return sums[0], sums[1]


class ComponentCache:
    """The components of an ensemble's out-of-fold masks, labelled once a level and kept.

    24 bytes a component are kept, of the images and levels that were asked for.
    """

    def __init__(self, folder: Path, truth: Mapping[str, str], ids: Iterable[str]) -> None:
        """Look at nothing yet.

        Args:
            folder: of the ensemble.
            truth: the code of each image.
            ids: all images that may be asked for.
        """
        self.folder, self.truth = folder, truth
        self.numbers = {name: number for number, name in enumerate(ids)}
        self.rows: dict[int, np.ndarray] = {}  # by level: the image's number, and what it has
        self.done: dict[int, np.ndarray] = {}  # by level: (N,) whether it was looked at

    def label(self, wanted: Mapping[int, Iterable[str]]) -> None:
        """Look at those masks that were not yet looked at, each map once for all levels.

        Args:
            wanted: the images by level.
        """
        lacking: dict[str, list[int]] = {}
        for level, names in wanted.items():
            done = self.done.setdefault(level, np.zeros(len(self.numbers), bool))
            for name in names:
                if not done[self.numbers[name]]:
                    lacking.setdefault(name, []).append(level)
        jobs = [
            (self.folder / map_file("oof", name), self.truth[name], levels)
            for name, levels in lacking.items()
        ]
        found: dict[int, list[np.ndarray]] = {level: [] for level in wanted}
        described = map_in_processes(_describe_levels, jobs, "components")
        for (name, levels), tables in zip(lacking.items(), described, strict=True):
            for level, table in zip(levels, tables, strict=True):
                self.done[level][self.numbers[name]] = True
                found[level].append(np.insert(table, 0, self.numbers[name], axis=1))
        for level, tables in found.items():
            known = self.rows.get(level, np.empty((0, 6), np.int32))
            self.rows[level] = np.concatenate([known, *tables])

    def spans(self, level: int, names: np.ndarray, fill_holes: bool) -> ComponentIntervals:
        """The spans of the masks above a level; `image` is the place in `names`.

        Args:
            names: (n,) the images.
            fill_holes: whether holes are filled after components are removed.
        """
        self.label({level: names})
        places = np.full(len(self.numbers), -1)
        places[[self.numbers[name] for name in names]] = np.arange(len(names))
        rows = self.rows[level]
        location = places[rows[:, 0]]
        location, rows = location[location >= 0], rows[location >= 0, 1:]
        return to_spans(location, rows, fill_holes)


def to_spans(image: np.ndarray, rows: np.ndarray, fill_holes: bool) -> ComponentIntervals:
    """Components as spans.

    Args:
        image: (K,) the image of each.
        rows: (K, 5) as `describe` returns them.
        fill_holes: whether holes are filled after components are removed.
    """
    if not fill_holes:
        nothing = np.zeros(len(rows), rows.dtype)
        return ComponentIntervals(image, nothing, rows[:, AREA], rows[:, AREA], rows[:, INSIDE])
    seen = rows[:, ENCLOSING] < rows[:, AREA]  # the others go before what encloses them
    columns = (rows[seen, c] for c in (ENCLOSING, AREA, FILLED, FILLED_INSIDE))
    return ComponentIntervals(image[seen], *columns)


def describe(mask: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Measure each 8-connected component of a mask.

    Args:
        mask, truth: (height, width) bool.

    Returns:
        (K, 5) int32: its pixels, those of them in the truth, both with all that it encloses, and
        the area of the largest component that encloses it, 0 for none.
    """
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    box = np.s_[y : y + height, x : x + width]
    mask, truth = np.pad(mask[box], 1), np.pad(truth[box], 1)
    labels, boxes = _label(mask, connectivity=8)
    holes, hole_boxes = _label(~mask, connectivity=4)
    if len(hole_boxes) == 1:  # the outside
        area, inside = boxes[:, cv2.CC_STAT_AREA], _count(labels[mask & truth], len(boxes))
        columns = [area, inside, area, inside, np.zeros(len(boxes))]
    else:  # the components first, then the holes
        regions = np.where(mask, labels, holes + len(boxes))
        inside = _count(regions[truth], len(boxes) + len(hole_boxes))
        columns = _nested(regions, np.concatenate([boxes, hole_boxes]), inside, len(boxes))
    return np.stack(columns, axis=1)[: len(boxes)].astype(np.int32)


def _label(mask: np.ndarray, connectivity: int) -> tuple[np.ndarray, np.ndarray]:
    """Number the components from 0, and get OpenCV's box and area of each; -1 is elsewhere."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(
        mask.view(np.uint8), connectivity=connectivity
    )
    return labels - 1, stats[1:]


def _count(regions: np.ndarray, count: int) -> np.ndarray:
    return np.bincount(regions, minlength=count)


def _nested(
    regions: np.ndarray, boxes: np.ndarray, inside: np.ndarray, components: int
) -> list[np.ndarray]:
    """The columns of `describe`, for components and holes alike.

    Args:
        regions: (height, width) the number of the component or hole that each pixel is in.
        boxes: (R, 5) OpenCV's box and area of each.
        inside: (R,) how many of its pixels are in the truth.
        components: how many regions are components; they come first.
    """
    area, parents = boxes[:, cv2.CC_STAT_AREA], _parents(regions, boxes)
    filled, filled_inside = area.copy(), inside.copy()
    enclosing = np.zeros_like(area)
    downwards = [r for r in np.argsort(boxes[:, cv2.CC_STAT_TOP]) if parents[r] >= 0]
    for region in reversed(downwards):  # what is enclosed begins further down
        filled[parents[region]] += filled[region]
        filled_inside[parents[region]] += filled_inside[region]
    for region in downwards:
        parent = parents[region]
        own = area[parent] if parent < components else 0
        enclosing[region] = max(enclosing[parent], own)
    return [area, inside, filled, filled_inside, enclosing]


def _parents(regions: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """What encloses each region: it lies above the first pixel of its top row; -1: nothing.

    The pixel above belongs to another region, and is outside of all that this one encloses.
    """
    parents = np.full(len(boxes), -1)
    for region, (left, top, width, _, _) in enumerate(boxes):
        if top > 0:  # the outside alone reaches the top of the padded frame
            first = left + np.argmax(regions[top, left : left + width] == region)
            parents[region] = regions[top - 1, first]
    return parents


def _describe_levels(job: Job) -> list[np.ndarray]:
    path, code, levels = job
    values = images.read_png(path)
    truth = np.zeros(values.shape, bool) if code == rle.EMPTY else rle.decode(code, *values.shape)
    return [describe(values > level, truth) for level in levels]
