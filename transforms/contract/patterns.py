"""Whether the values of a column match a pattern as a whole, for a column at once.

RE2 decides, one value at a time. Most patterns of an HR export need less than RE2 can do: a few characters from fixed sets, one
after another. Their sets are asked of RE2 once, for every ASCII character, and then tested on the column's bytes with numpy. A
value that passes there matches; every other value, and every value with a byte beyond ASCII, goes to RE2 itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from transforms.contract.buffers import Bytes, Offsets, byte_views, validity

Mask = npt.NDArray[np.bool_]

_ASCII = [chr(code) for code in range(128)]
_CLASS = r"\[(?:[^\[\]\\]|\\.)+\]"
_ATOM = re.compile(
    rf"(?P<one>{_CLASS}|\\[dw]|\\[^A-Za-z0-9]|[A-Za-z0-9 _@,:;'\"/<>=!#%&~`-])(?:\{{(?P<low>\d+)(?:,(?P<high>\d+))?\}})?",
    re.ASCII,
)
_GROUP = re.compile(r"\((?P<alternatives>[^()?*+^$]+)\)")
_RUN = re.compile(rf"(?P<one>{_CLASS})\{{(?P<low>\d+),(?P<high>\d+)\}}", re.ASCII)
_MOST_CHARACTERS = 64
_MOST_LENGTHS = 16


class Pattern:
    """A full-match RE2 pattern, compiled for columns; holds no cell value and can be pickled."""

    def __init__(self, pattern: str) -> None:
        self._re2 = rf"\A(?:{pattern})\z"
        self._characters: tuple[int, int] | None = None
        self._shortcut: _Run | _Shapes | None
        if run := _RUN.fullmatch(pattern):
            # RE2 unrolls the count, and is some 30 times slower for it where the class is a large one of Unicode.
            self._re2 = rf"\A{run['one']}*\z"
            self._characters = int(run["low"]), int(run["high"])
            self._shortcut = _Run(_Set.of(run["one"]), *self._characters)
        else:
            self._shortcut = _shapes(pattern)

    def matches(self, values: pa.StringArray) -> Mask:
        """Rows whose value matches as a whole.

        Args:
            values: n rows of string (valid UTF-8).

        Returns:
            n booleans; False for null.
        """
        present = validity(values)
        if self._shortcut is None:
            return self._ask_re2(values) & present
        matched = self._shortcut.passes(*byte_views(values), present)
        doubtful = np.flatnonzero(present & ~matched)
        if doubtful.size:
            matched[doubtful] = self._ask_re2(values.take(doubtful))
        return matched

    def _ask_re2(self, values: pa.StringArray) -> Mask:
        found = _mask(pc.match_substring_regex(values, self._re2))
        if self._characters:
            low, high = self._characters
            count = pc.utf8_length(values).fill_null(0).to_numpy(zero_copy_only=False)
            found &= (count >= low) & (count <= high)
        return found


def _mask(found: Any) -> Mask:
    return np.array(found.fill_null(False).to_numpy(zero_copy_only=False), np.bool_)


def _ask_ascii(source: str, texts: Sequence[str]) -> Mask:
    return _mask(pc.match_substring_regex(pa.array(texts), rf"\A(?:{source})\z"))


class _Test(Protocol):
    """What one or two characters of a value must be."""

    @property
    def width(self) -> int:
        """How many."""

    def holds(self, *octets: Bytes) -> Mask:
        """Element by element; False where an octet is not ASCII."""


@dataclass(frozen=True, slots=True)
class _Set:
    """A set of ASCII characters as ranges, low end and span."""

    ranges: tuple[tuple[int, int], ...]
    width: int = 1

    @classmethod
    def of(cls, source: str) -> _Set:
        edges = np.flatnonzero(np.diff(_ask_ascii(source, _ASCII).astype(np.int8), prepend=0, append=0)).tolist()
        return cls(tuple((low, end - 1 - low) for low, end in zip(edges[::2], edges[1::2], strict=True)))

    def holds(self, *octets: Bytes) -> Mask:
        (first,) = octets
        within = np.zeros(first.shape, np.bool_)
        for low, span in self.ranges:
            within |= (first - np.uint8(low)) <= span  # wraps below `low`: one comparison for both ends
        return within


@dataclass(frozen=True, slots=True)
class _Pair:
    """A set of two ASCII characters: 256 x 256 booleans."""

    table: Mask
    width: int = 2

    @classmethod
    def of(cls, source: str) -> _Pair:
        table = np.zeros((256, 256), np.bool_)
        table[:128, :128] = _ask_ascii(source, [first + second for first in _ASCII for second in _ASCII]).reshape(128, 128)
        return cls(table)

    def holds(self, *octets: Bytes) -> Mask:
        first, second = octets
        return self.table[first, second]


@dataclass(frozen=True, slots=True)
class _Run:
    """`low` to `high` characters of one set."""

    characters: _Set
    low: int
    high: int

    def passes(self, offsets: Offsets, data: Bytes, present: Mask) -> Mask:
        """Rows that are all ASCII and match."""
        lengths = np.diff(offsets)
        passing: Mask = present & (lengths >= self.low) & (lengths <= self.high)
        within = self.characters.holds(data[int(offsets[0]) : int(offsets[-1])])
        if not within.all():
            outside = np.flatnonzero(~within) + int(offsets[0])
            passing[np.searchsorted(offsets, outside, side="right") - 1] = False
        return passing


@dataclass(frozen=True, slots=True)
class _Shapes:
    """Sequences of tests, one for each length in bytes that a value may have."""

    tests: dict[int, tuple[_Test, ...]]

    def passes(self, offsets: Offsets, data: Bytes, present: Mask) -> Mask:
        """Rows that are all ASCII and match."""
        lengths = np.diff(offsets)
        passing = np.zeros(present.size, np.bool_)
        first, last = int(offsets[0]), int(offsets[-1])
        for length, tests in self.tests.items():
            rows = np.flatnonzero(present & (lengths == length))
            if not rows.size:
                continue
            if last - first == rows.size * length:
                # No other row holds a byte, so these lie side by side and a position is a column of a matrix.
                columns = list(data[first:last].reshape(rows.size, length).T)
            else:
                columns = [data[offsets[rows] + position] for position in range(length)]
            held = np.ones(rows.size, np.bool_)
            position = 0
            for test in tests:
                held &= test.holds(*columns[position : position + test.width])
                position += test.width
            passing[rows] = held
        return passing


def _shapes(pattern: str) -> _Shapes | None:
    """The pattern as sequences of tests; None if it is not of that kind."""
    parts = list(_parts(pattern))
    if None in parts:
        return None
    known = [part for part in parts if part is not None]
    variable = [part for part in known if part.low != part.high]
    lengths = sum(part.high * part.test.width for part in known)
    if len(variable) > 1 or lengths > _MOST_CHARACTERS or any(part.high - part.low >= _MOST_LENGTHS for part in variable):
        return None
    shapes: dict[int, tuple[_Test, ...]] = {}
    for extra in range(variable[0].high - variable[0].low + 1 if variable else 1):
        counts = [part.low + (extra if part in variable else 0) for part in known]
        tests = tuple(part.test for part, count in zip(known, counts, strict=True) for _ in range(count))
        shapes[sum(test.width for test in tests)] = tests
    return _Shapes(shapes)


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    test: _Test
    low: int
    high: int


def _parts(pattern: str) -> Iterator[_Part | None]:
    """Atoms and groups from left to right; ends with None at the first thing that is neither."""
    position = 0
    while position < len(pattern):
        if atom := _ATOM.match(pattern, position):
            low = int(atom["low"] or 1)
            yield _Part(_Set.of(atom["one"]), low, int(atom["high"] or low))
            position = atom.end()
        elif (group := _GROUP.match(pattern, position)) and (test := _group_test(group)):
            yield _Part(test, 1, 1)
            position = group.end()
        else:
            yield None
            return


def _group_test(group: re.Match[str]) -> _Test | None:
    """The test of a group whose alternatives are all of one character, or all of two."""
    widths = {_width(alternative) for alternative in group["alternatives"].split("|")}
    if widths == {1}:
        return _Set.of(group[0])
    return _Pair.of(group[0]) if widths == {2} else None


def _width(alternative: str) -> int:
    """How many characters an alternative has; 0 if that is not fixed or not understood."""
    width = position = 0
    while atom := _ATOM.match(alternative, position):
        if atom["high"]:
            return 0
        width += int(atom["low"] or 1)
        position = atom.end()
    return width if position == len(alternative) else 0
