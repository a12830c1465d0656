"""Which characters a value may hold [T9]: those of Unicode 15.0, no controls, no private use.

The version is pinned because a token must not change when Python does: text made of Unicode 15.0 characters normalises and
folds alike in every later version (Unicode stability policy), text with a code point of the future does not.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from transforms.contract.assigned import CHARACTER_RANGES
from transforms.contract.buffers import byte_views, validity

_CODE_POINTS = 0x110000
_FIRST_GRAPHIC, _GRAPHIC_SPAN = 0x20, 0x5E  # U+0020 to U+007E


def forbidden_characters(values: pa.Array[Any]) -> pa.BooleanArray:
    """Rows that hold a character which no value may hold.

    Forbidden are the controls (C0 with NUL, TAB, CR and LF, DEL, C1), surrogates, private use, noncharacters, every code point
    without a character in Unicode 15.0.0, and bytes that are not UTF-8. Format characters (zero-width, bidi) are allowed here:
    canonicalisation drops them.

    Args:
        values: n rows of string or large_string.

    Returns:
        n booleans without nulls; a null row is False.
    """
    offsets, data = byte_views(values)
    forbidden = np.zeros(len(values), np.bool_)
    first = int(offsets[0])
    body = data[first : int(offsets[-1])]
    unusual = (body - np.uint8(_FIRST_GRAPHIC)) > _GRAPHIC_SPAN  # wraps below 0x20: controls, DEL and non-ASCII in one test
    if unusual.any():
        at = np.flatnonzero(unusual)
        rows = np.searchsorted(offsets, at + first, side="right") - 1
        beyond_ascii = body[at] >= 0x80
        forbidden[rows[~beyond_ascii]] = True
        candidates = np.unique(rows[beyond_ascii])
        forbidden[candidates] |= _forbidden_beyond_ascii(values.take(candidates))
        forbidden &= validity(values)
    return pa.array(forbidden)


def _forbidden_beyond_ascii(values: pa.Array[Any]) -> npt.NDArray[np.bool_]:
    """The same for rows with non-ASCII bytes: all of them decoded at once, their code points looked up in one table."""
    offsets, data = byte_views(values)
    body = data[int(offsets[0]) : int(offsets[-1])]
    starts = offsets[:-1] - offsets[0]
    try:
        text = body.tobytes().decode("utf-8")
    except UnicodeDecodeError:
        return _forbidden_one_by_one(values)
    begins_inside = (body[starts[starts < body.size]] & 0xC0) == 0x80
    if begins_inside.any():  # two rows, each invalid, that only decode together
        return _forbidden_one_by_one(values)
    code_points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    wrong = ~_allowed()[code_points]
    if not wrong.any():
        return np.zeros(len(values), np.bool_)
    byte_at = np.flatnonzero((body & 0xC0) != 0x80)[wrong]
    forbidden = np.zeros(len(values), np.bool_)
    forbidden[np.searchsorted(starts, byte_at, side="right") - 1] = True
    return forbidden


def _forbidden_one_by_one(values: pa.Array[Any]) -> npt.NDArray[np.bool_]:
    """The same where some row is not UTF-8, which Arrow's string type promises never happens: slow and exact."""
    allowed = _allowed()
    forbidden = np.ones(len(values), np.bool_)
    offsets, data = byte_views(values)
    for row in range(len(values)):
        try:
            text = data[offsets[row] : offsets[row + 1]].tobytes().decode("utf-8")
        except UnicodeDecodeError:
            continue
        forbidden[row] = not allowed[[ord(character) for character in text]].all()
    return forbidden


@cache
def _allowed() -> npt.NDArray[np.bool_]:
    """One boolean a code point, read-only."""
    allowed = np.zeros(_CODE_POINTS, np.bool_)
    for characters in CHARACTER_RANGES.split():
        low, _, high = characters.partition("-")
        allowed[int(low, 16) : int(high or low, 16) + 1] = True
    allowed.flags.writeable = False
    return allowed
