"""Whether a column's pattern makes every value a number of a fixed count of digits."""

from __future__ import annotations

import re
from typing import Final

# Only what RE2 reads as ASCII digits and nothing else: no \p{Nd}, no negated class, no alternative.
_DIGITS: Final = re.compile(r"(?:\\d|[0-9]|\[(?:[0-9](?:-[0-9])?)+\])(?:\{([0-9]{1,3})\})?")


def fixed_digits(pattern: str | None) -> int | None:
    """How many ASCII digits each value that matches a pattern as a whole has.

    Args:
        pattern: an RE2 expression; None where the column has none.

    Returns:
        The one count, leading zeros included; None if the pattern lets anything else through, or is written in a way that this does
        not follow: `[0-9]`, `\\d` and single digits are understood, alone or with one count in braces.
    """
    position = count = 0
    while pattern and position < len(pattern):
        atom = _DIGITS.match(pattern, position)
        if atom is None:
            return None
        count += int(atom[1] or 1)
        position = atom.end()
    return count or None
