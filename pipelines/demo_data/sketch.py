"""Pen, curves and colours with which faces are drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Points = NDArray[np.float64]


class Pen:
    """Fills and strokes outlines on a canvas that is `scale` times the drawing."""

    def __init__(self, canvas: Image.Image, scale: int) -> None:
        self._draw = ImageDraw.Draw(canvas)
        self._scale = scale

    def fill(self, points: Points | Sequence[tuple[float, float]], colour: Colour) -> None:
        """Fills the outline."""
        self._draw.polygon(self._flat(points), fill=colour)

    def disc(self, x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
        """Fills an ellipse."""
        s = self._scale
        self._draw.ellipse(((x - rx) * s, (y - ry) * s, (x + rx) * s, (y + ry) * s), fill=colour)

    def stroke(self, points: Points, width: float, colour: Colour) -> None:
        """Draws an open line."""
        self._draw.line(self._flat(points), fill=colour, width=max(1, round(width * self._scale)), joint="curve")

    def _flat(self, points: Points | Sequence[tuple[float, float]]) -> list[float]:
        flat: list[float] = (np.asarray(points, dtype=np.float64) * self._scale).ravel().tolist()
        return flat


def clipped(values: NDArray[np.generic]) -> Colour:
    """The nearest colour."""
    r, g, b = (int(v) for v in np.clip(values.astype(np.float64), 0, 255))
    return r, g, b


def jitter(rng: np.random.Generator, colour: Colour, by: int) -> Colour:
    """A colour near that one."""
    return clipped(np.asarray(colour) + rng.integers(-by, by + 1, 3))


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """`a` with that share of `b` in it."""
    return clipped(np.asarray(a) * (1 - share) + np.asarray(b) * share)


def shade(colour: Colour, by: float) -> Colour:
    """The colour in so much light."""
    return clipped(np.asarray(colour) * by)


def curve(*knots: tuple[float, float], closed: bool = False, steps: int = 8) -> Points:
    """A Catmull-Rom curve through the knots."""
    p = np.asarray(knots, dtype=np.float64)
    p = np.vstack([p[-1], p, p[0], p[1]]) if closed else np.vstack([2 * p[0] - p[1], p, 2 * p[-1] - p[-2]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None, None]
    a, b, c, d = p[:-3], p[1:-2], p[2:-1], p[3:]
    smooth = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    points = smooth.transpose(1, 0, 2).reshape(-1, 2)
    return points if closed else np.vstack([points, p[-2]])
