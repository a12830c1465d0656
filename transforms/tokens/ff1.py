"""FF1, format-preserving encryption (NIST SP 800-38G), of a whole column at a time.

FF1 maps the numeral strings of one length onto themselves: it does not authenticate, and its outputs are other strings of the same
form. Ten Feistel rounds, each one AES call a row, run over all rows side by side. Halves below 2^32 (18 digits, or 12 characters of
36) are machine words; longer ones are Python integers, slower and equally right. FF3 and FF3-1 are not here: one is broken, and
NIST's revision drops both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from transforms.contract.buffers import Bytes
from transforms.tokens.aes import BLOCK, KEY_BYTES, BlockCipher, Key, block_buffer

ROUNDS: Final = 10
LEAST_DOMAIN: Final = 1_000_000  # SP 800-38G Revision 1: smaller domains can be searched or learnt
MOST_RADIX: Final = 1 << 16

Numerals = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Words = npt.NDArray[np.uint64]

_CHUNK_ROWS = 16_384
_WORD_BYTES = 4  # b of halves that fit the fast path: then d is 8, and a round reads one word of the AES output


def ff1_encrypt(key: Key, tweak: bytes, radix: int, numerals: Numerals) -> Numerals:
    """FF1.Encrypt (algorithm 7) of every row, under one key and one tweak.

    Args:
        key: 32 bytes.
        tweak: any bytes; what the outputs are to differ by, such as supplier, column and epoch.
        radix: 2 to 65,536.
        numerals: (n, length) values below the radix, most significant first.

    Returns:
        (n, length) values of the same type: a permutation of the radix ** length strings.

    Raises:
        ValueError: the key has another length, the domain has less than a million strings, or a value is not below the radix.
            The error names no value.
    """
    return _public(key, tweak, radix, numerals, encrypt=True)


def ff1_decrypt(key: Key, tweak: bytes, radix: int, numerals: Numerals) -> Numerals:
    """FF1.Decrypt (algorithm 8): the inverse of `ff1_encrypt`, with its arguments and errors.

    Every string decrypts to some string: FF1 tells no genuine output from another.
    """
    return _public(key, tweak, radix, numerals, encrypt=False)


def _public(key: Key, tweak: bytes, radix: int, numerals: Numerals, *, encrypt: bool) -> Numerals:
    if len(key) != KEY_BYTES:
        raise ValueError("an AES-256-FF1 key has 32 bytes")
    return ff1(BlockCipher(key), tweak, radix, numerals, encrypt=encrypt)


def ff1(cipher: BlockCipher, tweak: bytes, radix: int, numerals: Numerals, *, encrypt: bool) -> Numerals:
    """Either direction under an open block cipher, whatever its key length, as official vectors need."""
    if numerals.ndim != 2 or numerals.dtype not in (np.uint8, np.uint16):
        raise ValueError("needs rows of numerals, as 8-bit or 16-bit unsigned integers")
    rows, length = numerals.shape
    if not 2 <= radix <= MOST_RADIX or length < 2 or radix**length < LEAST_DOMAIN:
        raise ValueError("needs a radix from 2 to 65,536 and at least a million strings of the length")
    if int(numerals.max(initial=0)) >= radix:
        raise ValueError("a numeral is not below the radix")
    shape = _Shape.of(cipher, tweak, radix, length)
    out = np.empty_like(numerals, order="C")
    feistel = _feistel_of_words if shape.half_bytes <= _WORD_BYTES else _feistel_of_integers
    for begin in range(0, rows, _CHUNK_ROWS):
        feistel(cipher, shape, numerals[begin : begin + _CHUNK_ROWS], out[begin : begin + _CHUNK_ROWS], encrypt)
    return out


@dataclass(frozen=True, slots=True, repr=False)
class _Shape:
    """What is one for all rows: the standard's u, v, b and d, and the AES chain up to the first block that differs by row."""

    radix: int
    left: int  # u
    right: int  # v
    half_bytes: int  # b: bytes of NUM(B)
    drawn: int  # d: bytes drawn from the round function
    chain: bytes  # PRF state after P and the leading blocks of Q
    template: bytes  # the rest of Q, with zeros where the round's number and NUM(B) go

    @classmethod
    def of(cls, cipher: BlockCipher, tweak: bytes, radix: int, length: int) -> _Shape:
        left = length // 2
        right = length - left
        half_bytes = (((radix**right) - 1).bit_length() + 7) // 8
        drawn = 4 * ((half_bytes + 3) // 4) + 4
        head = bytes([1, 2, 1]) + radix.to_bytes(3, "big") + bytes([ROUNDS, left % 256])
        head += length.to_bytes(4, "big") + len(tweak).to_bytes(4, "big")
        rest = tweak + bytes((-len(tweak) - half_bytes - 1) % BLOCK) + bytes(1 + half_bytes)
        constant = (len(rest) - half_bytes - 1) // BLOCK * BLOCK
        chain = _chained(cipher, bytes(BLOCK), head + rest[:constant])
        return cls(radix, left, right, half_bytes, drawn, chain, rest[constant:])


def _chained(cipher: BlockCipher, state: bytes, data: bytes) -> bytes:
    """CBC-MAC without padding: the PRF of algorithm 6."""
    for begin in range(0, len(data), BLOCK):
        block = int.from_bytes(state, "big") ^ int.from_bytes(data[begin : begin + BLOCK], "big")
        buffer = block_buffer(1)
        buffer[:BLOCK] = np.frombuffer(block.to_bytes(BLOCK, "big"), np.uint8)
        cipher.encrypt(buffer)
        state = buffer[:BLOCK].tobytes()
    return state


def _feistel_of_words(cipher: BlockCipher, shape: _Shape, numerals: Numerals, out: Numerals, encrypt: bool) -> None:
    first, second = _number(numerals[:, : shape.left], shape.radix), _number(numerals[:, shape.left :], shape.radix)
    sizes = (np.uint64(shape.radix**shape.left), np.uint64(shape.radix**shape.right))
    constant = int.from_bytes(shape.chain, "big") ^ int.from_bytes(shape.template, "big")
    buffer = block_buffer(len(numerals))
    words = buffer[: len(numerals) * BLOCK].view(np.uint64)
    for turn in range(ROUNDS):
        number = turn if encrypt else ROUNDS - 1 - turn
        block = constant ^ number << 8 * shape.half_bytes
        words[0::2] = np.uint64(block >> 64).byteswap()
        words[1::2] = ((second if encrypt else first) ^ np.uint64(block & (1 << 64) - 1)).byteswap()
        cipher.encrypt(buffer)
        size = sizes[number % 2]
        drawn = words[0::2].byteswap()
        drawn -= drawn // size * size
        if encrypt:
            drawn += first
            drawn -= (drawn >= size) * size
            first, second = second, drawn
        else:
            changed = second + (size - drawn)
            changed -= (changed >= size) * size
            first, second = changed, first
    _numerals(first, shape.radix, out[:, : shape.left])
    _numerals(second, shape.radix, out[:, shape.left :])


def _number(numerals: Numerals, radix: int) -> Words:
    """NUM (algorithm 1) of strings whose number fits a word."""
    total: Words = np.zeros(len(numerals), np.uint64)
    for place in range(numerals.shape[1]):
        total *= np.uint64(radix)
        total += numerals[:, place]
    return total


def _numerals(numbers: Words, radix: int, out: Numerals) -> None:
    """STR (algorithm 3), the inverse of `_number`."""
    for place in reversed(range(out.shape[1])):
        rest = numbers // np.uint64(radix)
        out[:, place] = numbers - rest * np.uint64(radix)
        numbers = rest


def _feistel_of_integers(cipher: BlockCipher, shape: _Shape, numerals: Numerals, out: Numerals, encrypt: bool) -> None:
    first = _integers(numerals[:, : shape.left], shape.radix)
    second = _integers(numerals[:, shape.left :], shape.radix)
    sizes = (shape.radix**shape.left, shape.radix**shape.right)
    for turn in range(ROUNDS):
        number = turn if encrypt else ROUNDS - 1 - turn
        size = sizes[number % 2]
        drawn = _drawn(cipher, shape, number, second if encrypt else first)
        if encrypt:
            first, second = second, [(a + y) % size for a, y in zip(first, drawn, strict=True)]
        else:
            first, second = [(b - y) % size for b, y in zip(second, drawn, strict=True)], first
    for half, place in ((first, slice(None, shape.left)), (second, slice(shape.left, None))):
        rows = np.array([_digits(number, shape.radix, out[:, place].shape[1]) for number in half], out.dtype)
        out[:, place] = rows.reshape(out[:, place].shape)


def _drawn(cipher: BlockCipher, shape: _Shape, number: int, half: list[int]) -> list[int]:
    """Steps 6.ii to 6.iv of algorithms 7 and 8: y of every row."""
    tails = b"".join(bytes([number]) + value.to_bytes(shape.half_bytes, "big") for value in half)
    blocks = np.tile(np.frombuffer(shape.template, np.uint8), (len(half), 1))
    blocks[:, len(shape.template) - shape.half_bytes - 1 :] = np.frombuffer(tails, np.uint8).reshape(len(half), -1)
    state = _encrypted(cipher, blocks[:, :BLOCK] ^ np.frombuffer(shape.chain, np.uint8))
    for begin in range(BLOCK, blocks.shape[1], BLOCK):
        state = _encrypted(cipher, state ^ blocks[:, begin : begin + BLOCK])
    counters = [np.frombuffer(counter.to_bytes(BLOCK, "big"), np.uint8) for counter in range(1, -(-shape.drawn // BLOCK))]
    strings = [state, *(_encrypted(cipher, state ^ counter) for counter in counters)]
    return [int.from_bytes(row[: shape.drawn].tobytes(), "big") for row in np.concatenate(strings, axis=1)]


def _encrypted(cipher: BlockCipher, blocks: Bytes) -> Bytes:
    buffer = block_buffer(len(blocks))
    buffer[: len(blocks) * BLOCK] = blocks.reshape(-1)
    cipher.encrypt(buffer)
    return buffer[: len(blocks) * BLOCK].reshape(-1, BLOCK)


def _integers(numerals: Numerals, radix: int) -> list[int]:
    total: npt.NDArray[Any] = np.zeros(len(numerals), object)
    for place in range(numerals.shape[1]):
        total = total * radix + numerals[:, place].astype(object)
    return [int(number) for number in total]


def _digits(number: int, radix: int, length: int) -> list[int]:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, radix)
        digits.append(digit)
    return digits[::-1]
