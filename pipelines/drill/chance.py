"""What luck does: exact binomial tails and Clopper-Pearson intervals (Biometrika 26, 1934), without a statistics library."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

_STEPS: Final = 400
_TINY: Final = 1e-300


def clopper_pearson(correct: int, tried: int, confidence: float) -> tuple[float, float]:
    """The exact two-sided interval of a success rate.

    Args:
        correct: successes, 0 to `tried`.
        tried: attempts; 0 gives (0, 1), since nothing is known.
        confidence: such as 0.95.

    Returns:
        Both ends, 0 to 1. The interval holds the true rate with at least that confidence.
    """
    if tried == 0:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    low = 0.0 if correct == 0 else _solve(lambda rate: at_least(correct, tried, rate) - tail)
    high = 1.0 if correct == tried else _solve(lambda rate: at_least(correct + 1, tried, rate) - (1 - tail))
    return low, high


def at_least(correct: int, tried: int, rate: float) -> float:
    """The probability of `correct` or more successes in `tried` attempts at `rate` each.

    Attempts of different rates, taken at their mean, have no heavier tail than this above their mean (Hoeffding, Annals of
    Mathematical Statistics 27, 1956).
    """
    if correct <= 0:
        return 1.0
    if correct > tried or rate <= 0:
        return 0.0
    if rate >= 1:
        return 1.0
    return _incomplete_beta(correct, tried - correct + 1, rate)


def _solve(rising: Callable[[float], float]) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if rising(middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b), by its continued fraction (DLMF 8.17.22)."""
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return min(1.0, front * _fraction(a, b, x) / a)
    return max(0.0, 1 - front * _fraction(b, a, 1 - x) / b)


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction by Lentz's method; it settles in about the square root of max(a, b) steps."""
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _STEPS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _not_zero(1 + term * d)
            c = _not_zero(1 + term / c)
            value *= d * c
        if abs(d * c - 1) < 1e-13:
            break
    return value


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
