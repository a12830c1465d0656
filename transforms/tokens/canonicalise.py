"""The form of a value that a token is made from: the same for every way of typing the same name [T8].

In this order: apostrophe-like and dash-like characters become ' and -; characters that nobody can see are dropped; NFKC,
case folding, NFKC; the first map once more (NFKC turns some presentation forms into dashes); white space is trimmed and
collapsed. Diacritics stay. `docs/spec/tokens.md` is the full statement; changing any of it changes every token, so it needs a new
CANON_VERSION and a new epoch [T10].
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import unicodedata2  # the interpreter's own tables change with Python, and those of 3.11 are older than the pinned version

from transforms.contract.assigned import UNICODE_VERSION as UNICODE_VERSION
from transforms.contract.buffers import byte_views
from transforms.contract.characters import forbidden_characters
from transforms.errors import ExportError, InternalError
from transforms.tokens.cells import SLACK, Cells, Places, cells_of

CANON_VERSION: Final = 1

# The last apostrophe and the last grave are U+1FFD and U+1FEF, canonically equal to U+00B4 and U+0060: without them the NFC and NFD
# forms of one text would part.
_APOSTROPHES = "\u2018\u2019\u02bc\u00b4\u0060\u2032\u1ffd\u1fef"
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
# Default_Ignorable_Code_Point of Unicode 15.0: zero-width characters, bidi controls, variation selectors, fillers, tags.
_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_SPACES = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
_PLAIN: Final = dict.fromkeys(_APOSTROPHES, "'") | dict.fromkeys(_DASHES, "-")

_BLANK, _GRAVE, _APOSTROPHE = 0x20, 0x60, 0x27
_SEPARATOR = "\n"  # a control, so in no value; nothing composes with it or folds into it


def canonical_text(text: str) -> str | None:
    """The canonical form of one value whose characters are allowed; None for a blank one."""
    return _collapsed(_folded(text)) or None


def canonicalise(values: pa.Array[Any]) -> pa.Array[Any]:
    """The canonical form of every value of a column.

    Args:
        values: n rows of string or large_string; raw, or canonical already (then nothing changes).

    Returns:
        n rows of the same type. Null, and a value that is blank once canonical, give null; no row is an empty string.

    Raises:
        ExportError: some value holds a character that no value may hold; the row checks quarantine such rows before.
        TypeError: the array is of another type.
    """
    cells = canonical_cells(values)
    offsets, _ = byte_views(values)
    first, size = int(offsets[0]), int(offsets[-1] - offsets[0])
    places = offsets[:-1] + (SLACK - np.int64(first))
    plain = pa.Array.from_buffers(
        values.type,
        len(values),
        [
            pa.array(cells.lengths > 0).buffers()[1],
            pa.py_buffer((offsets - first).data),
            pa.py_buffer(cells.data[SLACK : SLACK + size].data),
        ],
    )
    changed = (cells.lengths > 0) & ((cells.starts != places) | (cells.lengths != np.diff(offsets)))
    if not changed.any():
        return plain
    texts = _text_of(cells, np.flatnonzero(changed), values.type)
    canonical: pa.Array[Any] = pc.replace_with_mask(plain, pa.array(changed), texts)
    return canonical


def canonical_cells(values: pa.Array[Any]) -> Cells:
    """`canonicalise`, with the result left as cells: tidy ones folded where they stand, the few others patched in behind.

    Args, errors: those of `canonicalise`. A null or blank row gives length 0.
    """
    if pc.any(forbidden_characters(values)).as_py():
        raise ExportError(
            "a value to be tokenised holds a character that no value may hold",
            code="forbidden-character",
            hint="quarantine rows with control, private-use or unassigned characters first",
        )
    cells = cells_of(pc.ascii_lower(values))
    graves = cells.data == _GRAVE
    if graves.any():
        cells.data[graves] = _APOSTROPHE
    untidy = _trim_and_find_untidy(cells)
    if not untidy.size:
        return cells
    return _patched(cells, untidy, _collapsed_lines(_folded(_lines(values, untidy))))


def composed_cells(values: pa.Array[Any]) -> Cells:
    """Every value as it was written, in NFC: what a token that can be decrypted holds.

    Nothing is folded or trimmed. Null, and a value whose canonical form is blank, give length 0.

    Args, errors: those of `canonicalise`.
    """
    blank = canonical_cells(values).lengths == 0
    cells = cells_of(values)
    cells.lengths[blank] = 0
    beyond_ascii = np.flatnonzero(cells.data >= 0x80)
    rows = np.unique(np.searchsorted(cells.starts, beyond_ascii, side="right") - 1)
    rows = rows[cells.lengths[rows] > 0]
    if not rows.size:
        return cells
    return _patched(cells, rows, unicodedata2.normalize("NFC", _lines(values, rows)))


def _trim_and_find_untidy(cells: Cells) -> Places:
    """Takes spaces off both ends of cells, in place, and returns the rows that need more than that.

    Those are rows with a byte beyond ASCII or with two spaces in a row inside.
    """
    starts, lengths = cells.starts, cells.lengths
    untidy = np.zeros(len(cells), np.bool_)
    before = starts
    spaces = cells.data == _BLANK
    if spaces.any():
        before = starts.copy()
        rows = np.flatnonzero(spaces[starts] & (lengths > 0))
        while rows.size:
            starts[rows] += 1
            lengths[rows] -= 1
            rows = rows[spaces[starts[rows]] & (lengths[rows] > 0)]
        rows = np.flatnonzero(spaces[starts + lengths - 1] & (lengths > 0))
        while rows.size:
            lengths[rows] -= 1
            rows = rows[spaces[starts[rows] + lengths[rows] - 1] & (lengths[rows] > 0)]
        at = np.flatnonzero(spaces[:-1] & spaces[1:])
        rows = np.searchsorted(before, at, side="right") - 1
        inside = (at >= starts[rows]) & (at + 1 < starts[rows] + lengths[rows])
        untidy[rows[inside]] = True
    beyond_ascii = cells.data >= 0x80
    if beyond_ascii.any():
        untidy[np.searchsorted(before, np.flatnonzero(beyond_ascii), side="right") - 1] = True
    return np.flatnonzero(untidy & (lengths > 0))


def _lines(values: pa.Array[Any], rows: Places) -> str:
    """The texts of some rows, none of them null, each a line: folded together they take no Python a row."""
    taken = values.take(rows)
    if pa.types.is_large_string(taken.type):  # Arrow joins no such
        return _SEPARATOR.join(map(str, taken.to_pylist()))
    joined: Any = pc.binary_join(pa.ListArray.from_arrays(pa.array([0, len(rows)], pa.int32()), taken), _SEPARATOR)
    return str(joined[0].as_py())


def _folded(text: str) -> str:
    text = _plain(text)
    text = unicodedata2.normalize("NFKC", unicodedata2.normalize("NFKC", text).casefold())
    return _plain(text)


def _plain(text: str) -> str:
    """Apostrophes and dashes alike, and nothing that nobody can see."""
    points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    for point in np.unique(points[_look_alike()[points]]).tolist():
        text = text.replace(chr(point), _PLAIN.get(chr(point), ""))
    return text


def _collapsed_lines(text: str) -> str:
    """White space trimmed and collapsed in every line."""
    for space in _SPACES:
        text = text.replace(space, " ")
    while "  " in text:
        text = text.replace("  ", " ")
    return text.replace(" " + _SEPARATOR, _SEPARATOR).replace(_SEPARATOR + " ", _SEPARATOR).strip(" ")


def _collapsed(text: str) -> str:
    return " ".join(text.split())


def _patched(cells: Cells, rows: Places, lines: str) -> Cells:
    """Puts other texts, a line each, in some rows: the bytes go behind the buffer, only the rows' places change."""
    extra = np.frombuffer(lines.encode() + bytes(SLACK), np.uint8)
    ends = np.append(np.flatnonzero(extra == ord(_SEPARATOR)), extra.size - SLACK)
    if len(ends) != len(rows):
        raise InternalError("folding a column together gives other rows than it had", code="canonicalisation-broken")
    begins = np.append(0, ends[:-1] + 1)
    cells.starts[rows] = begins + cells.data.size
    cells.lengths[rows] = ends - begins
    return Cells(cells.starts, cells.lengths, np.concatenate([cells.data, extra]))


@cache
def _look_alike() -> npt.NDArray[np.bool_]:
    """For each code point whether `_plain` changes it."""
    table = np.zeros(0x110000, np.bool_)
    for low, high in re.findall("(.)(?:-(.))?", _INVISIBLE) + [(character, "") for character in _PLAIN]:
        table[ord(low) : ord(high or low) + 1] = True
    table.flags.writeable = False
    return table


def _text_of(cells: Cells, rows: Places, kind: pa.DataType) -> pa.Array[Any]:
    """Some rows of cells as an Arrow array of a string type."""
    lengths = cells.lengths[rows]
    ends = np.cumsum(lengths)
    index: npt.NDArray[np.int64] = np.arange(ends[-1]) + np.repeat(cells.starts[rows] - (ends - lengths), lengths)
    offsets = np.concatenate([[0], ends]).astype(np.int64 if pa.types.is_large_string(kind) else np.int32)
    return pa.Array.from_buffers(kind, len(rows), [None, pa.py_buffer(offsets.data), pa.py_buffer(cells.data[index].data)])
