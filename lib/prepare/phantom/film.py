"""Film for drawing: shapes become planes of X-ray attenuation, and the planes are added.

Shapes are in patient coordinates: x from the midline to the patient's left (the right of the
image), y downwards; 1 is the side of the frame. Attenuation is in gray levels: about 150 for a
body, and 60 where it has a lung.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.interpolate import Akima1DInterpolator

RIGHT, LEFT = -1, 1  # the patient's sides
COARSE = 4  # pixels of the frame to a pixel of the planes without fine detail
SUBPIXEL_BITS = 4  # precision of coordinates in OpenCV

Points = np.ndarray | Sequence[Sequence[float]]


@dataclass(frozen=True)
class Shape:
    """A filled outline, or a line if it has a width (fraction of the frame)."""

    points: np.ndarray  # (k, 2), or (n, k, 2) for several of one look
    level: int  # attenuation
    width: float | None = None


class Film:
    """A square film, and the position of the patient on it."""

    def __init__(self, size: int, pose: np.ndarray) -> None:
        """Create an empty film.

        Args:
            size: its side in pixels, a multiple of COARSE.
            pose: (2, 3) matrix from patient to frame coordinates.
        """
        self.size = size
        self.pose = pose
        self.soft: np.ndarray = np.zeros((size // COARSE, size // COARSE), np.float32)
        self.fine: np.ndarray = np.zeros((size, size), np.float32)
        self.markings: np.ndarray = np.zeros((size, size), np.float32)  # visible in air
        self.air = {RIGHT: self.soft.copy(), LEFT: self.soft.copy()}  # fraction of the ray's path

    def lungs(self) -> np.ndarray:
        """Return the air of both lungs at full size."""
        return self.enlarge(np.minimum(self.air[RIGHT] + self.air[LEFT], 1))

    def enlarge(self, plane: np.ndarray) -> np.ndarray:
        """Resize a coarse plane to full size."""
        return cv2.resize(plane, (self.size, self.size), interpolation=cv2.INTER_CUBIC)

    def fill(self, outline: np.ndarray, blur: float) -> np.ndarray:
        """Fill an outline on a coarse plane.

        Args:
            outline: (n, 2).
            blur: standard deviation of the edge, fraction of the frame.

        Returns:
            (size / COARSE, size / COARSE) float32 in [0, 1].
        """
        plane = np.zeros(self.soft.shape, np.uint8)
        cv2.fillPoly(plane, [self._fixed_point(outline, COARSE)], 255, cv2.LINE_AA, SUBPIXEL_BITS)
        return blurred(plane.astype(np.float32) / 255, blur)

    def draw(self, shapes: Sequence[Shape], blur: float) -> np.ndarray:
        """Draw shapes on a plane of full size; later ones cover earlier ones.

        Args:
            shapes: outlines and lines.
            blur: standard deviation of their edges, fraction of the frame.

        Returns:
            (size, size) uint8.
        """
        plane = np.zeros((self.size, self.size), np.uint8)
        for shape in shapes:
            curves = self._fixed_point(shape.points, 1).reshape(-1, shape.points.shape[-2], 2)
            if shape.width is None:
                cv2.fillPoly(plane, list(curves), shape.level, cv2.LINE_AA, SUBPIXEL_BITS)
                continue
            width = shape.width * self.size
            level = round(shape.level * min(width, 1.0))  # a line thinner than a pixel fades
            thickness = max(1, round(width))
            cv2.polylines(plane, list(curves), False, level, thickness, cv2.LINE_AA, SUBPIXEL_BITS)
        return blurred(plane, max(blur, 0.3 / self.size))

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Return the positions of points on the film: column and row."""
        turned = np.einsum("...j,ij->...i", points, self.pose[:, :2])
        return (turned + self.pose[:, 2]) * self.size - 0.5

    def _fixed_point(self, points: np.ndarray, step: int) -> np.ndarray:
        """Return positions on a plane `step` times smaller, in OpenCV's fixed-point numbers."""
        pixels = (self.pixels(points) + 0.5) / step - 0.5
        return np.rint(pixels * 2**SUBPIXEL_BITS).astype(np.int32)


def smooth(points: Points, count: int = 40) -> np.ndarray:
    """Return a smooth curve through points: (count, 2).

    Akima's spline is local: it needs no system of equations, for which BLAS would start threads.
    """
    knots = np.asarray(points, float)
    distance = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(knots, axis=0).T))])
    return Akima1DInterpolator(distance, knots)(np.linspace(0, distance[-1], count))


def band(centre: np.ndarray, half_width: float | np.ndarray) -> np.ndarray:
    """Return the outline of a band along a curve: one edge, and back along the other."""
    along = np.gradient(centre, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], 1) / np.hypot(*along.T)[:, None]
    offset = across * np.reshape(half_width, (-1, 1))
    return np.concatenate([centre + offset, (centre - offset)[::-1]])


def ellipse(x: float, y: float, rx: float, ry: float) -> np.ndarray:
    """Return the outline of an ellipse: (40, 2)."""
    angle = np.linspace(0, 2 * np.pi, 40)
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], 1)


def box(x: float, y: float, rx: float, ry: float) -> np.ndarray:
    """Return the outline of a box with round corners: (40, 2)."""
    circle = ellipse(0, 0, 1, 1)
    return [x, y] + np.sign(circle) * np.abs(circle) ** 0.45 * [rx, ry]


def blurred(plane: np.ndarray, blur: float) -> np.ndarray:
    """Blur a plane by a standard deviation, as a fraction of the frame."""
    return cv2.GaussianBlur(plane, (0, 0), blur * len(plane))


def depth_inside(mask: np.ndarray) -> np.ndarray:
    """Return the depth of each pixel inside a mask, as a fraction of the frame."""
    inside = (mask > 0.5).astype(np.uint8)
    return cv2.distanceTransform(inside, cv2.DIST_L2, 5) / len(mask)
