"""Bytes of any one width as symbols of a token: Crockford's alphabet and the check symbol of `transforms.tokens.format`."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from transforms.contract.buffers import Bytes
from transforms.tokens.format import ALPHABET, string_array

_CHUNK_ROWS = 4_096
_GROUP = 5  # bytes that are eight whole symbols
_DAMM = np.array([(value << 1) ^ (0b100101 if value & 16 else 0) for value in range(32)], np.uint8)


def symbol_count(width: int) -> int:
    """The symbols that some bytes need, five bits each."""
    return -(-width * 8 // 5)


def format_bytes(prefix: str, data: Bytes, valid: npt.NDArray[np.bool_]) -> pa.StringArray:
    """The tokens that all bytes of a row make: prefix, symbols, check symbol.

    Args:
        prefix: letters, epoch and hyphen, such as `WC1-`.
        data: (n, width) bytes; the last symbol is filled up with zero bits.
        valid: n booleans; where False the row is null, and no byte of it is in the result.

    Returns:
        n tokens.
    """
    rows = data if valid.all() else data[valid]
    count = symbol_count(data.shape[1])
    head = np.frombuffer(prefix.encode(), np.uint8)
    texts = np.empty((len(rows), head.size + count + 1), np.uint8)
    alphabet = np.frombuffer(ALPHABET.encode(), np.uint8)
    texts[:, : head.size] = head
    for begin in range(0, len(rows), _CHUNK_ROWS):
        chunk = slice(begin, begin + _CHUNK_ROWS)
        values = _values(rows[chunk], count)
        texts[chunk, head.size : -1] = alphabet[values]
        texts[chunk, -1] = alphabet[_check(values)]
    return string_array(texts.reshape(-1), texts.shape[1], valid)


def bytes_of_symbols(symbols: list[str], width: int) -> tuple[Bytes, npt.NDArray[np.bool_]]:
    """The inverse, for symbols without their check symbol.

    Args:
        symbols: m texts, each of `symbol_count(width)` symbols of the alphabet.
        width: bytes of each.

    Returns:
        (m, width) bytes, and m booleans: False where the bits that fill up the last symbol are not zero.
    """
    count = symbol_count(width)
    values = _symbol_values()[np.frombuffer("".join(symbols).encode(), np.uint8)].reshape(len(symbols), count)
    bits = np.unpackbits(values[:, :, np.newaxis], axis=2)[:, :, 3:].reshape(len(symbols), count * 5)
    return np.packbits(bits[:, : width * 8], axis=1), bits[:, width * 8 :].sum(axis=1) == 0


def _values(rows: Bytes, count: int) -> Bytes:
    """The (n, count) five-bit values of some rows, most significant bits first."""
    groups = -(-rows.shape[1] // _GROUP)
    whole = np.zeros((len(rows), groups * _GROUP), np.uint8)
    whole[:, : rows.shape[1]] = rows
    octets = whole.reshape(len(rows), groups, _GROUP).astype(np.uint64)
    words = np.zeros((len(rows), groups), np.uint64)
    for place in range(_GROUP):
        words = words << np.uint64(8) | octets[:, :, place]
    values = np.empty((len(rows), groups, 8), np.uint8)
    for place in range(8):
        values[:, :, place] = words >> np.uint64(35 - 5 * place) & np.uint64(31)
    return values.reshape(len(rows), groups * 8)[:, :count]


def _check(values: Bytes) -> Bytes:
    """The values of the check symbols: Damm's scheme over GF(32), place by place."""
    interim: Bytes = np.zeros(len(values), np.uint8)
    for column in np.ascontiguousarray(values.T):
        interim = _DAMM[interim ^ column]
    return interim


@cache
def _symbol_values() -> Bytes:
    table = np.zeros(256, np.uint8)
    table[np.frombuffer(ALPHABET.encode(), np.uint8)] = np.arange(32)
    table.flags.writeable = False
    return table
