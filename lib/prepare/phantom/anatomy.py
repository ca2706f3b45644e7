"""The soft organs of a chest, and the vessels of the lungs."""

from dataclasses import dataclass

import numpy as np

from lib.prepare.phantom.film import (
    LEFT,
    RIGHT,
    Film,
    Points,
    Shape,
    band,
    blurred,
    depth_inside,
    ellipse,
    smooth,
)

# Outlines of an average chest: (x, y); of the left side if both sides are alike.
BODY = ((0.08, -0.15), (0.085, -0.02), (0.105, 0.05), (0.16, 0.098), (0.25, 0.13), (0.34, 0.155),
        (0.41, 0.19), (0.45, 0.26), (0.445, 0.36), (0.405, 0.46), (0.375, 0.6), (0.37, 0.75),
        (0.375, 0.9), (0.38, 1.2))  # fmt: skip
WALL = ((0.035, 0.255), (0.045, 0.205), (0.075, 0.165), (0.12, 0.15), (0.17, 0.163), (0.22, 0.21),
        (0.262, 0.29), (0.29, 0.39), (0.308, 0.49), (0.318, 0.59), (0.324, 0.69), (0.322, 0.785),
        (0.3, 0.87))  # fmt: skip
RIGHT_BORDER = ((-0.03, -0.3), (-0.036, 0.1), (-0.042, 0.17), (-0.052, 0.26), (-0.058, 0.36),
                (-0.06, 0.43), (-0.082, 0.51), (-0.095, 0.6), (-0.085, 0.68), (-0.06, 0.76),
                (-0.03, 0.81))  # fmt: skip
LEFT_BORDER = ((0.03, -0.3), (0.036, 0.1), (0.042, 0.2), (0.05, 0.27), (0.07, 0.305), (0.074, 0.34),
               (0.062, 0.375), (0.066, 0.405), (0.084, 0.44), (0.095, 0.5), (0.13, 0.58),
               (0.165, 0.655), (0.176, 0.71), (0.15, 0.78), (0.1, 0.81))  # fmt: skip
DOME = ((0.34, 0.86), (0.326, 0.79), (0.29, 0.728), (0.23, 0.69), (0.16, 0.675), (0.09, 0.69),
        (0.0, 0.74))  # fmt: skip


@dataclass(frozen=True)
class Build:
    """Body of a patient, the same in all their images; 1 is average."""

    female: bool
    width: float
    depth: float  # of the lungs, from apex to diaphragm
    heart: float
    fat: float  # over the ribs, fraction of the frame


def draw_build(sex: str, age: int, rng: np.random.Generator) -> Build:
    """Draw the build of a patient: women are narrower, old hearts larger."""
    return Build(
        female=sex == "F",
        width=rng.uniform(0.9, 1.06) - 0.04 * (sex == "F"),
        depth=rng.normal(1.0, 0.05),
        heart=rng.uniform(0.82, 1.12) + np.clip(age - 50, 0, 40) / 250,
        fat=rng.gamma(2.0, 0.016),
    )


class Thorax:
    """Curves common to all organs; they differ a little from image to image."""

    def __init__(self, build: Build, ap: bool, rng: np.random.Generator) -> None:
        """Draw the thorax of a patient.

        Args:
            build: the patient.
            ap: True: in bed, with a portable machine: high diaphragm, large heart; False: PA,
                standing.
            rng: for breath and posture.
        """
        self.build, self.ap = build, ap
        self.depth = build.depth * (rng.uniform(0.8, 0.97) if ap else rng.uniform(0.96, 1.08))
        self.heart = build.heart * (rng.uniform(1.1, 1.3) if ap else 1.0)
        self.base = {RIGHT: rng.uniform(-0.012, 0.006), LEFT: rng.uniform(0.008, 0.03)}
        self.arch = rng.uniform(0.55, 1.1)  # of the diaphragm
        self.slant = rng.uniform(0, 0.05)  # of the lower ribs
        self.turn = rng.normal(0, 0.035 if ap else 0.015)  # to the side that looks wider
        self.cone = rng.normal(0, 0.12)  # wider below than above
        self.walls = {side: smooth(self.place(WALL, side), 80) for side in (RIGHT, LEFT)}

    def place(self, points: Points, side: int = 1) -> np.ndarray:
        """Fit an average outline to this thorax, mirrored for the right side."""
        x, y = np.asarray(points, float).T
        x = side * x * self.build.width * (1 + self.cone * (y - 0.5))
        return np.stack([x * (1 + self.turn * np.sign(x)), 0.15 + (y - 0.15) * self.depth], 1)

    def reach(self, y: float, side: int) -> float:
        """Return the distance of the inner chest wall from the midline at a height."""
        wall = self.walls[side]
        below_apex = wall[np.argmin(wall[:, 1]) :]
        return float(np.interp(y, below_apex[:, 1], side * below_apex[:, 0]))

    def dome(self, side: int) -> np.ndarray:
        """Return the diaphragm of one side, from the wall to the midline."""
        x, y = np.transpose(DOME)
        y = np.where(y < 0.79, 0.79 - (0.79 - y) * self.arch, y) + self.base[side]
        return smooth(self.place(np.stack([x, y], 1), side))

    def mediastinum(self) -> np.ndarray:
        """Return the outline of heart and great vessels."""
        borders = []
        for border in (RIGHT_BORDER, LEFT_BORDER):
            x, y = np.transpose(border)
            x = x * (1 + (self.heart - 1) * np.clip((y - 0.42) / 0.15, 0, 1))
            borders.append(smooth(self.place(np.stack([x, y], 1)), 60))
        return np.concatenate([borders[0], borders[1][::-1]])


