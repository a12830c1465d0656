"""What a token looks like: `WC1-7K3M9X2PQRTV8HJED` [T1-T5].

The policy's prefix and the epoch, a hyphen, 80 bits as 16 Crockford base-32 symbols, and one check symbol from the same alphabet:
the Damm scheme over GF(32) with x^5 + x^2 + 1, which finds every wrong symbol and every swap of neighbours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from transforms.contract.buffers import Bytes
from transforms.errors import InvalidInput

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
SYMBOLS: Final = 16
TOKEN_PATTERN: Final = r"[A-Z]{2,4}[0-9]+-[0-9A-HJKMNP-TV-Z]{17}"  # noqa: S105 - not a password

_POLYNOMIAL = 0b100101
_GROUP_BITS = 10  # two symbols: a table of 1,024 entries stays in the first-level cache
_GROUPS = SYMBOLS * 5 // _GROUP_BITS
_CHUNK_ROWS = 16_384
_PREFIX = re.compile(r"[A-Z]{2,4}[0-9]+-")
_READ = re.compile(r"([A-Z]{2,4})([1-9][0-9]{0,8})([0-9A-TV-Z]{17})")
_LONGEST = 64
_MISREAD = str.maketrans("OIL", "011")


@dataclass(frozen=True, slots=True)
class Token:
    """One token, read: `text` is its normal form, `symbols` the 16 of its 80 bits."""

    prefix: str
    epoch: int
    symbols: str

    @property
    def text(self) -> str:
        """The token as the columns write it."""
        return f"{self.prefix}{self.epoch}-{self.symbols}{check_symbol(self.symbols)}"


def check_symbol(symbols: str) -> str:
    """The Damm check symbol of some symbols of the alphabet: t <- 2 * (t xor d) over GF(32)."""
    interim = 0
    for symbol in symbols:
        interim = _doubled(interim ^ ALPHABET.index(symbol))
    return ALPHABET[interim]


def parse_token(text: str) -> Token:
    """Reads a token as people type it: case and hyphens do not matter, o is read as 0, i and l as 1.

    Raises:
        InvalidInput: the text is no token (`token-malformed`), or it is one with a typing error (`token-mistyped`). The error
            does not say which text.
    """
    bare = text.strip().replace("-", "").upper() if text.isascii() and len(text) <= _LONGEST else ""
    match = _READ.fullmatch(bare)
    if match is None:
        raise InvalidInput("this is not a token", code="token-malformed", hint="a token looks like WC1- and 17 letters and digits")
    body = match[3].translate(_MISREAD)
    if check_symbol(body[:SYMBOLS]) != body[SYMBOLS]:
        raise InvalidInput("the token is mistyped: its check symbol does not fit", code="token-mistyped", hint="read it once more")
    return Token(match[1], int(match[2]), body[:SYMBOLS])


def format_tokens(prefix: str, macs: Bytes, valid: npt.NDArray[np.bool_]) -> pa.StringArray:
    """The tokens of a column.

    Args:
        prefix: letters, epoch and hyphen, such as `WC1-`.
        macs: (n, 16) bytes; the first 80 bits of a row make its token.
        valid: n booleans; where False the row is null, and no byte of its MAC is in the result.

    Returns:
        n tokens.

    Raises:
        ValueError: the prefix has another form.
    """
    if not _PREFIX.fullmatch(prefix):
        raise ValueError("a token's prefix is two to four capital letters, the epoch and a hyphen")
    whole = bool(valid.all())
    rows = macs if whole else macs[valid]
    head = np.frombuffer(prefix.encode(), f"V{len(prefix)}")[0]
    texts = np.empty(len(rows), [("head", head.dtype), ("pairs", "<u2", (_GROUPS,)), ("check", np.uint8)])
    texts["head"] = head
    for begin in range(0, len(rows), _CHUNK_ROWS):
        _write_symbols(rows[begin : begin + _CHUNK_ROWS], texts[begin : begin + _CHUNK_ROWS])
    width = texts.dtype.itemsize
    if whole:
        offsets = np.arange(0, (len(rows) + 1) * width, width, dtype=np.int32)
        return pa.StringArray.from_buffers(len(valid), pa.py_buffer(offsets.data), pa.py_buffer(texts.data))
    offsets = np.zeros(len(valid) + 1, np.int32)
    np.cumsum(valid * np.int32(width), out=offsets[1:])
    return pa.StringArray.from_buffers(
        len(valid), pa.py_buffer(offsets.data), pa.py_buffer(texts.data), pa.array(valid).buffers()[1]
    )


def _write_symbols(macs: Bytes, texts: npt.NDArray[np.void]) -> None:
    """Fills in the symbols and the check symbol of some tokens, ten bits at a time."""
    tables = _group_tables()
    high = macs[:, :8].copy().view(">u8").ravel().astype(np.uint64)  # bits 0 to 63
    low = macs[:, 2:10].copy().view(">u8").ravel().astype(np.uint64)  # bits 16 to 79
    check = np.zeros(len(macs), np.uint32)
    for group in range(_GROUPS):
        word, shift = (high, 54 - 10 * group) if group < _GROUPS // 2 else (low, 70 - 10 * group)
        index = ((word >> np.uint64(shift)) & np.uint64(0x3FF)).view(np.int64)
        found = tables[group].take(index, mode="clip")
        texts["pairs"][:, group] = found.view(np.uint16)[::2]
        check ^= found
    texts["check"] = np.frombuffer(ALPHABET.encode(), np.uint8).take((check >> np.uint32(16)), mode="clip")


@cache
def _group_tables() -> npt.NDArray[np.uint32]:
    """For each group and each of its 1,024 values: two symbols (low half) and its share of the check symbol (high half).

    The check symbol is linear over GF(2), so it is the XOR of what each group alone would give.
    """
    tables = np.empty((_GROUPS, 1 << _GROUP_BITS), "<u4")
    for group in range(_GROUPS):
        for value in range(1 << _GROUP_BITS):
            interim = _doubled(_doubled(value >> 5) ^ (value & 31))
            for _ in range(2 * (_GROUPS - 1 - group)):
                interim = _doubled(interim)
            pair = (ALPHABET[value >> 5] + ALPHABET[value & 31]).encode()
            tables[group, value] = int.from_bytes(pair, "little") | interim << 16
    tables.flags.writeable = False
    return tables


def _doubled(element: int) -> int:
    return (element << 1) ^ (_POLYNOMIAL if element & 16 else 0)
