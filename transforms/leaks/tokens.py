"""Tokens as a stranger reads them: `WC1-`, sixteen symbols of Crockford's alphabet and a check symbol [T1-T5]."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from transforms.leaks.findings import Check
from transforms.leaks.strings import Positions, Strings, begins, fixed_width, keep, lengths, matches, pick, present

SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
BODY = 16
ANY_TOKEN = r"\A[A-Z]{2,4}[1-9][0-9]*-[0-9A-HJKMNP-TV-Z]{17}\z"  # noqa: S105 - the shape of one

_FOREIGN = 0x80
_SAMPLED_ROWS = 200_000
_FEWEST_ROWS = 160  # five of each symbol at each place, the usual floor of a chi-square test
_Z_LIMIT = 6.0  # one false refusal in a thousand million views; a design flaw scores in the hundreds
_SKETCH = 4096


@dataclass(frozen=True, slots=True)
class TokenBlock:
    """One token column of some rows.

    `rows` are the positions of cells with the view's prefix and the length of a token, `symbols` their (17, m) symbols as ASCII.
    `misfits` are the positions of all other cells that are not null; `nulls` of those that are.
    """

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


def read_tokens(cells: Strings, head: str, first_row: int) -> TokenBlock:
    """Splits a column of n strings into cells that may be tokens with this head, misfits and nulls."""
    width = len(head) + BODY + 1
    filled = present(cells)
    fits = filled & (lengths(cells) == width) & begins(cells, head)
    text = fixed_width(keep(cells, fits), width)[:, len(head) :]
    return TokenBlock(
        first_row=first_row,
        cells=cells,
        rows=np.flatnonzero(fits),
        symbols=np.ascontiguousarray(text.T),
        body=np.ascontiguousarray(text[:, :BODY]),
        misfits=np.flatnonzero(filled & ~fits),
        nulls=np.flatnonzero(~filled),
    )


class TokenShape(Check):
    """A cell of a token column is not a token: wrong length, or a character outside the alphabet."""

    rule = "token-shape"

    def see(self, block: TokenBlock, column: str) -> Positions:
        """Looks at a block; returns the positions of cells that are no tokens at all."""
        self.examine(len(block.cells))
        alien = np.zeros(block.rows.size, np.uint8)
        for symbols in block.symbols:
            alien |= _check_tables()[BODY].take(symbols)
        misfits = block.misfits
        if misfits.size:
            misfits = misfits[~matches(pick(block.cells, misfits), ANY_TOKEN)]
        bad: Positions = np.sort(np.concatenate([block.rows[alien >= _FOREIGN], misfits]))
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
        other: Positions = block.misfits[matches(pick(block.cells, block.misfits), ANY_TOKEN)]
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
        for table, symbols in zip(_check_tables(), block.symbols, strict=True):
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
        self._last = np.zeros((0, BODY // 8), ">u8")

    def see(self, block: TokenBlock, column: str) -> None:
        """Looks at a block of the first token column, after all blocks before it."""
        self.examine(block.rows.size)
        words = np.concatenate([self._last, block.body.view(">u8")])
        high, low = words[:, 0], words[:, 1]
        ascending = (high[1:] > high[:-1]) | ((high[1:] == high[:-1]) & (low[1:] > low[:-1]))
        wrong = np.flatnonzero(~ascending)
        if wrong.size:
            position = wrong[0] + 1 - len(self._last)
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


class TokenUniformity(Check):
    """The symbols of tokens are not uniform, as those of a pseudorandom function are [D6].

    A counter, a padded number or a hash in hexadecimal fails. Views of fewer than 160 rows say too little, and pass.
    """

    rule = "token-symbols"

    def __init__(self, rows: int) -> None:
        super().__init__()
        self._stride = max(1, rows // _SAMPLED_ROWS)
        self._skip = 0
        self._counts = np.zeros((BODY, 256), np.int64)

    def see(self, block: TokenBlock) -> None:
        """Counts the symbols of every so-many-th token."""
        sample = block.symbols[:BODY, self._skip :: self._stride]
        self.examine(sample.shape[1])
        self._skip = (self._skip - block.rows.size) % self._stride
        for count, symbols in zip(self._counts, sample, strict=True):
            count += np.bincount(symbols, minlength=256)

    def close(self, column: str) -> None:
        """Tests the counts."""
        counts = self._counts[:, np.frombuffer(SYMBOLS.encode(), np.uint8)].astype(np.float64)
        rows = counts.sum() / BODY
        if rows < _FEWEST_ROWS:
            return
        expected = rows / len(SYMBOLS)
        statistic = float(((counts - expected) ** 2).sum() / expected)
        freedom = BODY * (len(SYMBOLS) - 1)
        # Wilson and Hilferty: the cube root of chi-square over its degrees of freedom is nearly normal.
        spread = 2 / (9 * freedom)
        if ((statistic / freedom) ** (1 / 3) - (1 - spread)) / spread**0.5 > _Z_LIMIT:
            self.found(column)


def fingerprints(body: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """64 bits of each row of (n, 16) symbols; the prefix has no part in it, so that suppliers can be compared [P2]."""
    words = body.view("<u8").astype(np.uint64, copy=False)
    mixed: npt.NDArray[np.uint64] = words[:, 0] * np.uint64(0x9E3779B97F4A7C15) + words[:, 1] * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed ^= mixed >> np.uint64(33)
    mixed *= np.uint64(0xFF51AFD7ED558CCD)
    mixed ^= mixed >> np.uint64(33)
    return mixed


def token_bodies(texts: list[str]) -> npt.NDArray[np.uint8]:
    """The (n, 16) symbols of whole tokens."""
    data = "".join(text[-BODY - 1 : -1] for text in texts).encode()
    return np.frombuffer(data, np.uint8).reshape(len(texts), BODY)


def is_token(text: str, head: str) -> bool:
    """Whether one text is a well-formed token with this head."""
    body = text[len(head) :]
    if not text.startswith(head) or len(body) != BODY + 1 or any(symbol not in SYMBOLS for symbol in body):
        return False
    remainder = 0
    for table, symbol in zip(_check_tables(), body, strict=True):
        remainder ^= int(table[ord(symbol)])
    return remainder == 0


@cache
def _check_tables() -> tuple[npt.NDArray[np.uint8], ...]:
    """What each ASCII character at each of the 17 places adds to the remainder; 0x80 and more outside the alphabet.

    Damm's scheme over GF(32) with x^5 + x^2 + 1 doubles what it has after every symbol, so the symbol at place p is doubled 16 - p
    times; with the check symbol the sum is zero.
    """
    tables = []
    for place in range(BODY + 1):
        table = np.full(256, _FOREIGN, np.uint8)
        for value, symbol in enumerate(SYMBOLS):
            for _ in range(BODY - place):
                value = value << 1 ^ (0b100101 if value & 16 else 0)
            table[ord(symbol)] = value
        table.flags.writeable = False
        tables.append(table)
    return tuple(tables)
