"""Tokens that the force can decrypt without the export: AES-256-SIV (RFC 5297) of the person and the values [P7, C6].

The person key stands inside the plaintext, in its canonical form, so that two people of one name get two tokens, and a leaver's
token opens to whoever does not know yet whose it is. Values stand there as HR wrote them, in NFC. Every plaintext of a column is
padded to one size, which the contract decides: no length shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from transforms.contract.buffers import Bytes
from transforms.errors import ExportError
from transforms.policy.token_size import LENGTH_BYTES
from transforms.tokens.canonicalise import canonical_cells, composed_cells
from transforms.tokens.cells import Cells
from transforms.tokens.derive import Tokens
from transforms.tokens.mac import Key
from transforms.tokens.siv import siv_encrypt
from transforms.tokens.symbols import format_bytes

_CHUNK_ROWS = 32_768


def associated_data(supplier: str, column: str, epoch: int) -> tuple[bytes, bytes, bytes]:
    """The three strings of associated data, in this order."""
    return supplier.encode(), column.encode(), str(epoch).encode()


def reversible_tokens(
    key: Key,
    associated: Sequence[bytes],
    prefix: str,
    bucket: int,
    person: pa.Array[Any],
    values: Sequence[pa.Array[Any]],
    *,
    always: bool,
) -> Tokens:
    """The reversible tokens of a column.

    Args:
        key: 64 bytes, from `transforms.tokens.derive.column_key`.
        associated: from `associated_data`.
        prefix: letters, epoch and hyphen, such as `WC1-`.
        bucket: bytes of every plaintext, a multiple of 16.
        person: n raw person keys, without nulls or blanks.
        values: columns of n raw values, but for the person key, which is never one of them.
        always: whether every row has a token, because the person key is a source column; if not, rows without any value have none.

    Returns:
        n tokens; null where there is nothing to stand for [P16]. Equal tokens have equal persons and values.

    Raises:
        ExportError: a person key is null or blank; a value holds a forbidden character; a row does not fit into the bucket.
    """
    people = canonical_cells(person)
    if not people.lengths.all():
        raise ExportError("a row to be tokenised has no person key", code="person-key-missing")
    fields = [people, *map(composed_cells, values)]
    valid = np.full(len(people), always)
    used = people.lengths + LENGTH_BYTES
    for field in fields[1:]:
        valid |= field.lengths > 0
        used += field.lengths + LENGTH_BYTES
    if used.max(initial=0) > bucket:
        raise ExportError(
            "a row holds more than its reversible token can",
            code="token-value-too-long",
            hint="the canonical form of a person key is longer than the contract lets the key be: give the key a pattern of digits",
        )
    data = np.empty((len(people), 16 + bucket), np.uint8)
    for begin in range(0, len(people), _CHUNK_ROWS):
        end = min(begin + _CHUNK_ROWS, len(people))
        plaintexts = _framed([field.rows(begin, end) for field in fields], bucket)
        data[begin:end] = siv_encrypt(key, plaintexts, associated)
    order = np.ascontiguousarray(data[:, :8]).view(">u8").ravel().astype(np.uint64)
    order[~valid] = 0
    return Tokens(format_bytes(prefix, data, valid), order)


def read_plaintext(plaintext: bytes, fields: int) -> tuple[str | None, ...]:
    """The fields of one plaintext: the person key, then the values; None for a null one.

    Raises:
        ValueError: it is not that many fields and zero bytes, which no plaintext of ours is.
    """
    found: list[str | None] = []
    position = 0
    for _ in range(fields):
        length = int.from_bytes(plaintext[position : position + LENGTH_BYTES], "big")
        position += LENGTH_BYTES + length
        found.append(plaintext[position - length : position].decode("utf-8") or None)
    if position > len(plaintext) or any(plaintext[position:]):
        raise ValueError("not a plaintext of this column")
    return tuple(found)


def _framed(fields: Sequence[Cells], bucket: int) -> Bytes:
    """(n, bucket) plaintexts: each field after its length as 16 bits, big-endian, then zero bytes.

    Injective for a fixed number of fields, which the key's label counts.
    """
    rows = len(fields[0])
    flat = np.zeros(rows * bucket, np.uint8)
    places: npt.NDArray[np.int64] = np.arange(rows, dtype=np.int64) * bucket
    for field in fields:
        flat[places] = field.lengths >> 8
        flat[places + 1] = field.lengths & 0xFF
        places += LENGTH_BYTES
        ends = np.cumsum(field.lengths)
        steps = np.arange(int(ends[-1]) if rows else 0)
        shift = np.repeat(ends - field.lengths, field.lengths)
        flat[steps + np.repeat(places, field.lengths) - shift] = field.data[steps + np.repeat(field.starts, field.lengths) - shift]
        places += field.lengths
    return flat.reshape(rows, bucket)
