"""Devices on a radiograph: wires, lines, tubes, implants."""

import numpy as np

from lib.prepare.phantom.anatomy import Thorax
from lib.prepare.phantom.film import LEFT, RIGHT, Film, Shape, box, ellipse, smooth


def draw_devices(film: Film, thorax: Thorax, drained: bool, rng: np.random.Generator) -> None:
    """Draw devices: many in a portable image, few in others.

    Args:
        film: with the chest drawn.
        thorax: its curves.
        drained: True: a chest tube is likely.
        rng: for the choice of devices and their places.
    """
    probabilities = (
        (_electrodes, 0.55, 0.05),
        (_central_line, 0.4, 0.06),
        (_tracheal_tube, 0.25, 0.0),
        (_chest_tube, 0.4 if drained else 0.05, 0.15 if drained else 0.01),
        (_pacemaker, 0.04, 0.02),
        (_sternal_wires, 0.05, 0.02),
        (_port, 0.06, 0.05),
    )
    for draw, in_bed, standing in probabilities:
        if rng.random() < (in_bed if thorax.ap else standing):
            film.fine += film.draw(draw(thorax, rng), 0.0008)


def _electrodes(thorax: Thorax, rng: np.random.Generator) -> list[Shape]:
    shapes = []
    for _ in range(rng.integers(2, 5)):
        x, y = start = rng.choice([-1, 1]) * rng.uniform(0.12, 0.34), rng.uniform(0.2, 0.75)
        steps = np.cumsum(rng.normal([0.03 * np.sign(x), 0.08], [0.05, 0.05], (5, 2)), 0)
        wire = smooth(np.concatenate([[start], start + steps]))
        shapes += [Shape(wire, 38, 0.0024), Shape(ellipse(x, y, 0.01, 0.01), 45, 0.005)]
    return shapes


def _central_line(thorax: Thorax, rng: np.random.Generator) -> list[Shape]:
    side = rng.choice([RIGHT, LEFT])
    under_clavicle, neck = ((0.22, 0.14), (0.15, 0.19)), ((0.07, -0.05), (0.06, 0.1))
    entry = np.array(under_clavicle if rng.random() < 0.5 else neck) * [side, 1]
    tip = rng.uniform(0.42, 0.52)
    course = [*entry, (side * 0.05, 0.24), (-0.03, 0.3), (-0.048, 0.37), (-0.05, tip)]
    return [Shape(smooth(thorax.place(course)), 30, 0.0035)]


def _tracheal_tube(thorax: Thorax, rng: np.random.Generator) -> list[Shape]:
    tube = smooth([(0.01, -0.2), (0.002, 0.1), (-0.004, rng.uniform(0.24, 0.31))])
    walls = [Shape(tube + [offset, 0], 28, 0.0018) for offset in (-0.006, 0.006)]
    return [*walls, Shape(tube + [0.004, 0], 45, 0.0015)]


def _chest_tube(thorax: Thorax, rng: np.random.Generator) -> list[Shape]:
    side = rng.choice([RIGHT, LEFT])
    low = rng.uniform(0.55, 0.72)
    course = [(0.42, low + 0.06), (0.33, low), (0.27, low - 0.14), (0.2, 0.32), (0.15, 0.24)]
    tube = smooth(thorax.place(course, side))
    walls = [Shape(tube + [offset, 0], 20, 0.0018) for offset in (-0.007, 0.007)]
    return [*walls, Shape(tube, 42, 0.0025)]


def _pacemaker(thorax: Thorax, rng: np.random.Generator) -> list[Shape]:
    course = [(0.27, 0.26), (0.2, 0.2), (0.08, 0.22), (-0.03, 0.29), (-0.05, 0.45), (0.03, 0.62)]
    lead = thorax.place(course)
    x, y = lead[0]
    case = box(x, y, 0.04, 0.033)
    return [Shape(smooth(lead), 50, 0.003), Shape(case, 130), Shape(case, 160, 0.004)]


def _sternal_wires(thorax: Thorax, rng: np.random.Generator) -> list[Shape]:
    heights = np.arange(0.3, 0.62, 0.06) + rng.normal(0, 0.004, 6)
    loops = [ellipse(rng.normal(0, 0.004), y, 0.014, rng.uniform(0.004, 0.01)) for y in heights]
    return [Shape(loop[rng.integers(0, 8) :], 45, 0.0022) for loop in loops]


def _port(thorax: Thorax, rng: np.random.Generator) -> list[Shape]:
    line = thorax.place([(-0.22, 0.3), (-0.17, 0.22), (-0.1, 0.19), (-0.05, 0.24), (-0.048, 0.42)])
    x, y = line[0]
    rings = [Shape(ellipse(x, y, r, r), level, 0.005) for r, level in ((0.022, 45), (0.012, 60))]
    return [Shape(smooth(line), 32, 0.0035), *rings]
