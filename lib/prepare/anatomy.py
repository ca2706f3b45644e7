"""Draw a chest as X-rays see it: layers of attenuation that add up, in 8-bit gray levels.

Patient coordinates: x from the midline, to the patient's left (the right of the image), y downwards;
1 is the side of the frame. Smooth organs are drawn at a quarter of the resolution.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.interpolate import CubicSpline

COARSE = 4  # pixels of the frame to one of the smooth planes
FRACTION = 4  # bits of sub-pixel precision that OpenCV draws with
RIGHT, LEFT = -1, 1  # the patient's sides

# Outlines of one side: (distance from the midline, y).
BODY = ((0.085, -0.1), (0.088, 0.03), (0.12, 0.095), (0.22, 0.135), (0.34, 0.16), (0.43, 0.2),
        (0.47, 0.27), (0.45, 0.38), (0.41, 0.47), (0.385, 0.6), (0.38, 0.75), (0.39, 0.9), (0.4, 1.2))  # fmt: skip
WALL = ((0.035, 0.235), (0.055, 0.185), (0.1, 0.152), (0.15, 0.155), (0.2, 0.188), (0.245, 0.255),
        (0.28, 0.36), (0.302, 0.47), (0.315, 0.58), (0.322, 0.68), (0.322, 0.775), (0.3, 0.87))  # fmt: skip
RIGHT_BORDER = ((-0.03, 0.05), (-0.038, 0.2), (-0.05, 0.3), (-0.056, 0.42), (-0.075, 0.5),
                (-0.09, 0.59), (-0.08, 0.68), (-0.05, 0.76))  # fmt: skip
LEFT_BORDER = ((0.03, 0.05), (0.035, 0.22), (0.05, 0.29), (0.068, 0.33), (0.062, 0.37),
               (0.06, 0.4), (0.078, 0.44), (0.088, 0.5), (0.125, 0.58), (0.165, 0.66),
               (0.172, 0.71), (0.13, 0.76))  # fmt: skip
DOME = ((0.34, 0.86), (0.326, 0.79), (0.29, 0.728), (0.23, 0.69), (0.16, 0.675), (0.09, 0.69), (0.0, 0.74))  # fmt: skip
CLAVICLE = ((0.025, 0.235), (0.09, 0.212), (0.17, 0.186), (0.25, 0.172), (0.335, 0.158))
SCAPULA = ((0.37, 0.2), (0.3, 0.205), (0.265, 0.225), (0.275, 0.3), (0.3, 0.39), (0.318, 0.44),
           (0.335, 0.4), (0.345, 0.3), (0.375, 0.25))  # fmt: skip


@dataclass(frozen=True)
class Build:
    """What of a patient stays the same from image to image."""

    female: bool
    width: float  # of the thorax, 1 is average
    depth: float  # of the lungs from apex to diaphragm
    heart: float
    fat: float  # thickness of the soft tissue over the ribs, share of the frame
    age: int


class Film:
    """A square film: planes of attenuation, and what is drawn on them, in patient coordinates."""

    def __init__(self, size: int, pose: np.ndarray) -> None:
        self.size = size
        self.pose = pose
        self.soft = np.zeros((size // COARSE, size // COARSE), np.float32)
        self.fine = np.zeros((size, size), np.float32)
        self.markings = np.zeros((size, size), np.float32)
        self.air = {RIGHT: self.soft.copy(), LEFT: self.soft.copy()}

    def fill(self, outline: np.ndarray, blur: float = 0.0, step: int = COARSE) -> np.ndarray:
        """Fill an outline.

        Args:
            outline: (n, 2) in patient coordinates.
            blur: standard deviation of the edge, share of the frame.
            step: pixels of the frame to one of the result.

        Returns:
            (size / step, size / step) float32 in [0, 1].
        """
        plane = np.zeros((self.size // step, self.size // step), np.uint8)
        cv2.fillPoly(plane, [self._pixels(outline, step)], 255, cv2.LINE_AA, FRACTION)
        plane = plane.astype(np.float32) / 255
        return cv2.GaussianBlur(plane, (0, 0), blur * self.size / step) if blur else plane

    def add(self, shapes: Sequence["Shape"], blur: float, onto: np.ndarray | None = None) -> None:
        """Add a family of shapes; within it, the later hides the earlier.

        Args:
            shapes: what to draw.
            blur: standard deviation of their edges, share of the frame.
            onto: the plane to add to, `fine` unless given.
        """
        plane = np.zeros((self.size, self.size), np.uint8)
        for shape in shapes:
            self._draw(plane, shape)
        cv2.accumulate(cv2.GaussianBlur(plane, (0, 0), max(blur * self.size, 0.3)),
                       self.fine if onto is None else onto)  # fmt: skip

    def _draw(self, plane: np.ndarray, shape: "Shape") -> None:
        points = self._pixels(shape.points, 1)
        if shape.width is None:
            cv2.fillPoly(plane, [points], shape.level, cv2.LINE_AA, FRACTION)
            return
        width = shape.width * self.size
        level = round(shape.level * min(width, 1.0))  # a line cannot be thinner than a pixel
        cv2.polylines(plane, [points], False, level, max(1, round(width)), cv2.LINE_AA, FRACTION)

    def _pixels(self, points: np.ndarray, step: int) -> np.ndarray:
        frame = points @ self.pose[:, :2].T + self.pose[:, 2]
        return np.rint((frame * self.size / step - 0.5) * 2**FRACTION).astype(np.int32)


@dataclass(frozen=True)
class Shape:
    """A filled outline, or a line if it has a width (share of the frame)."""

    points: np.ndarray
    level: int
    width: float | None = None


def smooth(points: Sequence[Sequence[float]] | np.ndarray, count: int = 40) -> np.ndarray:
    """A smooth curve through points: (count, 2)."""
    knots = np.asarray(points, float)
    way = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(knots, axis=0).T))])
    return CubicSpline(way, knots)(np.linspace(0, way[-1], count))


def band(centre: np.ndarray, half_width: float | np.ndarray) -> np.ndarray:
    """The outline of a band along a curve."""
    along = np.gradient(centre, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], 1) / (np.hypot(*along.T)[:, None] + 1e-9)
    offset = across * np.reshape(half_width, (-1, 1))
    return np.concatenate([centre + offset, (centre - offset)[::-1]])


def ellipse(x: float, y: float, rx: float, ry: float) -> np.ndarray:
    """The outline of an ellipse."""
    turn = np.linspace(0, 2 * np.pi, 40)
    return np.stack([x + rx * np.cos(turn), y + ry * np.sin(turn)], 1)


def draw_build(rng: np.random.Generator, sex: str, age: int) -> Build:
    """Draw the build of a patient."""
    return Build(
        female=sex == "F",
        width=rng.uniform(0.9, 1.06) - 0.04 * (sex == "F"),
        depth=rng.normal(1.0, 0.05),
        heart=rng.uniform(0.82, 1.12) + max(age - 50, 0) / 250,
        fat=rng.gamma(2.0, 0.016),
        age=age,
    )


def draw_chest(film: Film, build: Build, ap: bool, rng: np.random.Generator) -> None:
    """Draw body, lungs, heart, bones and lung markings.

    Args:
        film: an empty film.
        build: the patient.
        ap: taken from the front with a portable machine, in bed: high diaphragm, large heart.
        rng: what differs from image to image.
    """
    depth = build.depth * (rng.uniform(0.8, 0.97) if ap else rng.uniform(0.95, 1.08))
    heart = build.heart * (rng.uniform(1.08, 1.3) if ap else 1.0)
    thorax = Thorax(build, depth, heart, rng)
    _soft_tissue(film, thorax, ap, rng)
    _spine(film, rng)
    _ribs(film, thorax, rng)
    _shoulders(film, thorax, ap, rng)
    for side in (RIGHT, LEFT):
        _vessels(film, thorax, side, rng)


class Thorax:
    """The curves that the organs share."""

    def __init__(self, build: Build, depth: float, heart: float, rng: np.random.Generator) -> None:
        self.build, self.depth, self.heart = build, depth, heart
        self.base = {RIGHT: rng.uniform(-0.012, 0.006), LEFT: rng.uniform(0.012, 0.035)}
        self.arch = rng.uniform(0.8, 1.25)

    def place(self, points: Sequence[Sequence[float]], side: int = 1) -> np.ndarray:
        """Scale a standard outline to this thorax and give it a side."""
        x, y = np.asarray(points, float).T
        return np.stack([side * x * self.build.width, 0.15 + (y - 0.15) * self.depth], 1)

    def wall(self, side: int) -> np.ndarray:
        """The inner chest wall, from the mediastinum over the apex to the base."""
        return smooth(self.place(WALL, side), 80)

    def reach(self, y: float) -> float:
        """How far the inner chest wall is from the midline at a height."""
        wall = self.wall(LEFT)
        below = wall[np.argmin(wall[:, 1]) :]
        return float(np.interp(y, below[:, 1], below[:, 0]))

    def dome(self, side: int) -> np.ndarray:
        """The diaphragm of one side, from the wall to the midline."""
        points = np.array(DOME)
        points[:, 1] = 0.8 - (0.8 - points[:, 1]) * np.where(points[:, 1] < 0.79, self.arch, 1)
        return smooth(self.place(points + [0, self.base[side]], side))

    def mediastinum(self) -> np.ndarray:
        """The outline of heart and great vessels."""
        borders = []
        for border in (RIGHT_BORDER, LEFT_BORDER):
            points = np.array(border)
            low = np.clip((points[:, 1] - 0.42) / 0.15, 0, 1)
            points[:, 0] *= 1 + (self.heart - 1) * low
            borders.append(smooth(self.place(points), 60))
        return np.concatenate([borders[0], borders[1][::-1]])


def _soft_tissue(film: Film, thorax: Thorax, ap: bool, rng: np.random.Generator) -> None:
    body = film.fill(_body(thorax), 0.002)
    arms = sum(film.fill(_arm(thorax, side, ap, rng), 0.002) for side in (RIGHT, LEFT))
    inside = cv2.distanceTransform((body > 0.5).astype(np.uint8), cv2.DIST_L2, 5) * COARSE / film.size
    tissue = body * (60 + 95 * (1 - np.exp(-inside / 0.085)))
    tissue = np.maximum(tissue, arms * 85)
    heart = film.fill(thorax.mediastinum(), 0.004)
    below = np.zeros_like(tissue)
    for side in (RIGHT, LEFT):
        wall, dome = thorax.wall(side), thorax.dome(side)
        floor = np.concatenate([dome, [[0, 1.3], [side * 0.6, 1.3], [side * 0.6, dome[0, 1]]]])
        under = film.fill(floor, 0.003)
        cavity = film.fill(np.concatenate([wall, [[0, wall[-1, 1]]]]), 0.003)
        edge = cv2.distanceTransform((cavity > 0.5).astype(np.uint8), cv2.DIST_L2, 5) * COARSE / film.size
        air = cavity * (1 - 0.85 * heart) * (1 - 0.97 * under)
        film.air[side] = air
        tissue -= air * rng.uniform(80, 95) * (0.55 + 0.45 * (1 - np.exp(-edge / 0.03)))
        below = np.maximum(below, under * body)
        film.soft += _breast(film, thorax, side, rng) * body
    column = film.fill(band(np.array([[0, 0.0], [0.0, 1.2]]), 0.036), 0.01)
    film.soft += tissue + 38 * heart + 34 * cv2.GaussianBlur(below, (0, 0), film.size / COARSE * 0.012)
    film.soft += 22 * column * body
    film.soft -= _airways(film, thorax) * 26
    _gut(film, thorax, rng)


def _body(thorax: Thorax) -> np.ndarray:
    points = np.array(BODY)
    points[:, 0] = np.where(points[:, 1] > 0.1, points[:, 0] * thorax.build.width, points[:, 0])
    points[:, 0] += thorax.build.fat * np.clip((points[:, 1] - 0.3) / 0.25, 0, 1)
    side = smooth(points, 80)
    return np.concatenate([side, (side * [-1, 1])[::-1]])


def _arm(thorax: Thorax, side: int, ap: bool, rng: np.random.Generator) -> np.ndarray:
    spread = rng.uniform(0.02, 0.1) if ap else rng.uniform(0.1, 0.2)
    shoulder = 0.4 * thorax.build.width
    line = smooth([(shoulder, 0.25), (shoulder + 0.4 * spread + 0.03, 0.5), (shoulder + spread + 0.03, 0.85)])
    return band(line * [side, 1], np.linspace(0.075, 0.06, len(line)) + thorax.build.fat / 3)


def _breast(film: Film, thorax: Thorax, side: int, rng: np.random.Generator) -> np.ndarray:
    if not thorax.build.female:
        return np.zeros_like(film.soft)
    size = rng.uniform(0.09, 0.14) + thorax.build.fat / 2
    y = rng.uniform(0.58, 0.7)
    shape = film.fill(ellipse(side * 0.2 * thorax.build.width, y, 1.25 * size, size), 0.004)
    rows = np.linspace(0, 1, len(shape), dtype=np.float32)[:, None]
    return shape * np.clip((rows - y + size) / (1.6 * size), 0, 1) * rng.uniform(18, 36)


def _airways(film: Film, thorax: Thorax) -> np.ndarray:
    trachea = smooth(thorax.place([(0.0, -0.1), (0.0, 0.1), (-0.004, 0.25), (-0.006, 0.36)]))
    right = smooth(thorax.place([(-0.006, 0.35), (-0.03, 0.395), (-0.06, 0.43)]))
    left = smooth(thorax.place([(-0.006, 0.35), (0.035, 0.395), (0.075, 0.42)]))
    air = film.fill(band(trachea, 0.016), 0.003)
    for bronchus in (right, left):
        air = np.maximum(air, 0.7 * film.fill(band(bronchus, 0.011), 0.004))
    return air


def _gut(film: Film, thorax: Thorax, rng: np.random.Generator) -> None:
    dome = thorax.dome(LEFT)
    x, y = dome[len(dome) // 2] + [rng.uniform(-0.08, 0.0), rng.uniform(0.035, 0.06)]
    bubbles = [ellipse(x, y, rng.uniform(0.03, 0.06), rng.uniform(0.012, 0.03))] * (rng.random() < 0.6)
    for _ in range(rng.poisson(2.0)):
        at = rng.uniform([0.0, y + 0.06], [0.25, y + 0.25])
        bubbles.append(ellipse(*at, *rng.uniform(0.012, 0.035, 2)))
    for bubble in bubbles:
        film.soft -= film.fill(bubble, 0.005) * rng.uniform(25, 55)


def _spine(film: Film, rng: np.random.Generator) -> None:
    pitch, y, shapes = 0.042, -0.05, []
    while y < 1.05:
        half = 0.026 + 0.012 * max(y, 0)
        body = ellipse(0, y, half, pitch * 0.47)
        body = np.sign(body - [0, y]) * np.abs((body - [0, y]) / [half, pitch * 0.47]) ** 0.4
        body = body * [half, pitch * 0.43] + [0, y]
        shapes += [Shape(body, 9), Shape(body, 15, 0.002)]
        shapes += [Shape(ellipse(s * half * 0.62, y - 0.006, 0.006, 0.009), 20, 0.002) for s in (-1, 1)]
        shapes += [Shape(ellipse(0, y + 0.016, 0.004, 0.009), 22)]
        y += pitch
        pitch *= 1.025
    film.add(shapes, 0.0022)


def _ribs(film: Film, thorax: Thorax, rng: np.random.Generator) -> None:
    posterior, anterior = [], []
    spacing = rng.uniform(0.94, 1.06)
    turn = np.linspace(0, 1, 30)
    for side in (RIGHT, LEFT):
        for rib in range(11):
            start = 0.155 + 0.0565 * spacing * rib
            end = 0.185 + 0.068 * spacing * rib + 0.02 * (rib > 0)
            (_, y0), (_, y1) = thorax.place([(0, start), (0, end)])
            out = thorax.reach(y1) + 0.004
            x = 0.03 + (out - 0.03) * np.sin(turn * np.pi / 2) ** 0.9
            y = y0 - 0.012 * np.sin(turn * np.pi) + (y1 - y0) * (1 - np.cos(turn * np.pi / 2))
            posterior += _rib(np.stack([side * x, y], 1), 0.0088, 22, rng)
            if rib < 8:
                inner = 0.06 + 0.012 * rib if rib > 0 else 0.045
                fall = thorax.depth * (0.075 + 0.012 * rib)
                x = out - (out - inner) * (1 - np.cos(turn * np.pi / 2)) ** 0.85
                y = y1 + fall * np.sin(turn * np.pi / 2) ** 1.1
                anterior += _rib(np.stack([side * x, y], 1)[: 26 - rib], 0.0105, 13, rng)
    film.add(posterior, 0.0012)
    film.add(anterior, 0.0018)
    film.add([Shape(thorax.wall(side)[20:], 16, 0.012) for side in (RIGHT, LEFT)], 0.004)


def _rib(centre: np.ndarray, half: float, level: int, rng: np.random.Generator) -> list[Shape]:
    outline = band(centre, half * rng.uniform(0.9, 1.1))
    edge = len(centre)
    return [
        Shape(outline, level),
        Shape(outline[:edge], round(level * 1.6), 0.0022),
        Shape(outline[edge:], round(level * 1.35), 0.0018),
    ]


def _shoulders(film: Film, thorax: Thorax, ap: bool, rng: np.random.Generator) -> None:
    lift = rng.uniform(-0.02, 0.03) - 0.015 * ap
    for side in (RIGHT, LEFT):
        shift = [0, lift + rng.normal(0, 0.006)]
        width = [side * thorax.build.width, 1]
        clavicle = smooth((np.array(CLAVICLE) + shift) * width)
        half = 0.0115 + 0.005 * np.linspace(-1, 1, len(clavicle)) ** 2
        blade = smooth((np.array(SCAPULA) + shift + [rng.uniform(0, 0.035), 0]) * width, 80)
        head = ellipse(side * 0.415 * thorax.build.width, 0.235 + shift[1], 0.036, 0.04)
        shaft = smooth([(0.42, 0.25), (0.44, 0.5), (0.47, 0.8)]) * width + shift
        film.add([Shape(blade, 9), Shape(blade, 20, 0.003)], 0.002)
        film.add([Shape(band(shaft, 0.02), 26), Shape(head, 30), Shape(head, 38, 0.003)], 0.002)
        outline = band(clavicle, half)
        film.add([Shape(outline, 22), Shape(outline, 34, 0.0025)], 0.0014)


def _vessels(film: Film, thorax: Thorax, side: int, rng: np.random.Generator) -> None:
    (hilum,) = thorax.place([(0.07 + 0.012 * (side == LEFT), 0.43 - 0.015 * (side == LEFT))], side)
    shapes: list[Shape] = []
    for heading in np.linspace(-1.35, 1.45, 11) + rng.normal(0, 0.1, 11):
        start = hilum + rng.normal(0, 0.012, 2) + [0, 0.05 * np.sin(heading)]
        _branch(shapes, start, heading, rng.uniform(0.006, 0.0095), side, rng)
    shapes.sort(key=lambda shape: shape.level)
    film.add(shapes, 0.0011, film.markings)


def _branch(shapes: list[Shape], start: np.ndarray, heading: float, width: float, side: int,
            rng: np.random.Generator) -> None:  # fmt: skip
    """Grow a vessel and, at its end, two thinner ones."""
    turns = heading + np.cumsum(rng.normal(0, 0.09, 5))
    steps = np.stack([side * np.cos(turns), np.sin(turns)], 1) * rng.uniform(0.35, 1.0) * 0.018
    points = start + np.concatenate([[[0, 0]], np.cumsum(steps, 0)])
    shapes.append(Shape(points, round(12 + 4200 * width), width))
    if width > 0.0016:
        for sign in (-1, 1):
            _branch(shapes, points[-1], turns[-1] + sign * rng.uniform(0.12, 0.5),
                    width * rng.uniform(0.6, 0.85), side, rng)  # fmt: skip
