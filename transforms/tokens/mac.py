"""AES-256-CMAC (NIST SP 800-38B, RFC 4493) of a whole column at a time.

CMAC chains one AES call a block, so one message cannot be hurried; a column can: the first blocks of all its messages are
encrypted by one AES-ECB call, then all second blocks, and so on. ECB here is the bare block cipher of SP 800-38B section 5,
applied to many independent chains; its output never leaves as a ciphertext. Every result equals `cryptography`'s one-value CMAC
bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from transforms.contract.buffers import Bytes, validity
from transforms.errors import ExportError
from transforms.tokens.aes import BLOCK as BLOCK
from transforms.tokens.aes import BLOCK_TYPE, CHUNK_ROWS, SPARE, BlockCipher, Blocks, block_buffer, xor
from transforms.tokens.aes import KEY_BYTES as KEY_BYTES
from transforms.tokens.aes import Key as Key
from transforms.tokens.cells import Cells, Places, cells_of

HEADER: Final = 2  # bytes of a field's length, big-endian
MAX_FIELD_BYTES: Final = 0xFFFF

_NOT_LAST = BLOCK + 1  # row of a table of last-block masks that changes nothing


def _leading_bytes() -> Blocks:
    """Row k keeps the first k bytes of a block and clears the rest."""
    table = np.zeros((BLOCK + 1, BLOCK), np.uint8)
    for kept in range(BLOCK + 1):
        table[kept, :kept] = 0xFF
    table.flags.writeable = False
    return table.reshape(-1).view(BLOCK_TYPE)


_LEADING = _leading_bytes()


class Cmac:
    """CMAC under one key of 16, 24 or 32 bytes: the block cipher and its two subkeys (SP 800-38B section 6.1)."""

    def __init__(self, key: Key) -> None:
        self.cipher = BlockCipher(key)
        zero = block_buffer(1)
        self.cipher.encrypt(zero)
        self.k1 = doubled(zero[:BLOCK].tobytes())
        self.k2 = doubled(self.k1)

    def of_cells(self, cells: Cells) -> Bytes:
        """The (n, 16) CMACs of n messages; one of length 0 is the empty message."""
        state = block_buffer(len(cells))
        last = self._last_block_of_message()
        for begin in range(0, len(cells), CHUNK_ROWS):
            chunk = cells.rows(begin, begin + CHUNK_ROWS)
            _absorb(self.cipher, _state_of(state, begin, len(chunk)), chunk, 0, last)
        return state[: len(cells) * BLOCK].reshape(-1, BLOCK)

    def of_fields(self, columns: Sequence[Cells]) -> Bytes:
        """The (n, 16) CMACs of n rows of fields, framed as `cmac_fields` says."""
        rows = len(columns[0])
        state = block_buffer(rows)
        last = self._last_block_of_fields()
        for begin in range(0, rows, CHUNK_ROWS):
            end = min(begin + CHUNK_ROWS, rows)
            part = _state_of(state, begin, end - begin)
            for column in columns[:-1]:
                _absorb(self.cipher, part, column.rows(begin, end), HEADER, None)
            _absorb(self.cipher, part, columns[-1].rows(begin, end), HEADER, last)
        return state[: rows * BLOCK].reshape(-1, BLOCK)

    def _last_block_of_message(self) -> Blocks:
        """Row k is what the last block of a plain message is XORed with when k of its bytes are used (padding and subkey)."""
        table = np.zeros((_NOT_LAST + 1, BLOCK), np.uint8)
        table[:BLOCK] = np.frombuffer(self.k2, np.uint8)
        table[np.arange(BLOCK), np.arange(BLOCK)] ^= 0x80
        table[BLOCK] = np.frombuffer(self.k1, np.uint8)
        return table.reshape(-1).view(BLOCK_TYPE)

    def _last_block_of_fields(self) -> Blocks:
        """The same for framed fields, whose last block is always whole: K1 whatever k is."""
        table = np.zeros((_NOT_LAST + 1, BLOCK), np.uint8)
        table[: BLOCK + 1] = np.frombuffer(self.k1, np.uint8)
        return table.reshape(-1).view(BLOCK_TYPE)


def doubled(block: bytes) -> bytes:
    """Twice a block in GF(2^128), SP 800-38B section 6.1 step 2."""
    value = int.from_bytes(block, "big") << 1
    return ((value & ((1 << 128) - 1)) ^ (0x87 if value >> 128 else 0)).to_bytes(BLOCK, "big")


def _cmac_of(key: Key) -> Cmac:
    if len(key) != KEY_BYTES:
        raise ValueError("an AES-256-CMAC key has 32 bytes")
    return Cmac(key)


def cmac(key: Key, messages: pa.Array[Any] | pa.ChunkedArray[Any]) -> Bytes:
    """The AES-256-CMAC of every message of a column.

    Args:
        key: 32 bytes.
        messages: n rows of string, binary, large_string or large_binary, or a dictionary of one of them; slices, chunks and
            messages of any length in one column are fine.

    Returns:
        (n, 16) bytes, row i the full 128-bit CMAC of message i. A null message has no CMAC: its row is 16 zero bytes, and the
        caller goes by the column's own validity.

    Raises:
        ValueError: the key has another length.
        TypeError: the column is of another type.
    """
    mac = _cmac_of(key)
    if isinstance(messages, pa.ChunkedArray):
        parts = [_cmac_array(mac, chunk) for chunk in messages.chunks]
        return np.concatenate(parts) if parts else np.empty((0, BLOCK), np.uint8)
    return _cmac_array(mac, messages)


def _cmac_array(mac: Cmac, messages: pa.Array[Any]) -> Bytes:
    if isinstance(messages, pa.DictionaryArray):
        of_values = np.concatenate([_cmac_array(mac, messages.dictionary), np.zeros((1, BLOCK), np.uint8)])
        indices = messages.indices.cast(pa.int64()).fill_null(len(messages.dictionary))
        macs_of_rows: Bytes = of_values[np.asarray(indices.to_numpy())]
        return macs_of_rows
    # Cells are taken a chunk at a time: they copy the text, and a column may be as large as memory.
    chunks = [mac.of_cells(cells_of(messages.slice(begin, CHUNK_ROWS))) for begin in range(0, len(messages), CHUNK_ROWS)]
    macs = np.concatenate(chunks) if chunks else np.empty((0, BLOCK), np.uint8)
    if messages.null_count:
        macs[~validity(messages)] = 0
    return macs


def cmac_fields(key: Key, fields: Sequence[pa.Array[Any] | Cells]) -> Bytes:
    """The AES-256-CMAC of rows made of several fields, under an injective framing.

    The message of a row is, field after field, a big-endian 16-bit length, the field's bytes, and zero bytes up to a multiple of
    16. A null field has length 0, so a caller who tells null from empty keeps empty out (canonical values are never empty). The
    framing is injective for a fixed number of fields: bind that number in the key's label [C4].

    Args:
        key: 32 bytes.
        fields: at least one column of string or binary type, all of n rows.

    Returns:
        (n, 16) bytes, row i the CMAC of row i's message: plain SP 800-38B CMAC, whose last block here is always whole.

    Raises:
        ValueError: the key has another length, there is no field, or the fields differ in length.
        TypeError: a field is of another type.
        ExportError: a value is longer than 65,535 bytes.
    """
    columns = [field if isinstance(field, Cells) else cells_of(field) for field in fields]
    if not columns or len({len(column) for column in columns}) != 1:
        raise ValueError("needs at least one field, and fields of one length")
    for column in columns:
        if column.lengths.max(initial=0) > MAX_FIELD_BYTES:
            raise ExportError(
                "a value is too long to be tokenised",
                code="token-value-too-long",
                hint="lower max_bytes of its column in the contract",
            )
    return _cmac_of(key).of_fields(columns)


def _state_of(state: Bytes, begin: int, rows: int) -> Bytes:
    """The chaining values of some rows, with the 15 bytes of spare room behind them."""
    return state[begin * BLOCK : (begin + rows) * BLOCK + SPARE]


def _absorb(aes: BlockCipher, state: Bytes, cells: Cells, header: int, last: Blocks | None) -> None:
    """Runs one piece of every row's message through the row's chain.

    Args:
        state: the rows' chaining values, 16 bytes a row and 15 spare bytes; changed in place.
        cells: the piece of each row.
        header: bytes of length before the cell: 0 or HEADER.
        last: what the last block of a row's message is XORed with, by the number of bytes used in it; None while more
            pieces follow.
    """
    rows = len(cells)
    windows: Blocks = np.ndarray((len(cells.data) - BLOCK + 1,), BLOCK_TYPE, cells.data, strides=(1,))
    sizes = cells.lengths + header
    counts = np.maximum((sizes + (BLOCK - 1)) >> 4, 1)

    chains = state[: rows * BLOCK]
    blocks = _blocks_at(windows, cells.starts - header, sizes)
    if header:
        blocks.view(np.uint16)[:: BLOCK // 2] = cells.lengths.astype(">u2").view(np.uint16)
    xor(chains, blocks)
    if last is not None:
        xor(chains, last[np.where(counts == 1, np.minimum(sizes, BLOCK), _NOT_LAST)])
    aes.encrypt(state)

    # Rows drop out as their cells end; those left are gathered, run, and put back.
    position = 1
    alive = np.flatnonzero(counts > 1)
    while alive.size:
        used = sizes[alive] - position * BLOCK
        blocks = _blocks_at(windows, cells.starts[alive] + (position * BLOCK - header), used)
        scratch = block_buffer(alive.size)
        some = scratch[: alive.size * BLOCK]
        some.view(BLOCK_TYPE)[:] = chains.view(BLOCK_TYPE)[alive]
        xor(some, blocks)
        position += 1
        if last is not None:
            xor(some, last[np.where(counts[alive] == position, np.minimum(used, BLOCK), _NOT_LAST)])
        aes.encrypt(scratch)
        chains.view(BLOCK_TYPE)[alive] = some.view(BLOCK_TYPE)
        alive = alive[counts[alive] > position]


def _blocks_at(windows: Blocks, places: Places, used: Places) -> Bytes:
    """The 16 bytes from each place on, cleared after the first `used` of them.

    A stride-1 view of 16-byte items makes this one gather a block: several times faster than gathering bytes.
    """
    blocks = windows[places].view(np.uint64)
    blocks &= _LEADING[np.minimum(used, BLOCK)].view(np.uint64)
    return blocks.view(np.uint8)
