"""AES-256-SIV (RFC 5297) of a whole column at a time: deterministic authenticated encryption.

A row's ciphertext is V || C, where V, the synthetic IV, is a CMAC over the associated strings and the plaintext, and C the
plaintext under AES-CTR from V. Equal plaintexts with equal associated strings give equal ciphertexts, and say so: bind what must
not be linked. Every result equals `cryptography`'s one-value AESSIV bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from transforms.contract.buffers import Bytes
from transforms.tokens.aes import BLOCK, BLOCK_TYPE, CHUNK_ROWS, BlockCipher, Key, block_buffer, xor
from transforms.tokens.cells import Cells, cells_of
from transforms.tokens.mac import Cmac

SIV_KEY_BYTES: Final = 64
TAG_BYTES: Final = BLOCK

Associated = Sequence[bytes | Cells]

_CARRY = np.uint64(0x87)  # x^128 in GF(2^128)
_COUNTER_MASK = np.frombuffer(bytes.fromhex("ffffffffffffffff7fffffff7fffffff"), np.uint8)  # RFC 5297 section 2.5


def siv_encrypt(key: Key, plaintexts: Bytes, associated: Associated) -> Bytes:
    """The AES-256-SIV of every row.

    Args:
        key: 64 bytes: the CMAC key, then the CTR key.
        plaintexts: (n, w) bytes; w is a positive multiple of 16 and one for all rows, so that a ciphertext's length says nothing.
        associated: the strings that each row is bound to, in RFC 5297's order: bytes are one for all rows, cells one a row (a
            null cell is the empty string). No string, and one empty string, are two different things.

    Returns:
        (n, 16 + w) bytes, V || C of each row.

    Raises:
        ValueError: the key or the width is wrong, or some cells are not n.
    """
    _check(key, plaintexts, plaintexts.shape[-1])
    return Siv(key).encrypt(plaintexts, associated)


def siv_decrypt(key: Key, ciphertexts: Bytes, associated: Associated) -> tuple[Bytes, npt.NDArray[np.bool_]]:
    """The plaintexts of what `siv_encrypt` gave, and which of them are genuine.

    Args:
        key, associated: those of `siv_encrypt`.
        ciphertexts: (n, 16 + w) bytes.

    Returns:
        (n, w) bytes and n booleans. A row whose V does not verify is False and all zero. All rows are compared whole: the time
        does not tell how much of a forged V was right.

    Raises:
        ValueError: the key or the width is wrong, or some cells are not n.
    """
    _check(key, ciphertexts, ciphertexts.shape[-1] - TAG_BYTES)
    return Siv(key).decrypt(ciphertexts, associated)


def _check(key: Key, rows: Bytes, width: int) -> None:
    if len(key) != SIV_KEY_BYTES:
        raise ValueError("an AES-256-SIV key has 64 bytes")
    if rows.ndim != 2 or rows.dtype != np.uint8 or width <= 0 or width % BLOCK:
        raise ValueError("plaintexts are rows of bytes, a positive multiple of 16 in each")


class Siv:
    """SIV under one key, for rows of any one width and for all key lengths of RFC 5297, as its vectors need."""

    def __init__(self, key: Key) -> None:
        if len(key) not in (32, 48, 64):
            raise ValueError("an AES-SIV key has 32, 48 or 64 bytes")
        self._cmac = Cmac(key[: len(key) // 2])
        self._counter = BlockCipher(key[len(key) // 2 :])

    def encrypt(self, plaintexts: Bytes, associated: Associated) -> Bytes:
        """`siv_encrypt` for any width."""
        rows, width = plaintexts.shape
        strings = self._strings(associated, rows)
        out = np.empty((rows, TAG_BYTES + width), np.uint8)
        for begin in range(0, rows, CHUNK_ROWS):
            chunk = slice(begin, min(begin + CHUNK_ROWS, rows))
            tags = self._tags(plaintexts[chunk], strings, chunk)
            out[chunk, :TAG_BYTES] = tags
            out[chunk, TAG_BYTES:] = self._masked(plaintexts[chunk], tags)
        return out

    def decrypt(self, ciphertexts: Bytes, associated: Associated) -> tuple[Bytes, npt.NDArray[np.bool_]]:
        """`siv_decrypt` for any width."""
        rows, width = len(ciphertexts), ciphertexts.shape[1] - TAG_BYTES
        if width < 0:
            raise ValueError("a ciphertext has at least the 16 bytes of its synthetic IV")
        strings = self._strings(associated, rows)
        out = np.empty((rows, width), np.uint8)
        genuine = np.empty(rows, np.bool_)
        for begin in range(0, rows, CHUNK_ROWS):
            chunk = slice(begin, min(begin + CHUNK_ROWS, rows))
            tags = np.ascontiguousarray(ciphertexts[chunk, :TAG_BYTES])
            plaintexts = self._masked(ciphertexts[chunk, TAG_BYTES:], tags)
            found = self._tags(plaintexts, strings, chunk)
            xor(found.reshape(-1), tags.reshape(-1))
            differences = found.view(np.uint64)
            genuine[chunk] = (differences[:, 0] | differences[:, 1]) == 0
            out[chunk] = plaintexts
        out[~genuine] = 0
        return out, genuine

    def _strings(self, associated: Associated, rows: int) -> list[Bytes | Cells]:
        """The associated strings, the constant ones as their (1, 16) CMACs."""
        strings: list[Bytes | Cells] = []
        for string in associated:
            if isinstance(string, Cells):
                if len(string) != rows:
                    raise ValueError("associated cells are one a row")
                strings.append(string)
            else:
                strings.append(self._cmac.of_cells(cells_of(pa.array([string], pa.binary()))))
        return strings

    def _tags(self, plaintexts: Bytes, strings: Sequence[Bytes | Cells], chunk: slice) -> Bytes:
        """The (n, 16) synthetic IVs of some rows: S2V of RFC 5297 section 2.4."""
        rows, width = plaintexts.shape
        total = self._cmac.of_cells(cells_of(pa.array([bytes(BLOCK)], pa.binary())))
        for string in strings:
            macs = self._cmac.of_cells(string.rows(chunk.start, chunk.stop)) if isinstance(string, Cells) else string
            total = _sum(_doubled_rows(total), macs)
        blocks = max((width + BLOCK - 1) // BLOCK, 1)
        messages = np.zeros((rows, blocks * BLOCK), np.uint8)
        messages[:, :width] = plaintexts
        if width < blocks * BLOCK:
            messages[:, width] = 0x80
        if width < BLOCK:
            total = _doubled_rows(total)
            messages ^= total
        elif width % BLOCK:
            messages[:, width - BLOCK : width] ^= total
        else:
            _xor_last_block(messages, total)
        # A string shorter than a block was padded by S2V itself, and is one whole block for CMAC.
        whole = width % BLOCK == 0 or width < BLOCK
        _xor_last_block(messages, np.frombuffer(self._cmac.k1 if whole else self._cmac.k2, np.uint8).reshape(1, BLOCK))
        state = block_buffer(rows)
        chains = state[: rows * BLOCK]
        for block in range(blocks):
            xor(chains, np.ascontiguousarray(messages.view(BLOCK_TYPE)[:, block]))
            self._cmac.cipher.encrypt(state)
        return chains.reshape(rows, BLOCK)

    def _masked(self, texts: Bytes, tags: Bytes) -> Bytes:
        """Texts XORed with the key stream of their tags (RFC 5297 section 2.5), which turns either text into the other."""
        rows, width = texts.shape
        blocks = (width + BLOCK - 1) // BLOCK
        stream = block_buffer(rows * blocks)
        counters = stream[: rows * blocks * BLOCK].reshape(rows, blocks * BLOCK)
        words = counters.view(np.uint64).reshape(rows, blocks, 2)
        start, mask = tags.view(np.uint64), _COUNTER_MASK.view(np.uint64)
        words[:, :, 0] = (start[:, 0] & mask[0])[:, None]
        # Bit 31 is clear and there are fewer than 2^31 blocks, so the sum stays in its 64 bits.
        low = (start[:, 1] & mask[1]).view(">u8").astype(np.uint64)
        for block in range(blocks):
            words[:, block, 1] = (low + np.uint64(block)).astype(">u8").view(np.uint64)
        self._counter.encrypt(stream)
        out: Bytes = counters[:, :width] ^ texts
        return out


def _doubled_rows(blocks: Bytes) -> Bytes:
    """Twice each block in GF(2^128), RFC 5297 section 2.3."""
    words = blocks.view(">u8").astype(np.uint64)
    high, low = words[:, 0], words[:, 1]
    twice = np.empty((len(blocks), 2), ">u8")
    twice[:, 0] = high << np.uint64(1) | low >> np.uint64(63)
    twice[:, 1] = low << np.uint64(1) ^ (high >> np.uint64(63)) * _CARRY
    return twice.view(np.uint8)


def _sum(one: Bytes, other: Bytes) -> Bytes:
    """The XOR of two columns of blocks, either of which may be one block for all rows."""
    left, right = one.view(np.uint64), other.view(np.uint64)
    out = np.empty((max(len(one), len(other)) if len(one) and len(other) else 0, 2), np.uint64)
    for word in (0, 1):  # word by word: broadcasting an axis of two is several times slower
        np.bitwise_xor(left[:, word], right[:, word], out=out[:, word])
    return out.view(np.uint8)


def _xor_last_block(messages: Bytes, blocks: Bytes) -> None:
    """XORs blocks, one a row or one for all, into the last block of each message."""
    words, other = messages.view(np.uint64), blocks.view(np.uint64)
    words[:, -2] ^= other[:, 0]
    words[:, -1] ^= other[:, 1]
