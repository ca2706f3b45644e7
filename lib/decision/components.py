"""Connected components of masks, kept so that any component area is scored without the maps.

Components are removed first, then holes are filled; the result is still a sum over components. A
component in a hole of another one counts on its own, with its own holes, only while it is kept and
every component around it is removed: for `component_min_area` above the largest of those and up to
its own area. Every component is one such interval. scikit-image has no measure of this nesting.

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
LabelJob = tuple[Path, str, Sequence[int]]  # a map, the RLE of its truth, levels


@dataclass(frozen=True)
class ComponentIntervals:
    """Components of masks, each with the interval of `component_min_area` in which it counts.

    Attributes:
        image: (K,) number of the image.
        after, upto: (K,) a component counts for minimum areas above `after`, up to `upto`.
        pixels, inside: (K,) pixels that it adds to |P| and to |P and T|.
    """

    image: np.ndarray
    after: np.ndarray
    upto: np.ndarray
    pixels: np.ndarray
    inside: np.ndarray

    def areas(self, min_area: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return |P| and |P and T| of `count` images at a minimum area, each (count,) in pixels."""
        min_area = max(min_area, 1)
        kept = (self.after < min_area) & (min_area <= self.upto)
        predicted, overlap = (
            np.bincount(self.image[kept], pixels[kept], count).astype(np.int64)
            for pixels in (self.pixels, self.inside)
        )
        return predicted, overlap


class ComponentCache:
    """Components of the out-of-fold masks of an ensemble, each mask labelled once and kept.

    It holds 20 bytes a component, of the images and levels that were asked for.
    """

    def __init__(self, folder: Path, truth: Mapping[str, str]) -> None:
        """Start empty; no map is read.

        Args:
            folder: of the ensemble.
            truth: RLE of each image.
        """
        self.folder, self.truth = folder, truth
        self.rows: dict[tuple[int, str], np.ndarray] = {}  # by level and image, as `describe`

    def label(self, ids_by_level: Mapping[int, Iterable[str]]) -> None:
        """Label the masks that are not labelled yet; each map is read once for all levels."""
        missing: dict[str, list[int]] = {}
        for level, ids in ids_by_level.items():
            for image_id in ids:
                if (level, image_id) not in self.rows:
                    missing.setdefault(image_id, []).append(level)
        jobs = [
            (self.folder / map_file("oof", image_id), self.truth[image_id], levels)
            for image_id, levels in missing.items()
        ]
        tables_of_images = map_in_processes(_describe_levels, jobs, "components")
        for (image_id, levels), tables in zip(missing.items(), tables_of_images, strict=True):
            for level, table in zip(levels, tables, strict=True):
                self.rows[level, image_id] = table

    def intervals(self, level: int, ids: np.ndarray, fill_holes: bool) -> ComponentIntervals:
        """Return the components of the masks above a level; `image` is the index in `ids`.

        Args:
            level: 8-bit threshold of the masks.
            ids: (n,) images.
            fill_holes: True if holes are filled after components are removed.
        """
        self.label({level: ids})
        tables = [self.rows[level, image_id] for image_id in ids]
        image = np.repeat(np.arange(len(ids)), [len(table) for table in tables])
        rows = np.concatenate([np.empty((0, 5), np.int32), *tables])
        return to_intervals(image, rows, fill_holes)


def to_intervals(image: np.ndarray, rows: np.ndarray, fill_holes: bool) -> ComponentIntervals:
    """Turn measured components into intervals of the minimum area.

    Args:
        image: (K,) image number of each component.
        rows: (K, 5) as `describe` returns them.
        fill_holes: True if holes are filled after components are removed.
    """
    if not fill_holes:
        zeros = np.zeros(len(rows), rows.dtype)
        return ComponentIntervals(image, zeros, rows[:, AREA], rows[:, AREA], rows[:, INSIDE])
    used = rows[:, ENCLOSING] < rows[:, AREA]  # the others are removed first
    columns = (rows[used, c] for c in (ENCLOSING, AREA, FILLED, FILLED_INSIDE))
    return ComponentIntervals(image[used], *columns)


def describe(mask: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Measure each 8-connected component of a mask.

    Args:
        mask, truth: (height, width) bool.

    Returns:
        (K, 5) int32 for each component: its pixels; those in the truth; both with all that it
        encloses; and the area of the largest component around it, 0 for none.
    """
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    box = np.s_[y : y + height, x : x + width]
    mask, truth = np.pad(mask[box], 1), np.pad(truth[box], 1)
    labels, boxes = _label(mask, connectivity=8)
    holes, hole_boxes = _label(~mask, connectivity=4)
    if len(hole_boxes) == 1:  # the outside
        area = boxes[:, cv2.CC_STAT_AREA]
        inside = np.bincount(labels[mask & truth], minlength=len(boxes))
        columns = [area, inside, area, inside, np.zeros(len(boxes))]
    else:  # the components first, then the holes
        regions = np.where(mask, labels, holes + len(boxes))
        inside = np.bincount(regions[truth], minlength=len(boxes) + len(hole_boxes))
        columns = _nested(regions, np.concatenate([boxes, hole_boxes]), inside, len(boxes))
    return np.stack(columns, axis=1)[: len(boxes)].astype(np.int32)


def _label(mask: np.ndarray, connectivity: int) -> tuple[np.ndarray, np.ndarray]:
    """Number the components from 0 (-1 elsewhere), with OpenCV's box and area of each."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(
        mask.view(np.uint8), connectivity=connectivity
    )
    return labels - 1, stats[1:]


def _nested(
    regions: np.ndarray, boxes: np.ndarray, inside: np.ndarray, components: int
) -> list[np.ndarray]:
    """Return the columns of `describe`, for components and holes together.

    Args:
        regions: (height, width) number of the component or hole of each pixel.
        boxes: (R, 5) OpenCV's box and area of each region.
        inside: (R,) number of its pixels in the truth.
        components: number of regions that are components; they come first.
    """
    area, parents = boxes[:, cv2.CC_STAT_AREA], _parents(regions, boxes)
    filled, filled_inside = area.copy(), inside.copy()
    enclosing = np.zeros_like(area)
    downwards = [r for r in np.argsort(boxes[:, cv2.CC_STAT_TOP]) if parents[r] >= 0]
    for region in reversed(downwards):  # an enclosed region begins further down
        filled[parents[region]] += filled[region]
        filled_inside[parents[region]] += filled_inside[region]
    for region in downwards:
        parent = parents[region]
        parent_area = area[parent] if parent < components else 0
        enclosing[region] = max(enclosing[parent], parent_area)
    return [area, inside, filled, filled_inside, enclosing]


def _parents(regions: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return the region around each region; -1 for none.

    The pixel above the first pixel of a region's top row belongs to the region around it.
    """
    parents = np.full(len(boxes), -1)
    for region, (left, top, width, _, _) in enumerate(boxes):
        if top > 0:  # only the outside reaches the top of the padded frame
            first = left + np.argmax(regions[top, left : left + width] == region)
            parents[region] = regions[top - 1, first]
    return parents


def _describe_levels(job: LabelJob) -> list[np.ndarray]:
    path, code, levels = job
    values = images.read_png(path)
    truth = np.zeros(values.shape, bool) if code == rle.EMPTY else rle.decode(code, *values.shape)
    return [describe(values > level, truth) for level in levels]
