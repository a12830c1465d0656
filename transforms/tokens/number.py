"""Tokens of numbers by FF1 (NIST SP 800-38G): bare digits, or nine symbols behind a prefix [C8].

FF1 permutes the numbers of one length and authenticates nothing: every number decrypts to some number. It sees a value and no
person, so the value is the person key itself.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from transforms.contract.buffers import Bytes, byte_views, validity
from transforms.errors import ExportError
from transforms.policy.token_size import SHORT_DIGITS, SHORT_SYMBOLS
from transforms.tokens.derive import Tokens, counted
from transforms.tokens.ff1 import ff1_encrypt
from transforms.tokens.format import string_array
from transforms.tokens.mac import Key
from transforms.tokens.symbols import format_bytes

RADIX: Final = 10
_ZERO = 0x30
_SHORT_BYTES = SHORT_SYMBOLS * 5 // 8


def tweak_of(supplier: str, column: str, epoch: int) -> bytes:
    """The tweak: supplier, column and epoch, each after its length, so that no two columns share one."""
    return counted(supplier) + counted(column) + counted(str(epoch))


def number_tokens(key: Key, tweak: bytes, prefix: str, digits: int, person: pa.Array[Any], *, bare: bool) -> Tokens:
    """The tokens of a column of person keys that are numbers.

    Args:
        key: 32 bytes, from `transforms.tokens.derive.column_key`.
        tweak: from `tweak_of`.
        prefix: letters, epoch and hyphen, such as `WC1-`; a bare token has none.
        digits: of every number.
        person: n person keys, without nulls.
        bare: whether the token is another number of as many digits, or eight symbols and a check symbol for the number as one of
            twelve digits.

    Returns:
        n tokens.

    Raises:
        ExportError: a person key is not a number of that many ASCII digits.
    """
    numerals = numerals_of(person, digits)
    valid = np.ones(len(person), np.bool_)
    if bare:
        coded = ff1_encrypt(key, tweak, RADIX, numerals).astype(np.uint8)
        numbers, size = number_of(coded), digits
        text = string_array((coded + np.uint8(_ZERO)).reshape(-1), digits, valid)
    else:
        padded = np.zeros((len(person), SHORT_DIGITS), np.uint8)
        padded[:, SHORT_DIGITS - digits :] = numerals
        numbers, size = number_of(ff1_encrypt(key, tweak, RADIX, padded)), SHORT_DIGITS
        octets = numbers.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 8 - _SHORT_BYTES :]
        text = format_bytes(prefix, octets, valid)
    # Spread over all 64 bits, so that shards are even; order and text ascend together.
    return Tokens(text, numbers * np.uint64(2**64 // RADIX**size))


def numerals_of(numbers: pa.Array[Any], digits: int) -> Bytes:
    """The (n, digits) numerals of a column of numbers.

    Raises:
        ExportError: a value is null or not of that many ASCII digits.
    """
    offsets, data = byte_views(numbers)
    first = int(offsets[0])
    whole = bool(validity(numbers).all()) and bool((np.diff(offsets) == digits).all())
    numerals = data[first : first + len(numbers) * digits] - np.uint8(_ZERO)  # wraps below: larger than nine
    if not whole or numerals.max(initial=0) >= RADIX:
        raise ExportError(
            "a number to be tokenised has another form than its column's pattern",
            code="token-number-form",
            hint="quarantine rows that break the contract first",
        )
    return numerals.reshape(len(numbers), digits)


def number_of(numerals: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    """The numbers that (n, digits) numerals write, of at most 19 digits."""
    numbers = np.zeros(len(numerals), np.uint64)
    for column in numerals.T:
        numbers = numbers * np.uint64(RADIX) + column.astype(np.uint64)
    return numbers
