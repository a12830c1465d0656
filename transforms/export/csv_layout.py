"""Where the rows of a CSV end, found on whole byte arrays (RFC 4180).

RFC 4180 allows a quote only around a whole field and doubled inside one. Where all quotes of a piece keep to that, a newline ends a
row exactly if an even number of quotes stands before it, which numpy answers for a whole piece at once. Where one does not (a
stray quote), the row that holds it is walked by itself and marked, and the arithmetic goes on behind it. Parsers in common use are
lenient there: they join what stands around a stray quote into a value that nobody wrote.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_QUOTE, _COMMA, _NEWLINE, _RETURN = b'",\n\r'
# The rest of a quoted field from behind its opening quote. Possessive, so that a run of quotes costs one pass and no stack.
_QUOTED_REST = re.compile(rb'[^"]*+(?:""[^"]*+)*+"')

Indexes = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Layout:
    """The complete rows at the start of some bytes.

    `ends` has the index of the newline that ends each row, `stray` the rows (as indexes into `ends`) with a quote where RFC 4180
    allows none, `quotes` the index of every quote; `multiline` tells whether a row may hold a newline. What stands behind the last
    end is the start of a row that is not complete.
    """

    ends: Indexes
    stray: Indexes
    quotes: Indexes
    multiline: bool


def lay_out(data: bytes) -> Layout:
    """Finds the rows of `data`, which starts at the start of a row.

    An unquoted field ends at the next comma or newline, also if it holds a stray quote; so does what follows a closing quote.
    """
    octets = np.frombuffer(data, dtype=np.uint8)
    newlines = np.flatnonzero(octets == _NEWLINE)
    quotes = np.flatnonzero(octets == _QUOTE)
    if not quotes.size:
        return Layout(newlines, quotes, quotes, multiline=False)
    misplaced = _misplaced(octets, quotes)
    odd = (np.searchsorted(quotes, newlines) & 1).astype(bool)
    outside = (newlines[~odd], newlines[odd])

    ends: list[Indexes] = []
    stray: list[int] = []
    rows = start = 0
    while True:
        # `start` begins a row, so the first quote behind it opens a field: its index tells which parity is outside of quotes.
        first = int(np.searchsorted(quotes, start))
        parity = first & 1
        candidates = misplaced[parity]
        found = int(np.searchsorted(candidates, first))
        low = int(np.searchsorted(outside[parity], start))
        if found == candidates.size:
            ends.append(outside[parity][low:])
            break
        at = int(quotes[candidates[found]])
        high = int(np.searchsorted(outside[parity], at))
        ends.append(outside[parity][low:high])
        rows += high - low
        end = _end_of_row(data, at + 1)
        if end < 0:
            break
        ends.append(np.array([end], dtype=np.intp))
        stray.append(rows)
        rows += 1
        start = end + 1
    all_ends = np.concatenate(ends)
    multiline = bool(all_ends.size) and int(np.searchsorted(newlines, all_ends[-1])) + 1 > all_ends.size
    return Layout(all_ends, np.array(stray, dtype=np.intp), quotes, multiline)


def _misplaced(octets: npt.NDArray[np.uint8], quotes: Indexes) -> tuple[Indexes, Indexes]:
    """Indexes into `quotes` of those that can neither open nor close a field, if even (odd) ones open."""
    last = octets.size - 1
    before = octets[quotes - 1]
    before[quotes == 0] = _NEWLINE
    # Behind the last byte nothing is known yet: the row is not complete, so its verdict comes with the next bytes.
    after = octets[np.minimum(quotes + 1, last)]
    after[quotes >= last] = _NEWLINE
    next_but_one = octets[np.minimum(quotes + 2, last)]
    next_but_one[quotes >= last - 1] = _NEWLINE
    opens = (before == _COMMA) | (before == _NEWLINE)
    closes = (after == _COMMA) | (after == _NEWLINE) | ((after == _RETURN) & (next_but_one == _NEWLINE))
    doubled = np.diff(quotes) == 1
    opens[1:] |= doubled
    closes[:-1] |= doubled
    even = np.arange(quotes.size) % 2 == 0
    return np.flatnonzero(np.where(even, ~opens, ~closes)), np.flatnonzero(np.where(even, ~closes, ~opens))


def _end_of_row(data: bytes, position: int) -> int:
    """Index of the newline that ends the row of `position`, which is outside of quotes; -1 if `data` does not reach it."""
    while True:
        newline = data.find(b"\n", position)
        opening = data.find(b',"', position, newline if newline >= 0 else len(data))
        if opening < 0:
            return newline
        quoted = _QUOTED_REST.match(data, opening + 2)
        if quoted is None:
            return -1
        position = quoted.end()


def rows_with_lone_returns(data: memoryview, layout: Layout) -> Indexes:
    """Rows with a carriage return outside of quotes and not before a newline, which parsers take for the end of a row."""
    octets = np.frombuffer(data, dtype=np.uint8)
    is_return = octets == _RETURN
    if not layout.multiline and np.count_nonzero(is_return) == np.count_nonzero(is_return[layout.ends[layout.ends > 0] - 1]):
        return layout.ends[:0]
    returns = np.flatnonzero(is_return)
    # A row that is complete ends in a newline, so a return has a successor.
    lone = returns[octets[returns + 1] != _NEWLINE]
    rows = np.searchsorted(layout.ends, lone)
    starts = np.concatenate(([0], layout.ends + 1))[rows]
    quoted = (np.searchsorted(layout.quotes, lone) - np.searchsorted(layout.quotes, starts)) % 2 == 1
    return np.unique(rows[~quoted])


def blank_rows(data: memoryview, layout: Layout) -> Indexes:
    """Rows without a single byte before their line end."""
    octets = np.frombuffer(data, dtype=np.uint8)
    lengths = np.diff(layout.ends, prepend=-1)
    short = np.flatnonzero(lengths <= 2)
    blank: Indexes = short[(lengths[short] == 1) | (octets[layout.ends[short] - 1] == _RETURN)]
    return blank
