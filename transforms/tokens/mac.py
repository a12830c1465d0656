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
        last = self._last_blocks()
        for begin in range(0, len(cells), CHUNK_ROWS):
            chunk = cells.rows(begin, begin + CHUNK_ROWS)
            _absorb(self.cipher, _state_of(state, begin, len(chunk)), chunk, 0, last)
        return state[: len(cells) * BLOCK].reshape(-1, BLOCK)

    def of_fields(self, fields: Sequence[pa.Array[Any] | Cells]) -> Bytes:
        """`cmac_fields` under this key."""
        rows = len(fields[0])
        state = block_buffer(rows)
        k1 = np.frombuffer(self.k1, BLOCK_TYPE)  # the last block of framed fields is always whole
        for begin in range(0, rows, CHUNK_ROWS):
            end = min(begin + CHUNK_ROWS, rows)
            part = _state_of(state, begin, end - begin)
            for field in fields[:-1]:
                _absorb(self.cipher, part, _some_cells(field, begin, end), HEADER, None)
            _absorb(self.cipher, part, _some_cells(fields[-1], begin, end), HEADER, k1)
        return state[: rows * BLOCK].reshape(-1, BLOCK)

    def _last_blocks(self) -> Blocks:
        """Row k is what the last block of a plain message is XORed with when k of its bytes are used (padding and subkey)."""
        table = np.zeros((BLOCK + 1, BLOCK), np.uint8)
        table[:BLOCK] = np.frombuffer(self.k2, np.uint8)
        table[np.arange(BLOCK), np.arange(BLOCK)] ^= 0x80
        table[BLOCK] = np.frombuffer(self.k1, np.uint8)
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
    if not fields or len({len(field) for field in fields}) != 1:
        raise ValueError("needs at least one field, and fields of one length")
    return _cmac_of(key).of_fields(fields)


def _some_cells(field: pa.Array[Any] | Cells, begin: int, end: int) -> Cells:
    """Rows of a field as cells, made when they are needed: small enough to stay in the cache from one step to the next."""
    cells = field.rows(begin, end) if isinstance(field, Cells) else cells_of(field.slice(begin, end - begin))
    if cells.lengths.max(initial=0) > MAX_FIELD_BYTES:
        raise ExportError(
            "a value is too long to be tokenised",
            code="token-value-too-long",
            hint="lower max_bytes of its column in the contract",
        )
    return cells


def _state_of(state: Bytes, begin: int, rows: int) -> Bytes:
    """The chaining values of some rows, with the 15 bytes of spare room behind them."""
    return state[begin * BLOCK : (begin + rows) * BLOCK + SPARE]


def _absorb(aes: BlockCipher, state: Bytes, cells: Cells, header: int, last: Blocks | None) -> None:
    """Runs one piece of every row's message through the row's chain.

    Args:
        state: the rows' chaining values, 16 bytes a row and 15 spare bytes; changed in place.
        cells: the piece of each row.
        header: bytes of length before the cell: 0 or HEADER.
        last: what the last block of a row's message is XORed with: one block for all, or one for each number of bytes used in it;
            None while more pieces follow.
    """
    chains = state[: len(cells) * BLOCK]
    windows: Blocks = np.ndarray((len(cells.data) - BLOCK + 1,), BLOCK_TYPE, cells.data, strides=(1,))
    blocks = _first_blocks(windows, cells, header)
    if header:
        blocks.view(np.uint16)[:: BLOCK // 2] = cells.lengths.astype(">u2").view(np.uint16)
    xor(chains, blocks)
    alive = np.flatnonzero(cells.lengths > BLOCK - header)
    if last is not None:
        sizes = cells.lengths + header
        _close(chains, last, sizes)
        if alive.size:  # too early for these: the same once more takes it back
            early = chains.view(BLOCK_TYPE)[alive].view(np.uint8)
            _close(early, last, sizes[alive])
            chains.view(BLOCK_TYPE)[alive] = early.view(BLOCK_TYPE)
    aes.encrypt(state)

    # Rows drop out as their cells end; those left are gathered, run, and put back.
    position = 1
    while alive.size:
        used = cells.lengths[alive] + (header - position * BLOCK)
        blocks = _blocks_at(windows, cells.starts[alive] + (position * BLOCK - header), used)
        scratch = block_buffer(alive.size)
        some = scratch[: alive.size * BLOCK]
        some.view(BLOCK_TYPE)[:] = chains.view(BLOCK_TYPE)[alive]
        xor(some, blocks)
        going_on = used > BLOCK
        if last is not None:
            ended = np.flatnonzero(~going_on)
            closed = some.view(BLOCK_TYPE)[ended].view(np.uint8)
            _close(closed, last, used[ended])
            some.view(BLOCK_TYPE)[ended] = closed.view(BLOCK_TYPE)
        aes.encrypt(scratch)
        chains.view(BLOCK_TYPE)[alive] = some.view(BLOCK_TYPE)
        alive = alive[going_on]
        position += 1


def _close(chains: Bytes, last: Blocks, used: Places) -> None:
    """XORs what belongs to the last block into chains, of whose last block so many bytes are used."""
    if len(last) > 1:
        xor(chains, last[np.minimum(used, BLOCK)])
        return
    words, block = chains.view(np.uint64), last.view(np.uint64)
    words[0::2] ^= block[0]
    words[1::2] ^= block[1]


def _first_blocks(windows: Blocks, cells: Cells, header: int) -> Bytes:
    """The first 16 bytes of each piece, with room for the header before the cell and zeros behind it."""
    width = int(cells.lengths[0]) if len(cells) else 0
    if not 0 < width <= BLOCK - header or (cells.lengths != width).any() or (np.diff(cells.starts) != width).any():
        return _blocks_at(windows, cells.starts - header, cells.lengths + header)
    # Cells of one width that stand in a row, as pay numbers do: a strided copy, and one mask for all.
    begin = int(cells.starts[0]) - header
    blocks = np.ndarray((len(cells),), BLOCK_TYPE, cells.data, offset=begin, strides=(width,)).copy().view(np.uint64)
    mask = _LEADING[width + header : width + header + 1].view(np.uint64)
    blocks[0::2] &= mask[0]
    blocks[1::2] &= mask[1]
    return blocks.view(np.uint8)


def _blocks_at(windows: Blocks, places: Places, used: Places) -> Bytes:
    """The 16 bytes from each place on, cleared after the first `used` of them.

    A stride-1 view of 16-byte items makes this one gather a block: several times faster than gathering bytes.
    """
    blocks = windows[places].view(np.uint64)
    blocks &= _LEADING[np.minimum(used, BLOCK)].view(np.uint64)
    return blocks.view(np.uint8)
