"""Whether chance explains a number of coincidences."""

from __future__ import annotations

import math

_LOG_CHANCE = math.log(1e-9)


def too_many(found: int, expected: float) -> bool:
    """Whether chance gives so many coincidences less than once in a thousand million times, where `expected` are.

    The tail of a Poisson distribution, bounded by a geometric series. Draws without repetition vary less, so a view is not refused
    by accident.
    """
    if found <= expected or found == 0:
        return False
    if expected <= 0:
        return True
    log_term = found * math.log(expected) - expected - math.lgamma(found + 1)
    return log_term - math.log1p(-expected / (found + 1)) < _LOG_CHANCE
