"""Tokens as a stranger reads them: a head, symbols of Crockford's alphabet and a check symbol, or bare digits [T1-T5]."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from transforms.leaks.findings import Check
from transforms.leaks.shapes import DIGITS, SHORT_DIGITS, SYMBOLS, Shape
from transforms.leaks.strings import Positions, Strings, begins, fixed_width, keep, lengths, matches, pick, present

NO_NUMBER = np.uint64(2**64 - 1)
_FOREIGN = 0x80
_ORDER = 31  # doublings that lead back to the same element
_SAMPLED_ROWS = 200_000
_FEWEST_ROWS = 160  # five of each symbol at each place, the usual floor of a chi-square test
_Z_LIMIT = 6.0  # one false refusal in a thousand million views; a design flaw scores in the hundreds
_SKETCH = 4096


@dataclass(frozen=True, slots=True)
class TokenBlock:
    """One token column of some rows.

    `rows` are the positions of cells with the view's head and the length of a token, `symbols` their (places, m) symbols as ASCII,
    `body` their (m, body) symbols without the check symbol. `misfits` are the positions of all other cells that are not null;
    `nulls` of those that are.
    """

    shape: Shape
    first_row: int
    cells: Strings
    rows: Positions
    symbols: npt.NDArray[np.uint8]
    body: npt.NDArray[np.uint8]
    misfits: Positions
    nulls: Positions

    def row(self, position: int) -> int:
        """The row of the view, from 1, at a position."""
        return self.first_row + int(position)


def read_tokens(cells: Strings, shape: Shape, first_row: int) -> TokenBlock:
    """Splits a column of n strings into cells that may be tokens of this shape, misfits and nulls."""
    filled = present(cells)
    fits = filled & (lengths(cells) == shape.width) & begins(cells, shape.head)
    text = fixed_width(keep(cells, fits), shape.width)[:, len(shape.head) :]
    return TokenBlock(
        shape=shape,
        first_row=first_row,
        cells=cells,
        rows=np.flatnonzero(fits),
        symbols=np.ascontiguousarray(text.T),
        body=np.ascontiguousarray(text[:, : shape.body]),
        misfits=np.flatnonzero(filled & ~fits),
        nulls=np.flatnonzero(~filled),
    )


class TokenShape(Check):
    """A cell of a token column is not a token: wrong length, a character outside the alphabet, or more than its bits can say."""

    rule = "token-shape"

    def see(self, block: TokenBlock, column: str) -> Positions:
        """Looks at a block; returns the positions of cells that are no tokens at all."""
        self.examine(len(block.cells))
        wrong = _foreign(block) | _beyond(block)
        misfits = block.misfits
        if misfits.size:
            misfits = misfits[~matches(pick(block.cells, misfits), block.shape.any_pattern)]
        bad: Positions = np.sort(np.concatenate([block.rows[wrong], misfits]))
        if bad.size:
            self.found(f"{column} row {block.row(bad[0])}", bad.size)
        return bad


class TokenPrefix(Check):
    """A token carries another supplier's prefix, or another epoch than the rest of the view [T5]."""

    rule = "token-prefix"

    def see(self, block: TokenBlock, column: str) -> Positions:
        """Looks at a block; returns the positions of tokens with another prefix."""
        self.examine(len(block.cells))
        if not block.misfits.size:
            return block.misfits
        other: Positions = block.misfits[matches(pick(block.cells, block.misfits), block.shape.any_pattern)]
        if other.size:
            self.found(f"{column} row {block.row(other[0])}", other.size)
        return other


class TokenCheckSymbol(Check):
    """A token's last symbol is not the check symbol of the others: the text was not made by the token scheme [T3]."""

    rule = "token-check-symbol"

    def see(self, block: TokenBlock, column: str) -> Positions:
        """Looks at a block; returns the positions of cells whose symbols are all of the alphabet and do not add up."""
        self.examine(block.rows.size)
        remainder, alien = np.zeros(block.rows.size, np.uint8), np.zeros(block.rows.size, np.uint8)
        if block.shape.bare:  # a bare number has no check symbol
            return block.rows[:0]
        for table, symbols in zip(_check_tables(block.shape.body), block.symbols, strict=True):
            share = table.take(symbols)
            remainder ^= share
            alien |= share
        bad: Positions = block.rows[(alien < _FOREIGN) & (remainder != 0)]
        if bad.size:
            self.found(f"{column} row {block.row(bad[0])}", bad.size)
        return bad


