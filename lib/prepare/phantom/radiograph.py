"""The radiograph of a patient: pose, chest, findings, devices, exposure, letters."""

import cv2
import numpy as np

from lib.prepare.phantom.anatomy import Build, Thorax, draw_organs
from lib.prepare.phantom.devices import draw_devices
from lib.prepare.phantom.film import COARSE, LEFT, RIGHT, Film, Shape, blurred, ellipse, smooth
from lib.prepare.phantom.pneumothorax import Lesion, draw_pneumothorax
from lib.prepare.phantom.skeleton import draw_skeleton

FONT = cv2.FONT_HERSHEY_DUPLEX


def take_radiograph(
    build: Build, ap: bool, lesion: Lesion | None, size: int, rng: np.random.Generator
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Draw the radiograph of a patient.

    Args:
        build: the patient.
        ap: True: in bed, with a portable machine; False: PA, standing.
        lesion: the pneumothorax, or None.
        size: side of the image in pixels, a multiple of 4.
        rng: for everything else.

    Returns:
        The image, (size, size) uint8, and the pneumothorax's annotations, (size, size) bool each.
    """
    film = Film(size, _draw_pose(ap, rng))
    thorax = Thorax(build, ap, rng)
    draw_organs(film, thorax, rng)
    draw_skeleton(film, thorax, rng)
    annotations = draw_pneumothorax(film, thorax, lesion, rng) if lesion else []
    _draw_findings(film, thorax, rng)
    draw_devices(film, thorax, drained=bool(lesion and lesion.area > 0.01), rng=rng)
    image = _develop(_expose(film, ap, rng), rng)
    if rng.random() < (0.4 if ap else 0.15):
        image = _collimate(image, rng)
    _draw_letters(image, ap, rng)
    return image, annotations


def _draw_pose(ap: bool, rng: np.random.Generator) -> np.ndarray:
    """Draw the matrix from patient to frame coordinates: rotation, zoom and shift."""
    turn = np.deg2rad(rng.normal(0, 3.0 if ap else 1.0))
    zoom = rng.uniform(1.02, 1.28)
    centre = rng.normal(0.5, 0.025 if ap else 0.012, 2)
    matrix = zoom * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.column_stack([matrix, centre - matrix @ [0, 0.48]])


def _draw_findings(film: Film, thorax: Thorax, rng: np.random.Generator) -> None:
    """Draw other findings of lungs; some of them resemble a pneumothorax."""
    probabilities = ((_skin_fold, 0.25, 0.08), (_bulla, 0.12, 0.12), (_opacity, 0.4, 0.12))
    for draw, in_bed, standing in probabilities:
        if rng.random() < (in_bed if thorax.ap else standing):
            draw(film, thorax, int(rng.choice([RIGHT, LEFT])), rng)


def _skin_fold(film: Film, thorax: Thorax, side: int, rng: np.random.Generator) -> None:
    """Draw an edge like that of a lung, but fading inwards, with markings on both sides."""
    x = rng.uniform(0.17, 0.28)
    low = x + rng.normal(0.02, 0.04)
    fold = smooth(thorax.place([(x, 0.15), (x + rng.normal(0, 0.02), 0.45), (low, 0.8)], side))
    strength = rng.uniform(2, 4.5)
    for width in (0.015, 0.03, 0.045, 0.06):
        inward = np.concatenate([fold, (fold - [side * width, 0])[::-1]])
        film.soft += film.fill(inward, 0.003) * strength * film.air[side]


def _bulla(film: Film, thorax: Thorax, side: int, rng: np.random.Generator) -> None:
    """Draw a bubble in the lung: dark and without markings, but round."""
    centre = thorax.place([(rng.uniform(0.12, 0.24), rng.uniform(0.2, 0.5))], side)
    dents = 1 + 0.12 * np.sin(np.linspace(0, 2 * np.pi, 40) * rng.integers(2, 4))[:, None]
    outline = centre + ellipse(0, 0, *rng.uniform(0.03, 0.07, 2)) * dents
    inside = film.fill(outline, 0.003) * film.air[side]
    film.soft -= inside * rng.uniform(6, 14)
    film.markings *= 1 - np.float32(0.8) * film.enlarge(inside)
    film.fine += film.draw([Shape(outline, 10, 0.002)], 0.0012) * film.enlarge(film.air[side])


def _opacity(film: Film, thorax: Thorax, side: int, rng: np.random.Generator) -> None:
    """Draw consolidation or fluid: clouds, mostly low in the lung."""
    for _ in range(rng.integers(2, 7)):
        ((x, y),) = thorax.place([(rng.uniform(0.08, 0.3), rng.uniform(0.45, 0.78))], side)
        cloud = film.fill(ellipse(x, y, *rng.uniform(0.02, 0.1, 2)), 0.03)
        film.soft += cloud * film.air[side] * rng.uniform(8, 26)


def _expose(film: Film, ap: bool, rng: np.random.Generator) -> np.ndarray:
    """Return the sum of all attenuation, with scatter and the machine's sharpening."""
    rays = film.enlarge(film.soft) + film.fine + film.markings * film.lungs()
    small = cv2.resize(rays, None, fx=1 / COARSE, fy=1 / COARSE, interpolation=cv2.INTER_AREA)
    scatter = blurred(small, 0.06) * rng.uniform(0.05, 0.3 if ap else 0.15)
    detail = (small - blurred(small, 0.012)) * rng.uniform(0.3, 0.8)
    slope = np.linspace(-1, 1, film.size, dtype=np.float32) * np.float32(rng.normal(0, 0.04))
    return (rays + film.enlarge(scatter + detail)) * (1 + slope)


def _develop(rays: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Convert attenuation to gray levels: a curve that flattens towards white, and noise."""
    gamma, white = rng.uniform(0.8, 1.5), rng.uniform(190, 270)
    values = white * (np.clip(rays, 0, 320) / 235) ** gamma + rng.uniform(0, 12)
    flat = 0.5 * rng.random() ** 3
    values = (1 - flat) * values + flat * 110
    values += rng.standard_normal(rays.shape, np.float32) * np.float32(rng.uniform(1.2, 3.0))
    knee, rest = 200, 55
    values = np.where(values > knee, knee + rest * np.tanh((values - knee) / rest), values)
    return np.clip(values, 0, 255).astype(np.uint8)


def _collimate(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the image with black beyond the edges of the beam."""
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) + rng.normal(0, 0.025, 2)
    corners += rng.normal(0, 0.015, (4, 2))
    beam = np.zeros_like(image)
    cv2.fillPoly(beam, [np.rint(corners * len(image)).astype(np.int32)], 255, cv2.LINE_AA)
    return cv2.min(image, beam)


def _draw_letters(image: np.ndarray, ap: bool, rng: np.random.Generator) -> None:
    """Draw letters: side, the technician's initials, and the print of a portable machine."""
    white = int(rng.integers(190, 256))
    side = "L" if rng.random() < 0.85 else "R"
    x = rng.uniform(0.86, 0.93) if side == "L" else rng.uniform(0.05, 0.1)
    y = rng.uniform(0.05, 0.2)
    _write(image, side, x, y, rng.uniform(0.02, 0.035), white)
    if rng.random() < 0.4:
        _write(image, "".join(rng.choice(list("ABDGJKMNRST"), 3)), x, y + 0.03, 0.014, white)
    if ap and rng.random() < 0.6:
        _write(image, "PORTABLE", rng.uniform(0.02, 0.5), rng.choice([0.04, 0.96]), 0.016, white)
        _write(image, "AP", rng.uniform(0.65, 0.75), 0.04, 0.016, white)


def _write(image: np.ndarray, text: str, x: float, y: float, height: float, white: int) -> None:
    size = len(image)
    position = (round(x * size), round(y * size))
    thickness = max(1, round(height * size / 12))
    cv2.putText(image, text, position, FONT, height * size / 22, white, thickness, cv2.LINE_AA)
