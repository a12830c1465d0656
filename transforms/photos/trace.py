"""Finds which supplier's mark a picture holds, if any, without the photo that was marked [I14, I16].

How far a picture was cropped and shrunk is not known, so every width that it can have come from is tried, and every shift. Of the
picture only phases count, one a wave. They are compared with the phases of a mark by the sum of the cosines of their differences,
in units of its standard deviation: the *score*. A key that has nothing to do with the picture has independent, uniform phases, and
then, whatever the picture is, the odds of a score of z or more are at most exp(-z²/2): the moment-generating function of such a
cosine, the Bessel function I0(t), is at most exp(t²/4), and Chernoff's bound does the rest. So the odds of a false attribution are
known, not estimated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from transforms.photos.mark import DOWN, REFERENCE, RIGHT, TILE, Mark

FALSE_ATTRIBUTION: Final = 1e-4  # at most, a picture, all keys together

# A picture that was not cropped is REFERENCE wide on the grid; a part of one is less, down to half, one with a border more. From
# one width to the next the shortest wave slips by less than a quarter of itself at the picture's edge.
_STEP, _NARROWER, _WIDER = 0.008, 86, 8
WIDTHS: Final = tuple(round(REFERENCE * math.exp(_STEP * steps)) for steps in range(-_NARROWER, _WIDER + 1))
_GRID = 96  # shifts tried each way within a tile: 1.3 pixels of the grid apart, where the shortest wave has 4.6
_CANONICAL = 320
_BLUR, _SPREAD = 5, 4
_FAINT = 0.3  # of 255; keeps the noise of a plain surface from being blown up

Floats = npt.NDArray[np.float32]
Phasors = npt.NDArray[np.complex64]

TRIALS: Final = len(WIDTHS) * 2 * _GRID**2


@dataclass(frozen=True, slots=True, eq=False)
class Waves:
    """The phases of a picture's waves as unit complex numbers: (widths, waves), as it is and mirrored."""

    plain: Phasors
    mirrored: Phasors


@dataclass(frozen=True, slots=True)
class Match:
    """How well a mark fits a picture at best: the score, the share of the marked width that is left, and whether it is mirrored."""

    score: float
    share: float
    mirrored: bool


def threshold(keys: int) -> float:
    """The score from which a picture is attributed when so many keys are tried.

    By the union bound over all trials of all keys, a picture that holds none of these marks reaches it with odds of at most
    `FALSE_ATTRIBUTION`, and so does any key but the right one on a picture that holds a mark.
    """
    return math.sqrt(2 * math.log(TRIALS * max(1, keys) / FALSE_ATTRIBUTION))


def read_waves(image: Image.Image) -> Waves:
    """The phases that a picture has at every width it may have come from; any mode, any size."""
    grey = image.convert("L")
    canonical = _resized(grey, _CANONICAL)
    whitened = Image.fromarray(_whitened(np.asarray(canonical.convert("F"))))
    plain, mirrored = [], []
    for width in WIDTHS:
        spectrum = np.fft.fft2(_folded(np.asarray(_resized(whitened, width))))
        plain.append(spectrum[DOWN, RIGHT])
        mirrored.append(spectrum[DOWN, -RIGHT])
    return Waves(_phasors(np.array(plain)), _phasors(np.array(mirrored)))


def match(waves: Waves, mark: Mark) -> Match:
    """The best fit of a mark over all widths and shifts, plain or mirrored."""
    turned = np.exp(-1j * mark.phases).astype(np.complex64)
    found = []
    for mirrored, phasors in ((False, waves.plain), (True, waves.mirrored)):
        scores = highest_scores(phasors * turned)
        best = int(scores.argmax())
        found.append(Match(float(scores[best]), WIDTHS[best] / REFERENCE, mirrored))
    return max(found, key=lambda one: one.score)


def _resized(image: Image.Image, width: int) -> Image.Image:
    height = max(1, round(image.height * width / image.width))
    return image.resize((width, height), Image.Resampling.BICUBIC)


def _whitened(grey: Floats) -> Floats:
    """Fine structure relative to how much of it there is around: an edge of the face then weighs no more than skin."""
    fine = grey - _mean(grey, _BLUR)
    spread = np.sqrt(np.maximum(_mean(fine * fine, _SPREAD), 0))
    whitened: Floats = np.divide(fine, spread + _FAINT, dtype=np.float32)
    return whitened


def _mean(values: Floats, radius: int) -> Floats:
    """The mean of the pixels at most `radius` away each way, of those that the picture has."""
    for axis in (0, 1):
        length = values.shape[axis]
        sums = np.insert(np.cumsum(values, axis, dtype=np.float64), 0, 0, axis)
        at = np.arange(length)
        low, high = np.maximum(at - radius, 0), np.minimum(at + radius + 1, length)
        counts = (high - low).reshape((-1, 1) if axis == 0 else (1, -1))
        values = np.asarray((sums.take(high, axis) - sums.take(low, axis)) / counts, np.float32)
    return values


def _folded(values: Floats) -> Floats:
    """The sum of a picture's tiles: the texture adds up, the face does not."""
    height, width = (-(-side // TILE) * TILE for side in values.shape)
    whole = np.zeros((height, width), np.float32)
    whole[: values.shape[0], : values.shape[1]] = values
    tiles: Floats = whole.reshape(height // TILE, TILE, width // TILE, TILE).sum((0, 2))
    return tiles


def _phasors(spectra: npt.NDArray[np.complexfloating]) -> Phasors:
    sizes = np.abs(spectra)
    phasors: Phasors = np.divide(spectra, sizes, out=np.ones_like(spectra), where=sizes > 0).astype(np.complex64)
    return phasors


def highest_scores(differences: Phasors) -> Floats:
    """The highest score of any shift at each width, by one inverse Fourier transform a width."""
    half = np.zeros((len(differences), _GRID, _GRID // 2 + 1), np.complex64)
    half[:, DOWN, RIGHT] = differences
    upright = RIGHT == 0
    half[:, -DOWN[upright], 0] = differences[:, upright].conj()
    cosines = np.fft.irfft2(half, (_GRID, _GRID)) * (_GRID**2 / 2)
    highest: Floats = (cosines.max((1, 2)) / math.sqrt(DOWN.size / 2)).astype(np.float32)
    return highest