class RowOrder(Check):
    """Rows are not in strictly ascending order of their first token, so their order may be that of the export [R8].

    Strictly ascending also means that no token of the column repeats [P4].
    """

    rule = "row-order"

    def __init__(self) -> None:
        super().__init__()
        self._last: npt.NDArray[np.uint64] | None = None

    def see(self, block: TokenBlock, column: str) -> None:
        """Looks at a block of the first token column, after all blocks before it."""
        self.examine(block.rows.size)
        words = _words(block.body)
        before = 0 if self._last is None else len(self._last)
        if self._last is not None:
            words = np.concatenate([self._last, words])
        ascending, equal = np.zeros(max(len(words) - 1, 0), np.bool_), np.ones(max(len(words) - 1, 0), np.bool_)
        for word in words.T:
            ascending |= equal & (word[1:] > word[:-1])
            equal &= word[1:] == word[:-1]
        wrong = np.flatnonzero(~ascending)
        if wrong.size:
            position = wrong[0] + 1 - before
            self.found(f"{column} row {block.row(block.rows[position])}", wrong.size)
        self._last = words[-1:].copy()


class TokenRepeats(Check):
    """Two rows of a view have the same token [P4].

    Keeps a 64-bit fingerprint a row: two of five million tokens share one by chance once in a million views.
    """

    rule = "token-repeated"

    def __init__(self) -> None:
        super().__init__()
        self._prints: list[npt.NDArray[np.uint64]] = []

    def see(self, block: TokenBlock) -> None:
        """Remembers a block."""
        self.examine(block.rows.size)
        self._prints.append(fingerprints(block.body))

    def prints(self) -> npt.NDArray[np.uint64]:
        """The fingerprints of all tokens that were seen, in the order of rows."""
        self._prints = [np.concatenate([np.zeros(0, np.uint64), *self._prints])]
        return self._prints[0]

    def close(self, column: str) -> npt.NDArray[np.uint64]:
        """Counts repeats; returns the smallest fingerprints, a sample that does not depend on rows or their order."""
        ordered = np.sort(self.prints())
        repeats = int(np.count_nonzero(ordered[1:] == ordered[:-1]))
        if repeats:
            self.found(column, repeats)
        return ordered[:_SKETCH].copy()


@dataclass(frozen=True, slots=True)
class Sketch:
    """The smallest fingerprints of a column's tokens, of how many tokens, and of how many that there can be (0: very many)."""

    prints: npt.NDArray[np.uint64]
    tokens: int
    domain: int


