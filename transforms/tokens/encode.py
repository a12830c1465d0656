"""The symbols and check symbols of whole columns of MACs, looked up fifteen bits at a time.

Each 15 of a token's 80 bits are three symbols. One table holds, for every 15 bits, the three symbols and their share of the check
symbol: 128 KiB, which the second-level cache keeps. Its entries go straight into the texts, so that no symbol is handled by itself.

Damm's scheme, t <- x * (t + d) over GF(32), is a polynomial in x: the check is the sum of d[i] * x^(16 - i). Shares are kept as
plain polynomials and reduced twice.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from transforms.contract.buffers import Bytes

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
POLYNOMIAL: Final = 0b100101  # x^5 + x^2 + 1
WRITTEN: Final = 17  # symbols with the check symbol

_CHUNK_ROWS = 16_384
_GROUPS = 5  # of 15 bits; one symbol is left
_REDUCED_AT = 3  # groups after which the sum of shares has 13 bits
_SHIFTS = (49, 34, 19, 4)  # where the first four lie in the first 64 bits


def write_symbols(texts: Bytes, macs: Bytes) -> None:
    """Writes sixteen symbols and their check symbol into the end of every text.

    Args:
        texts: (n, width) bytes, contiguous; the last 17 of each row are written.
        macs: (n, 16) bytes; the first 80 bits of a row are its symbols.
    """
    triples, middles, checks = _triples(), _remainders(), _check_letters()
    letters = np.frombuffer(ALPHABET.encode(), np.uint8)
    width = texts.shape[1]
    names = [f"group {group}" for group in range(_GROUPS)]
    # An entry has four bytes and three symbols: the next one is written over its last byte.
    record = np.dtype(
        {
            "names": [*names, "last", "check"],
            "formats": ["<u4"] * _GROUPS + ["u1", "u1"],
            "offsets": [*range(width - WRITTEN, width - 2, 3), width - 2, width - 1],
            "itemsize": width,
        }
    )
    records = texts.reshape(-1).view(record)
    size = min(_CHUNK_ROWS, len(macs))
    group, entry, shares = np.empty(size, np.uint64), np.empty(size, np.uint32), np.empty(size, np.uint32)
    for begin in range(0, len(macs), _CHUNK_ROWS):
        part = records[begin : begin + _CHUNK_ROWS]
        words = macs[begin : begin + _CHUNK_ROWS].view(">u8")
        first, second = words[:, 0].astype(np.uint64), words[:, 1].astype(np.uint64)
        group, entry, shares = group[: len(part)], entry[: len(part)], shares[: len(part)]
        shares.fill(0)
        for number, name in enumerate(names):
            if number < len(_SHIFTS):
                np.right_shift(first, np.uint64(_SHIFTS[number]), out=group)
            else:
                np.left_shift(first, np.uint64(11), out=group)
                group |= second >> np.uint64(53)
            group &= np.uint64(0x7FFF)
            triples.take(group.view(np.int64), out=entry, mode="clip")
            part[name] = entry
            entry >>= np.uint32(24)
            if number == _REDUCED_AT:
                shares = middles.take(shares.view(np.int32), mode="clip")
            shares <<= np.uint32(3)
            shares ^= entry
        second >>= np.uint64(48)
        second &= np.uint64(31)
        last = second.view(np.int64)
        part["last"] = letters.take(last, mode="clip")
        shares <<= np.uint32(1)
        shares ^= second.astype(np.uint32)
        part["check"] = checks.take(shares.view(np.int32), mode="clip")


def remainder(value: int) -> int:
    """A polynomial over GF(2), reduced to an element of GF(32)."""
    for place in reversed(range(5, value.bit_length())):
        if value >> place & 1:
            value ^= POLYNOMIAL << place - 5
    return value


@cache
def _triples() -> npt.NDArray[np.uint32]:
    """For each 15 bits: their three symbols in the low bytes, first one first, and d0 * x^2 + d1 * x + d2 in the high byte."""
    letters = np.frombuffer(ALPHABET.encode(), np.uint8).astype(np.uint32)
    values = np.arange(1 << 15, dtype=np.uint32)
    one, two, three = values >> 10, values >> 5 & 31, values & 31
    table: npt.NDArray[np.uint32] = letters[one] | letters[two] << 8 | letters[three] << 16 | (one << 2 ^ two << 1 ^ three) << 24
    table.flags.writeable = False
    return table


@cache
def _remainders() -> npt.NDArray[np.uint32]:
    """For each sum of the first three shares its remainder."""
    table = np.array([remainder(value) for value in range(1 << 13)], np.uint32)
    table.flags.writeable = False
    return table


@cache
def _check_letters() -> Bytes:
    """For each sum of that remainder, the last two shares and the last symbol: the check symbol."""
    table = np.array([ord(ALPHABET[remainder(value << 1)]) for value in range(1 << 12)], np.uint8)
    table.flags.writeable = False
    return table
