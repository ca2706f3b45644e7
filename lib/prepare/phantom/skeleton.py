"""The bones: spine, ribs and shoulders."""

import numpy as np

from lib.prepare.phantom.anatomy import Thorax
from lib.prepare.phantom.film import LEFT, RIGHT, Film, Shape, band, box, ellipse, smooth

CLAVICLE = ((0.024, 0.246), (0.055, 0.236), (0.11, 0.212), (0.17, 0.188), (0.23, 0.168),
            (0.29, 0.163), (0.345, 0.172))  # fmt: skip
SCAPULA = ((0.385, 0.195), (0.33, 0.182), (0.27, 0.195), (0.262, 0.24), (0.272, 0.32), (0.3, 0.41),
           (0.316, 0.435), (0.33, 0.39), (0.345, 0.3), (0.372, 0.262))  # fmt: skip
N_RIBS, N_ANTERIOR_RIBS = 10, 8  # visible


def draw_skeleton(film: Film, thorax: Thorax, rng: np.random.Generator) -> None:
    """Draw the bones onto a film with the organs."""
    _spine(film, rng)
    _ribs(film, thorax, rng)
    _shoulders(film, thorax, rng)


def _spine(film: Film, rng: np.random.Generator) -> None:
    """Draw vertebrae with pedicles and spinous processes, larger from neck to loin."""
    film.soft += 13 * film.fill(band(np.array([[0.0, -0.2], [0.0, 1.2]]), 0.03), 0.009)
    pitch, y, shapes = 0.036, -0.1, []
    while y < 1.05:
        half = 0.024 + 0.012 * max(y, 0)
        body = box(0, y, half, 0.42 * pitch)
        shapes += [Shape(body, 5), Shape(body, 10, 0.002)]
        for x in (-0.62 * half, 0.62 * half):
            shapes.append(Shape(ellipse(x, y - 0.2 * pitch, 0.006, 0.008), 13, 0.002))
        shapes.append(Shape(ellipse(0, y + 0.4 * pitch, 0.0035, 0.009), 14))
        y += pitch
        pitch *= 1.03
    film.fine += film.draw(shapes, 0.0026) * np.float32(rng.uniform(0.4, 1.1))


def _ribs(film: Film, thorax: Thorax, rng: np.random.Generator) -> None:
    posterior, anterior = [], []
    spacing, half = rng.uniform(0.95, 1.08), rng.uniform(0.0075, 0.0095)
    for side in (RIGHT, LEFT):
        for rib in range(N_RIBS):
            behind, front = _rib_course(thorax, rib, side, spacing)
            posterior += _rib(behind, half * rng.uniform(0.9, 1.1), 14)
            if rib < N_ANTERIOR_RIBS:
                anterior += _rib(front, half * rng.uniform(1.0, 1.3), 10)
    visibility = np.float32(0.25) + np.float32(0.75) * film.lungs()
    film.fine += film.draw(posterior, 0.0012) * visibility * np.float32(rng.uniform(0.8, 1.4))
    film.fine += film.draw(anterior, 0.0016) * visibility * np.float32(rng.uniform(0.7, 1.4))
    film.fine += film.draw([Shape(wall[15:], 14, 0.012) for wall in thorax.walls.values()], 0.004)


def _rib_course(
    thorax: Thorax, rib: int, side: int, spacing: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the midline of a rib: from spine to side, and from side to the cartilage in front."""
    path = np.linspace(0, 1, 30)
    rise, run = np.sin(path * np.pi / 2), 1 - np.cos(path * np.pi / 2)
    start = 0.16 + 0.0555 * spacing * rib
    end = 0.185 + 0.02 * (rib > 0) + (0.066 * spacing + 0.1 * thorax.slant) * rib
    (_, y0), (_, y1) = thorax.place([(0, start), (0, end)])
    out = thorax.reach(y1, side) + 0.004
    behind = [0.03 + (out - 0.03) * rise, y0 + (y1 - y0) * (0.4 * path**1.5 + 0.6 * run)]
    fall = thorax.depth * (0.07 + 0.013 * rib)
    front = [out - (out - 0.05 - 0.014 * rib) * run**0.8, y1 + fall * rise**1.15]
    bony = 24 - rib  # points; the cartilage is invisible
    return np.transpose(behind) * [side, 1], np.transpose(front)[:bony] * [side, 1]


def _rib(centre: np.ndarray, half: float, level: int) -> list[Shape]:
    outline = band(centre, half)
    one_edge, other_edge = outline[: len(centre)], outline[len(centre) :]
    return [
        Shape(outline, level),
        Shape(one_edge, round(1.35 * level), 0.0018),
        Shape(other_edge, round(1.5 * level), 0.002),
    ]


def _shoulders(film: Film, thorax: Thorax, rng: np.random.Generator) -> None:
    lift = rng.uniform(-0.015, 0.03) - 0.01 * thorax.ap
    swing = rng.uniform(0.0, 0.03) if thorax.ap else rng.uniform(0.06, 0.12)
    scapulae, humeri, clavicles = [], [], []
    for side in (RIGHT, LEFT):
        shift = np.array([rng.normal(0, 0.006), lift + rng.normal(0, 0.006)])
        scale = np.array([side * thorax.build.width, 1])
        outward = [swing / 4 + rng.uniform(-0.01, 0.02), 0]
        scapulae += _scapula((np.array(SCAPULA) + shift + outward) * scale)
        humeri += _humerus(swing, shift, scale)
        clavicles += _clavicle((np.array(CLAVICLE) + shift * [0.3, 1]) * scale, rng)
    film.fine += film.draw(scapulae, 0.002)
    film.fine += film.draw(humeri, 0.002)
    film.fine += film.draw(clavicles, 0.0016)


def _scapula(corners: np.ndarray) -> list[Shape]:
    blade, lateral = smooth(corners, 80), smooth(corners[5:])
    ridge = smooth([(corners[3] + corners[4]) / 2, (corners[1] + corners[8]) / 2, corners[0]])
    return [
        Shape(blade, 8),
        Shape(blade, 14, 0.0025),
        Shape(lateral, 22, 0.006),
        Shape(ridge, 15, 0.008),
    ]


def _humerus(swing: float, shift: np.ndarray, scale: np.ndarray) -> list[Shape]:
    """Return head and shaft; the cortex is brighter than the marrow."""
    course = np.array([(0.413, 0.235), (0.43 + swing / 2, 0.5), (0.44 + 3 * swing, 1.2)]) + shift
    shaft, (x, y) = smooth(course * scale), course[0] * scale
    outer = [Shape(band(shaft, 0.0195), 24), Shape(ellipse(x, y, 0.034, 0.038), 24)]
    inner = [Shape(band(shaft, 0.014), 16), Shape(ellipse(x, y, 0.031, 0.035), 18)]
    return outer + inner


def _clavicle(course: np.ndarray, rng: np.random.Generator) -> list[Shape]:
    slope = np.linspace(0, rng.normal(0, 0.012), len(course))[:, None]
    centre = smooth(course + slope * [0, 1])
    along = np.linspace(-1, 1, len(centre))
    collar = band(centre, (0.0105 + 0.0035 * along**2) * (1 - along**8) ** 0.5)
    return [Shape(collar, 14), Shape(collar, 20, 0.003)]
