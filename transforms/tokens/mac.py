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
import numpy.typing as npt
import pyarrow as pa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from transforms.contract.buffers import Bytes, validity
from transforms.errors import ExportError
from transforms.tokens.cells import Cells, Places, cells_of

KEY_BYTES: Final = 32
BLOCK: Final = 16
HEADER: Final = 2  # bytes of a field's length, big-endian
MAX_FIELD_BYTES: Final = 0xFFFF

_CHUNK_ROWS = 32_768  # 512 KiB of state: stays in the second-level cache, and keeps the calls few
_BLOCK_TYPE = np.dtype("V16")
_NOT_LAST = BLOCK + 1  # row of a table of last-block masks that changes nothing

Blocks = npt.NDArray[np.void]
Key = bytes | bytearray | memoryview


def _leading_bytes() -> Blocks:
    """Row k keeps the first k bytes of a block and clears the rest."""
    table = np.zeros((BLOCK + 1, BLOCK), np.uint8)
    for kept in range(BLOCK + 1):
        table[kept, :kept] = 0xFF
    table.flags.writeable = False
    return table.reshape(-1).view(_BLOCK_TYPE)


_LEADING = _leading_bytes()


class _Aes:
    """The bare block cipher under one key, with the two CMAC subkeys (SP 800-38B section 6.1)."""

    def __init__(self, key: Key) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError("an AES-256-CMAC key has 32 bytes")
        self._encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - the block cipher of CMAC
        zero = np.zeros(2 * BLOCK, np.uint8)
        self.encrypt(zero)
        self.k1 = _doubled(zero[:BLOCK].tobytes())
        self.k2 = _doubled(self.k1)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a key does not leave its process")

    def encrypt(self, buffer: Bytes) -> None:
        """Encrypts whole blocks in place; the last 15 or 16 bytes are spare room that OpenSSL asks for."""
        whole = (len(buffer) - (BLOCK - 1)) // BLOCK * BLOCK
        self._encryptor.update_into(buffer[:whole].data, buffer.data)

    def last_block_of_message(self) -> Blocks:
        """Row k is what the last block of a plain message is XORed with when k of its bytes are used (padding and subkey)."""
        table = np.zeros((_NOT_LAST + 1, BLOCK), np.uint8)
        table[:BLOCK] = np.frombuffer(self.k2, np.uint8)
        table[np.arange(BLOCK), np.arange(BLOCK)] ^= 0x80
        table[BLOCK] = np.frombuffer(self.k1, np.uint8)
        return table.reshape(-1).view(_BLOCK_TYPE)

    def last_block_of_fields(self) -> Blocks:
        """The same for framed fields, whose last block is always whole: K1 whatever k is."""
        table = np.zeros((_NOT_LAST + 1, BLOCK), np.uint8)
        table[: BLOCK + 1] = np.frombuffer(self.k1, np.uint8)
        return table.reshape(-1).view(_BLOCK_TYPE)


def _doubled(block: bytes) -> bytes:
    """Twice a block in GF(2^128), SP 800-38B section 6.1 step 2."""
    value = int.from_bytes(block, "big") << 1
    return ((value & ((1 << 128) - 1)) ^ (0x87 if value >> 128 else 0)).to_bytes(BLOCK, "big")


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
    aes = _Aes(key)
    if isinstance(messages, pa.ChunkedArray):
        parts = [_cmac_array(aes, chunk) for chunk in messages.chunks]
        return np.concatenate(parts) if parts else np.empty((0, BLOCK), np.uint8)
    return _cmac_array(aes, messages)


