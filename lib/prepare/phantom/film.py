"""A film to draw on: shapes become planes of X-ray attenuation, which add up.

Shapes are in patient coordinates: x from the midline to the patient's left, which is the right of
the image, y downwards, 1 is the side of the frame. Attenuation is in gray levels: about 150 for a
body, and 60 where it has a lung.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.interpolate import Akima1DInterpolator

RIGHT, LEFT = -1, 1  # the patient's sides
COARSE = 4  # pixels of the frame to one of the planes for what has no fine detail
FRACTION = 4  # bits of sub-pixel precision that OpenCV draws with

Points = np.ndarray | Sequence[Sequence[float]]


@dataclass(frozen=True)
class Shape:
    """A filled outline, or a line if it has a width (share of the frame)."""

    points: np.ndarray  # (k, 2), or (n, k, 2) for several that look the same
    level: int  # attenuation
    width: float | None = None


class Film:
    """A square film, and where the patient is on it."""

    def __init__(self, size: int, pose: np.ndarray) -> None:
        """Lay out an empty film.

        Args:
            size: its side in pixels, a multiple of COARSE.
            pose: (2, 3) matrix from patient to frame coordinates.
        """
        self.size = size
        self.pose = pose
        self.soft: np.ndarray = np.zeros((size // COARSE, size // COARSE), np.float32)
        self.fine: np.ndarray = np.zeros((size, size), np.float32)
        self.markings: np.ndarray = np.zeros((size, size), np.float32)  # seen where air is
        self.air = {RIGHT: self.soft.copy(), LEFT: self.soft.copy()}  # share of the ray's way

    def lungs(self) -> np.ndarray:
        """The air of both lungs at full size."""
        return self.enlarge(np.minimum(self.air[RIGHT] + self.air[LEFT], 1))

    def enlarge(self, plane: np.ndarray) -> np.ndarray:
        """Bring a coarse plane to full size."""
        return cv2.resize(plane, (self.size, self.size), interpolation=cv2.INTER_CUBIC)

    def fill(self, outline: np.ndarray, blur: float) -> np.ndarray:
        """Fill an outline on a coarse plane.

        Args:
            outline: (n, 2).
            blur: standard deviation of the edge, share of the frame.

        Returns:
            (size / COARSE, size / COARSE) float32 in [0, 1].
        """
        plane = np.zeros(self.soft.shape, np.uint8)
        cv2.fillPoly(plane, [self._fixed(outline, COARSE)], 255, cv2.LINE_AA, FRACTION)
        return blurred(plane.astype(np.float32) / 255, blur)

    def draw(self, shapes: Sequence[Shape], blur: float) -> np.ndarray:
        """Draw a family of shapes on a plane of full size; the later hides the earlier.

        Args:
            shapes: what to draw.
            blur: standard deviation of their edges, share of the frame.

        Returns:
            (size, size) uint8.
        """
        plane = np.zeros((self.size, self.size), np.uint8)
        for shape in shapes:
            curves = self._fixed(shape.points, 1).reshape(-1, shape.points.shape[-2], 2)
            if shape.width is None:
                cv2.fillPoly(plane, list(curves), shape.level, cv2.LINE_AA, FRACTION)
                continue
            width = shape.width * self.size
            level = round(shape.level * min(width, 1.0))  # no line is thinner than a pixel: fade it
            thick = max(1, round(width))
            cv2.polylines(plane, list(curves), False, level, thick, cv2.LINE_AA, FRACTION)
        return blurred(plane, max(blur, 0.3 / self.size))

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Where points lie on the film: column and row."""
        turned = np.einsum("...j,ij->...i", points, self.pose[:, :2])
        return (turned + self.pose[:, 2]) * self.size - 0.5

    def _fixed(self, points: np.ndarray, step: int) -> np.ndarray:
        """The same on a plane `step` times smaller, in whole parts of a pixel, as OpenCV draws."""
        pixels = (self.pixels(points) + 0.5) / step - 0.5
        return np.rint(pixels * 2**FRACTION).astype(np.int32)


def smooth(points: Points, count: int = 40) -> np.ndarray:
    """A smooth curve through points: (count, 2).

    Akima's spline is local: no equations to solve, which would wake BLAS threads for little.
    """
    knots = np.asarray(points, float)
    way = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(knots, axis=0).T))])
    return Akima1DInterpolator(way, knots)(np.linspace(0, way[-1], count))


def band(centre: np.ndarray, half_width: float | np.ndarray) -> np.ndarray:
    """The outline of a band along a curve: one edge, and back along the other."""
    along = np.gradient(centre, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], 1) / np.hypot(*along.T)[:, None]
    offset = across * np.reshape(half_width, (-1, 1))
    return np.concatenate([centre + offset, (centre - offset)[::-1]])


def ellipse(x: float, y: float, rx: float, ry: float) -> np.ndarray:
    """The outline of an ellipse: (40, 2)."""
    turn = np.linspace(0, 2 * np.pi, 40)
    return np.stack([x + rx * np.cos(turn), y + ry * np.sin(turn)], 1)


def box(x: float, y: float, rx: float, ry: float) -> np.ndarray:
    """The outline of a box with round corners: (40, 2)."""
    circle = ellipse(0, 0, 1, 1)
    return [x, y] + np.sign(circle) * np.abs(circle) ** 0.45 * [rx, ry]


def blurred(plane: np.ndarray, blur: float) -> np.ndarray:
    """A plane blurred by a standard deviation, share of the frame."""
    return cv2.GaussianBlur(plane, (0, 0), blur * len(plane))


def depth_inside(mask: np.ndarray) -> np.ndarray:
    """How far inside a mask each pixel is, share of the frame."""
    inside = (mask > 0.5).astype(np.uint8)
    return cv2.distanceTransform(inside, cv2.DIST_L2, 5) / len(mask)