class TokenUniformity(Check):
    """The symbols of tokens are not uniform, as those of a pseudorandom function are [D6].

    A counter, a padded number or a hash in hexadecimal fails. Of a token that stands for a number its decimal digits are tested.
    Views of fewer than 160 rows say too little, and pass.
    """

    rule = "token-symbols"

    def __init__(self, rows: int) -> None:
        super().__init__()
        self._stride = max(1, rows // _SAMPLED_ROWS)
        self._skip = 0
        self._counts = np.zeros((0, 256), np.int64)
        self._alphabet = SYMBOLS

    def see(self, block: TokenBlock) -> None:
        """Counts the symbols of every so-many-th token."""
        sample = _evenly_spread(block.symbols[:, self._skip :: self._stride], block.shape)
        if not len(self._counts):
            self._counts = np.zeros((len(sample), 256), np.int64)
            self._alphabet = SYMBOLS if block.shape.kind in ("one-way", "reversible") else DIGITS
        self.examine(sample.shape[1])
        self._skip = (self._skip - block.rows.size) % self._stride
        for count, symbols in zip(self._counts, sample, strict=True):
            count += np.bincount(symbols, minlength=256)

    def close(self, column: str) -> None:
        """Tests the counts."""
        counts = self._counts[:, np.frombuffer(self._alphabet.encode(), np.uint8)].astype(np.float64)
        rows = counts.sum() / max(len(counts), 1)
        if rows < _FEWEST_ROWS:
            return
        expected = rows / len(self._alphabet)
        statistic = float(((counts - expected) ** 2).sum() / expected)
        freedom = len(counts) * (len(self._alphabet) - 1)
        # Wilson and Hilferty: the cube root of chi-square over its degrees of freedom is nearly normal.
        spread = 2 / (9 * freedom)
        if ((statistic / freedom) ** (1 / 3) - (1 - spread)) / spread**0.5 > _Z_LIMIT:
            self.found(column)


def fingerprints(body: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """64 bits of each row of (n, width) symbols; the head has no part in it, so that suppliers can be compared [P2]."""
    mixed = np.zeros(len(body), np.uint64)
    for word in _words(body).T:
        mixed = (mixed ^ word) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(33)
    mixed *= np.uint64(0xFF51AFD7ED558CCD)
    mixed ^= mixed >> np.uint64(33)
    return mixed


def token_bodies(texts: list[str], shape: Shape) -> npt.NDArray[np.uint8]:
    """The (n, body) symbols of whole tokens."""
    start = len(shape.head)
    data = "".join(text[start : start + shape.body] for text in texts).encode()
    return np.frombuffer(data, np.uint8).reshape(len(texts), shape.body)


def is_token(text: str, shape: Shape) -> bool:
    """Whether one text is a well-formed token of a shape."""
    body = text[len(shape.head) :]
    if not text.startswith(shape.head) or len(body) != shape.places or any(symbol not in shape.alphabet for symbol in body):
        return False
    if shape.bare:
        return True
    remainder = 0
    for table, symbol in zip(_check_tables(shape.body), body, strict=True):
        remainder ^= int(table[ord(symbol)])
    return remainder == 0


def numbers_in(block: TokenBlock) -> npt.NDArray[np.uint64]:
    """The bare numbers of a block, one a cell; `NO_NUMBER` where a cell is none."""
    numbers = np.full(len(block.cells), NO_NUMBER)
    sound = ~_foreign(block)
    numbers[block.rows[sound]] = number_of(block.body[sound])
    return numbers


def number_of(digits: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """The numbers that (n, width) ASCII digits write."""
    numbers = np.zeros(len(digits), np.uint64)
    for place in range(digits.shape[1]):
        numbers = numbers * np.uint64(10) + (digits[:, place] - np.uint8(ord("0"))).astype(np.uint64)
    return numbers


def _words(body: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """(n, width) symbols as words of eight, which sort as the symbols do; the last one is filled up with zeros."""
    whole = np.zeros((len(body), -(-body.shape[1] // 8) * 8), np.uint8)
    whole[:, : body.shape[1]] = body
    return whole.view(">u8").astype(np.uint64)


def _foreign(block: TokenBlock) -> npt.NDArray[np.bool_]:
    """Which tokens have a symbol outside the alphabet."""
    table = np.full(256, _FOREIGN, np.uint8)
    table[np.frombuffer(block.shape.alphabet.encode(), np.uint8)] = 0
    alien = np.zeros(block.rows.size, np.uint8)
    for symbols in block.symbols:
        alien |= table.take(symbols)
    return alien >= _FOREIGN


def _beyond(block: TokenBlock) -> npt.NDArray[np.bool_]:
    """Which tokens say more than their kind can: a bit where there is none, or a number of more digits."""
    shape = block.shape
    if shape.spare:
        spare = _value_table().take(block.symbols[shape.body - 1]) & np.uint8((1 << shape.spare) - 1)
        return np.asarray(spare != 0)
    if shape.kind == "short":
        return np.asarray(_short_numbers(block.symbols) >= np.uint64(shape.domain))
    return np.zeros(block.rows.size, np.bool_)


def _evenly_spread(symbols: npt.NDArray[np.uint8], shape: Shape) -> npt.NDArray[np.uint8]:
    """Of (places, m) symbols those, as ASCII, each of which a pseudorandom function makes equally often."""
    if shape.kind != "short":
        return symbols[: shape.body - bool(shape.spare)]
    numbers = _short_numbers(symbols)
    digits = np.empty((SHORT_DIGITS, len(numbers)), np.uint8)
    for place in reversed(range(SHORT_DIGITS)):
        digits[place] = numbers % np.uint64(10) + np.uint64(ord("0"))
        numbers = numbers // np.uint64(10)
    return digits


def _short_numbers(symbols: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """The numbers that the eight symbols of short tokens say."""
    numbers = np.zeros(symbols.shape[1], np.uint64)
    for place in symbols[:-1]:
        numbers = numbers << np.uint64(5) | _value_table().take(place)
    return numbers


@cache
def _value_table() -> npt.NDArray[np.uint8]:
    table = np.zeros(256, np.uint8)
    table[np.frombuffer(SYMBOLS.encode(), np.uint8)] = np.arange(len(SYMBOLS))
    table.flags.writeable = False
    return table


@cache
def _check_tables(body: int) -> tuple[npt.NDArray[np.uint8], ...]:
    """What each ASCII character at each of the places adds to the remainder; 0x80 and more outside the alphabet.

    Damm's scheme over GF(32) with x^5 + x^2 + 1 doubles what it has after every symbol, so the symbol at place p is doubled
    body - p times; with the check symbol the sum is zero.
    """
    tables = []
    for place in range(body + 1):
        table = np.full(256, _FOREIGN, np.uint8)
        for value, symbol in enumerate(SYMBOLS):
            for _ in range((body - place) % _ORDER):
                value = value << 1 ^ (0b100101 if value & 16 else 0)
            table[ord(symbol)] = value
        table.flags.writeable = False
        tables.append(table)
    return tuple(tables)