def _cmac_array(aes: _Aes, messages: pa.Array[Any]) -> Bytes:
    if isinstance(messages, pa.DictionaryArray):
        of_values = np.concatenate([_cmac_array(aes, messages.dictionary), np.zeros((1, BLOCK), np.uint8)])
        indices = messages.indices.cast(pa.int64()).fill_null(len(messages.dictionary))
        macs_of_rows: Bytes = of_values[np.asarray(indices.to_numpy())]
        return macs_of_rows
    last = aes.last_block_of_message()
    state = np.zeros(len(messages) * BLOCK + BLOCK - 1, np.uint8)
    for begin in range(0, len(messages), _CHUNK_ROWS):
        chunk = cells_of(messages.slice(begin, _CHUNK_ROWS))
        _absorb(aes, _state_of(state, begin, len(chunk)), chunk, 0, last)
    macs = state[: len(messages) * BLOCK].reshape(-1, BLOCK)
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
    aes = _Aes(key)
    last = aes.last_block_of_fields()
    rows = len(columns[0])
    state = np.zeros(rows * BLOCK + BLOCK - 1, np.uint8)
    for begin in range(0, rows, _CHUNK_ROWS):
        end = min(begin + _CHUNK_ROWS, rows)
        part = _state_of(state, begin, end - begin)
        for column in columns[:-1]:
            _absorb(aes, part, column.rows(begin, end), HEADER, None)
        _absorb(aes, part, columns[-1].rows(begin, end), HEADER, last)
    return state[: rows * BLOCK].reshape(-1, BLOCK)


def _state_of(state: Bytes, begin: int, rows: int) -> Bytes:
    """The chaining values of some rows, with the 15 bytes of spare room behind them."""
    return state[begin * BLOCK : (begin + rows) * BLOCK + BLOCK - 1]


def _absorb(aes: _Aes, state: Bytes, cells: Cells, header: int, last: Blocks | None) -> None:
    """Runs one piece of every row's message through the row's chain.

    Args:
        state: the rows' chaining values, 16 bytes a row and 15 spare bytes; changed in place.
        cells: the piece of each row.
        header: bytes of length before the cell: 0 or HEADER.
        last: what the last block of a row's message is XORed with, by the number of bytes used in it; None while more
            pieces follow.
    """
    rows = len(cells)
    windows: Blocks = np.ndarray((len(cells.data) - BLOCK + 1,), _BLOCK_TYPE, cells.data, strides=(1,))
    sizes = cells.lengths + header
    counts = np.maximum((sizes + (BLOCK - 1)) >> 4, 1)

    chains = state[: rows * BLOCK]
    blocks = _blocks_at(windows, cells.starts - header, sizes)
    if header:
        blocks.view(np.uint16)[:: BLOCK // 2] = cells.lengths.astype(">u2").view(np.uint16)
    _xor(chains, blocks)
    if last is not None:
        _xor(chains, last[np.where(counts == 1, np.minimum(sizes, BLOCK), _NOT_LAST)])
    aes.encrypt(state)

    # Rows drop out as their cells end; those left are gathered, run, and put back.
    position = 1
    alive = np.flatnonzero(counts > 1)
    while alive.size:
        used = sizes[alive] - position * BLOCK
        blocks = _blocks_at(windows, cells.starts[alive] + (position * BLOCK - header), used)
        scratch = np.zeros(alive.size * BLOCK + BLOCK - 1, np.uint8)
        some = scratch[: alive.size * BLOCK]
        some.view(_BLOCK_TYPE)[:] = chains.view(_BLOCK_TYPE)[alive]
        _xor(some, blocks)
        position += 1
        if last is not None:
            _xor(some, last[np.where(counts[alive] == position, np.minimum(used, BLOCK), _NOT_LAST)])
        aes.encrypt(scratch)
        chains.view(_BLOCK_TYPE)[alive] = some.view(_BLOCK_TYPE)
        alive = alive[counts[alive] > position]


def _blocks_at(windows: Blocks, places: Places, used: Places) -> Bytes:
    """The 16 bytes from each place on, cleared after the first `used` of them.

    A stride-1 view of 16-byte items makes this one gather a block: several times faster than gathering bytes.
    """
    blocks = windows[places].view(np.uint64)
    blocks &= _LEADING[np.minimum(used, BLOCK)].view(np.uint64)
    return blocks.view(np.uint8)


def _xor(target: Bytes, other: Blocks | Bytes) -> None:
    """XORs whole blocks into `target`, eight bytes at a time."""
    words = target.view(np.uint64)
    words ^= other.view(np.uint64)