def draw_organs(film: Film, thorax: Thorax, rng: np.random.Generator) -> None:
    """Draw everything but the bones onto an empty film."""
    _tissue(film, thorax, rng)
    heart = film.fill(thorax.mediastinum(), 0.0045)
    below = _lungs(film, thorax, heart, rng)
    _heart_and_abdomen(film, thorax, heart, below)
    if thorax.build.female:
        _breasts(film, thorax, rng)
    _airways(film, thorax)
    _gut(film, thorax, rng)
    for side in (RIGHT, LEFT):
        _vessels(film, thorax, side, rng)
    for grain in (4, 8, 24, 64):
        noise = rng.standard_normal((film.size // grain, film.size // grain), np.float32)
        film.markings += film.enlarge(noise) * np.float32(rng.uniform(0.8, 2.0))


def _tissue(film: Film, thorax: Thorax, rng: np.random.Generator) -> None:
    """Draw muscle and fat."""
    body = film.fill(_body(thorax), 0.0015)
    film.soft = _rounded(body, 140, 0.05)
    for side in (RIGHT, LEFT):
        arm = film.fill(_arm(thorax, side, rng), 0.0015)
        film.soft = np.maximum(film.soft, _rounded(arm, 105, 0.025))
    neck = film.fill(band(np.array([[0.0, -0.2], [0.0, 0.12]]), 0.05), 0.02)
    film.soft += 25 * neck * body


def _rounded(mask: np.ndarray, maximum: float, scale: float) -> np.ndarray:
    """Return the attenuation of a round body: small at its edge."""
    return (
        mask * maximum * blurred(1 - np.float32(0.82) * np.exp(-depth_inside(mask) / scale), 0.006)
    )


def _body(thorax: Thorax) -> np.ndarray:
    x, y = np.transpose(BODY)
    x = np.where(y > 0.1, x * thorax.build.width, x)
    x = x + (0.015 + thorax.build.fat) * np.clip((y - 0.3) / 0.25, 0, 1)
    side = smooth(np.stack([x, y], 1), 80)
    return np.concatenate([side, (side * [-1, 1])[::-1]])


def _arm(thorax: Thorax, side: int, rng: np.random.Generator) -> np.ndarray:
    spread = rng.uniform(0.0, 0.08) if thorax.ap else rng.uniform(0.12, 0.25)
    x = 0.385 * thorax.build.width
    line = smooth([(x, 0.255), (x + 0.4 * spread + 0.04, 0.5), (x + spread + 0.05, 1.1)])
    half = 0.062 * np.minimum(1, 0.5 + np.linspace(0, 4, len(line)) ** 0.5)
    return band(line * [side, 1], half + thorax.build.fat / 3)


def _lungs(film: Film, thorax: Thorax, heart: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Subtract the air of the lungs: beside the heart and above the diaphragm.

    Returns:
        The region below the diaphragm, a coarse plane in [0, 1].
    """
    below = np.zeros_like(heart)
    for side in (RIGHT, LEFT):
        wall, dome = thorax.walls[side], thorax.dome(side)
        x, y = dome[-1] - [side * 0.02, 0]  # beyond the midline: no gap between the sides
        under = film.fill(np.concatenate([dome, [(x, y), (x, 1.3), (dome[0, 0], 1.3)]]), 0.0022)
        closed = np.concatenate([wall, [(x, wall[-1, 1]), (x, wall[0, 1])]])
        cavity = film.fill(closed, 0.0022)
        film.air[side] = cavity * (1 - 0.88 * heart) * (1 - 0.97 * under)
        film.soft -= rng.normal(84, 5) * _lung_thickness(cavity, rng) * film.air[side]
        below = np.maximum(below, under)
    return below


def _lung_thickness(cavity: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the thickness of the air, 0 to about 1: thin at the wall, and below for the blood."""
    height = np.linspace(-0.5, 0.5, len(cavity), dtype=np.float32)[:, None]
    return (1 - 0.5 * np.exp(-depth_inside(cavity) / 0.035)) * (1 - rng.uniform(0, 0.3) * height)


def _heart_and_abdomen(film: Film, thorax: Thorax, heart: np.ndarray, below: np.ndarray) -> None:
    rows = np.linspace(0, 1, len(heart), dtype=np.float32)[:, None]
    fading = np.clip((rows - 0.06) / 0.16, 0, 1)  # into the neck
    mass = np.maximum(heart * fading, blurred(below, 0.03))
    film.soft += 32 * mass * (0.45 + 0.55 * blurred(mass, 0.035))
    for side in (RIGHT, LEFT):
        ((x, y),) = thorax.place([(0.075, 0.43 - 0.012 * side)], side)
        film.soft += 16 * film.fill(ellipse(x, y, 0.022, 0.045), 0.016) * film.air[side]


def _breasts(film: Film, thorax: Thorax, rng: np.random.Generator) -> None:
    size = rng.uniform(0.085, 0.125) + thorax.build.fat / 2
    y = rng.uniform(0.6, 0.7)
    rows = np.linspace(0, 1, len(film.soft), dtype=np.float32)[:, None]
    fall = np.clip((rows - y + size) / (1.8 * size), 0, 1) ** 1.5 * rng.uniform(8, 24)
    for side in (RIGHT, LEFT):
        x = side * rng.uniform(0.19, 0.22) * thorax.build.width
        shape = film.fill(ellipse(x, y + rng.normal(0, 0.008), 1.2 * size, size), 0.005)
        film.soft += shape * fall * (0.4 + 0.6 * film.air[side])


def _airways(film: Film, thorax: Thorax) -> None:
    trachea = thorax.place([(0.0, -0.1), (0.0, 0.1), (-0.003, 0.25), (-0.006, 0.365)])
    right = thorax.place([(-0.006, 0.35), (-0.03, 0.395), (-0.065, 0.45)])
    left = thorax.place([(-0.006, 0.35), (0.035, 0.39), (0.075, 0.415)])
    air = film.fill(band(smooth(trachea), 0.0165), 0.0035)
    for bronchus in (right, left):
        air = np.maximum(air, 0.7 * film.fill(band(smooth(bronchus), 0.011), 0.004))
    film.soft -= 20 * air


def _gut(film: Film, thorax: Thorax, rng: np.random.Generator) -> None:
    """Draw gas in the stomach, under the left dome, and in the colon."""
    dome = thorax.dome(LEFT)
    x, y = dome[len(dome) // 2] + rng.uniform([-0.08, 0.035], [-0.02, 0.06])
    bubbles = []
    if rng.random() < 0.6:
        bubbles.append(ellipse(x, y, rng.uniform(0.03, 0.06), rng.uniform(0.012, 0.03)))
    for _ in range(rng.poisson(2.5)):
        centre = rng.uniform([0.05, y + 0.05], [0.28, y + 0.2])
        bubbles.append(ellipse(*centre, *rng.uniform(0.01, 0.03, 2)))
    for bubble in bubbles:
        film.soft -= film.fill(bubble, 0.006) * rng.uniform(15, 40)


def _vessels(film: Film, thorax: Thorax, side: int, rng: np.random.Generator) -> None:
    """Grow vessels from the hilum: each divides into two thinner ones, again and again."""
    hilum = thorax.place([(0.07 + 0.01 * (side == LEFT), 0.435 - 0.012 * side)], side)
    heading, width = rng.uniform(-1.5, 1.55, 18), rng.uniform(0.0025, 0.0065, 18)
    start = hilum + rng.normal(0, 0.012, (18, 2))
    start[:, 1] += 0.045 * np.sin(heading)
    shapes: list[Shape] = []
    while len(width):
        turns = heading[:, None] + np.cumsum(rng.normal(0, 0.14, (len(width), 5)), 1)
        length = 0.016 * rng.uniform(0.3, 1, (len(width), 1, 1))
        steps = length * np.stack([side * np.cos(turns), np.sin(turns)], 2)
        course = start[:, None] + np.cumsum(np.pad(steps, ((0, 0), (1, 0), (0, 0))), 1)
        shapes += _group_by_width(course, width)
        parents = np.repeat(np.flatnonzero(width > 0.0013), 2)
        bend = np.resize([-1, 1], len(parents)) * rng.uniform(0.1, 0.65, len(parents))
        heading, start = turns[parents, -1] + bend, course[parents, -1]
        width = width[parents] * rng.uniform(0.6, 0.88, len(parents))
    shapes.sort(key=lambda shape: shape.level)
    film.markings += film.draw(shapes, 0.0019) * np.float32(rng.uniform(0.5, 1.1))


def _group_by_width(courses: np.ndarray, widths: np.ndarray) -> list[Shape]:
    """Return one shape for all vessels of similar width: thousands drawn in a few calls."""
    step = 0.0008
    bins = np.ceil(widths / step).astype(int)
    return [Shape(courses[bins == n], 5 + 2 * n, step * n) for n in np.unique(bins).tolist()]
