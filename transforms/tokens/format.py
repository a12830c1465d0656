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
SYMBOLS_PATTERN: Final = "[0-9A-HJKMNP-TV-Z]{17}"
TOKEN_PATTERN: Final = f"[A-Z]{{2,4}}[0-9]+-{SYMBOLS_PATTERN}"

_POLYNOMIAL = 0b100101
_GROUP_BITS = 10  # two symbols: a table of 1,024 entries stays in the first-level cache
_GROUPS = SYMBOLS * 5 // _GROUP_BITS
_CHUNK_ROWS = 8_192
_PREFIX = re.compile(r"[A-Z]{2,4}[0-9]+-")
_READ = re.compile(r"([A-Z]{2,4})([1-9][0-9]{0,8})-?([0-9A-TV-Z]{17})")
_LONGEST = 64
_MISREAD = str.maketrans("OIL", "011")


@dataclass(frozen=True, slots=True)
class Token:
    """One token, read: the policy's prefix, the epoch, and the 16 symbols of its 80 bits."""

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
    typed = text.strip().upper() if text.isascii() and len(text) <= _LONGEST else ""
    head = _PREFIX.match(typed)
    # A hyphen behind the epoch says where it ends: without that, one symbol too many would pass for a later epoch.
    match = _READ.fullmatch((head[0] if head else "") + typed[head.end() if head else 0 :].replace("-", ""))
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
    head = np.frombuffer(prefix.encode(), f"V{len(prefix)}")
    texts = np.empty(len(rows), [("head", head.dtype), ("symbols", f"V{SYMBOLS}"), ("check", np.uint8)])
    for begin in range(0, len(rows), _CHUNK_ROWS):
        part = texts[begin : begin + _CHUNK_ROWS]
        part["head"] = np.repeat(head, len(part))
        part["symbols"], part["check"] = _symbols(np.ascontiguousarray(rows[begin : begin + _CHUNK_ROWS]))
    width = texts.dtype.itemsize
    if whole:
        offsets = np.arange(0, (len(rows) + 1) * width, width, dtype=np.int32)
        return pa.StringArray.from_buffers(len(valid), pa.py_buffer(offsets.data), pa.py_buffer(texts.data))
    offsets = np.zeros(len(valid) + 1, np.int32)
    np.cumsum(valid * np.int32(width), out=offsets[1:])
    return pa.StringArray.from_buffers(
        len(valid), pa.py_buffer(offsets.data), pa.py_buffer(texts.data), pa.array(valid).buffers()[1]
    )


def _symbols(macs: Bytes) -> tuple[npt.NDArray[np.void], Bytes]:
    """The 16 symbols and the check symbol of n MACs, looked up ten bits at a time."""
    pairs, shares = _pair_tables(), _share_tables()
    words = macs.view(">u8").astype(np.uint64)
    forties = (words[:, 0] >> np.uint64(24), (words[:, 0] & np.uint64(0xFFFFFF)) << np.uint64(16) | words[:, 1] >> np.uint64(48))
    symbols = np.zeros((len(macs), 2), np.uint64)
    check = np.zeros(len(macs), np.uint8)
    for group in range(_GROUPS):
        half, place = divmod(group, _GROUPS // 2)
        index = (forties[half] >> np.uint64(30 - 10 * place) & np.uint64(0x3FF)).view(np.int64)
        symbols[:, half] |= pairs[place].take(index, mode="clip")
        check ^= shares[group].take(index, mode="clip")
    return symbols.view(f"V{SYMBOLS}").ravel(), np.frombuffer(ALPHABET.encode(), np.uint8)[check]


@cache
def _pair_tables() -> npt.NDArray[np.uint64]:
    """For each ten bits of forty, the two symbols where they stand among eight, first symbol in the first byte."""
    symbols = ALPHABET.encode()
    pairs = [high | low << 8 for high in symbols for low in symbols]
    tables = np.array([[pair << 16 * place for pair in pairs] for place in range(_GROUPS // 2)], "<u8").astype(np.uint64)
    tables.flags.writeable = False
    return tables


@cache
def _share_tables() -> Bytes:
    """For each ten bits of eighty, their share of the check symbol.

    The scheme is linear over GF(2): the check symbol is the XOR of what each ten bits alone would give.
    """
    tables = np.empty((_GROUPS, 1 << _GROUP_BITS), np.uint8)
    for value in range(1 << _GROUP_BITS):
        share = _doubled(_doubled(value >> 5) ^ (value & 31))
        for group in reversed(range(_GROUPS)):
            tables[group, value] = share
            share = _doubled(_doubled(share))
    tables.flags.writeable = False
    return tables


def _doubled(element: int) -> int:
    return (element << 1) ^ (_POLYNOMIAL if element & 16 else 0)
