"""The pneumothorax: air between chest wall and lung, without markings, behind a pleural line."""

from dataclasses import dataclass

import cv2
import numpy as np

from lib.prepare.phantom.anatomy import Thorax
from lib.prepare.phantom.film import LEFT, RIGHT, Film, Shape, blurred, depth_inside

# Sites as bearings from the hilum in radians (0 is lateral, half pi the apex), and their frequency.
SITES = ((1.1, 1.6), (0.1, 0.9), (-0.9, -0.4))
SITE_PROBABILITIES = (0.62, 0.28, 0.1)
MAX_LUNG_FRACTION = 0.8


@dataclass(frozen=True)
class Lesion:
    """Size and annotations of a pneumothorax."""

    area: float  # fraction of the frame
    annotations: int = 1
    overlapping: bool = False  # of the annotations


def draw_pneumothorax(
    film: Film, thorax: Thorax, lesion: Lesion, rng: np.random.Generator
) -> list[np.ndarray]:
    """Draw a pneumothorax into a chest.

    The pixels of a lung are sorted in the order in which air would fill them; the first ones, up to
    the area, become the pneumothorax.

    Args:
        film: with organs and bones.
        thorax: its curves.
        lesion: the pneumothorax; it gets at most four fifths of the lung.
        rng: for side, site and look.

    Returns:
        Its annotations, (size, size) bool each; together they cover it.
    """
    side = RIGHT if rng.random() < 0.55 else LEFT
    lung = film.enlarge(film.air[side]) > 0.5
    depth, bearing = _depth_and_bearing(film, thorax, side)
    order = np.where(lung, (depth + 0.006) / _looseness(bearing, lesion, rng), np.inf)
    pixels = max(1, round(min(lesion.area * lung.size, MAX_LUNG_FRACTION * lung.sum())))
    region = order <= np.partition(order, pixels - 1, axis=None)[pixels - 1]
    _draw_air(film, region, lung, rng)
    _draw_pleura(film, region, lung, rng)
    return _cut_annotations(region, bearing, lesion)


def _depth_and_bearing(film: Film, thorax: Thorax, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the depth of each pixel, 0 at the wall to 1 at the hilum, and its bearing from it."""
    wall = film.draw([Shape(thorax.walls[side], 255, 1 / film.size)], 0)
    to_wall = depth_inside(wall < 128)
    ((x0, y0),) = film.pixels(thorax.place([(0.07, 0.47)], side))
    rows, columns = np.indices(wall.shape, np.float32)
    x, y = side * (columns - x0) / film.size, (y0 - rows) / film.size
    depth = to_wall / (to_wall + np.hypot(x, y) + 0.001)
    # The distance has a crease halfway between two walls; a pleura has none.
    return cv2.blur(depth, (film.size // 40, film.size // 40)), np.arctan2(y, x)


def _looseness(bearing: np.ndarray, lesion: Lesion, rng: np.random.Generator) -> np.ndarray:
    """Return how easily the lung leaves the wall at each bearing; everywhere for a large lesion."""
    loose = np.full_like(bearing, 0.001)
    for _ in range(2 if lesion.annotations > 1 and not lesion.overlapping else 1):
        centre = rng.uniform(*rng.choice(SITES, p=SITE_PROBABILITIES))
        spread = rng.uniform(0.35, 0.6) + 6 * lesion.area
        loose += np.exp(-(((bearing - centre) / spread) ** 2))
    return loose * (1 + 0.1 * np.sin(rng.uniform(3, 6) * bearing + rng.uniform(0, 6)))


def _draw_air(film: Film, region: np.ndarray, lung: np.ndarray, rng: np.random.Generator) -> None:
    """Darken the region, more for a larger one, and erase its markings; the lung gets denser."""
    collapse = region.sum() / lung.sum()
    inside = blurred(region.astype(np.float32), 0.0015)
    film.fine -= inside * np.float32(rng.uniform(14, 26) + 20 * min(1.0, 3 * collapse))
    film.markings *= 1 - inside
    film.fine += (lung & ~region) * np.float32(40 * collapse)


def _draw_pleura(
    film: Film, region: np.ndarray, lung: np.ndarray, rng: np.random.Generator
) -> None:
    """Draw the thin bright line between the region and the lung."""
    mask = region.astype(np.uint8)
    edges, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    line = np.zeros_like(mask)
    width = max(1, round(0.0022 * film.size))
    cv2.drawContours(line, edges, -1, round(rng.uniform(22, 50)), width)
    line[depth_inside(lung) < 0.008] = 0
    film.fine += blurred(line, max(0.3 / film.size, 0.0009))


def _cut_annotations(region: np.ndarray, bearing: np.ndarray, lesion: Lesion) -> list[np.ndarray]:
    """Cut the region along bearings into one piece for each row of the label file."""
    cuts = np.quantile(bearing[region], np.linspace(0, 1, lesion.annotations + 1))
    margin = 0.15 * (cuts[-1] - cuts[0]) / lesion.annotations if lesion.overlapping else 0.0
    cuts[[0, -1]] += [-1, 1]
    ranges = zip(cuts[:-1] - margin, cuts[1:] + margin, strict=True)
    pieces = [region & (bearing >= low) & (bearing < high) for low, high in ranges]
    return [piece for piece in pieces if piece.any()]
