"""How large the tokens of a column are: a function of policy and contract, and never of the data."""

from __future__ import annotations

from typing import Final

import unicodedata2

from transforms.contract.digits import fixed_digits
from transforms.contract.model import Column, Contract
from transforms.policy.model import TokenColumn

BUCKETS: Final = (16, 32, 64, 96, 128, 256)  # bytes of plaintext that a reversible token may hold [C6]
TAG_BYTES: Final = 16  # of AES-SIV, before the plaintext's bytes
LENGTH_BYTES: Final = 2  # before each field of a plaintext
BARE_DIGITS: Final = (6, 18)  # a domain of a million at least [C8]; a value of 64 bits at most
SHORT_DIGITS: Final = 12  # ten to the twelfth is below 32 to the eighth
SHORT_SYMBOLS: Final = 8


def most_bytes(column: Column) -> int:
    """The most bytes of UTF-8 that the contract lets a value of a column have, as it stands or in NFC."""
    if column.vocabulary is not None:
        return max(len(form.encode()) for value in column.vocabulary for form in (value, unicodedata2.normalize("NFC", value)))
    return fixed_digits(column.pattern) or column.max_bytes


def reversible_bytes(token: TokenColumn, contract: Contract) -> int:
    """The bytes that a reversible token has to hold: the person key and every other source column, each behind its length."""
    names = dict.fromkeys((contract.person_key, *token.of))
    return sum(LENGTH_BYTES + most_bytes(contract.column(name)) for name in names)


def bucket_of(token: TokenColumn, contract: Contract) -> int | None:
    """The bytes to which the plaintexts of a reversible token are padded; None if the contract's values may need more."""
    needed = reversible_bytes(token, contract)
    return next((bucket for bucket in BUCKETS if bucket >= needed), None)


def symbols_of(token: TokenColumn, contract: Contract) -> int:
    """The symbols of a reversible token, without its check symbol: five bits each, the last one filled up with zeros.

    Raises:
        ValueError: the values may need more than the largest bucket, which the lint refuses.
    """
    bucket = bucket_of(token, contract)
    if bucket is None:
        raise ValueError("a reversible token cannot hold what its columns may hold")
    return -(-(TAG_BYTES + bucket) * 8 // 5)


def digits_of(token: TokenColumn, contract: Contract) -> int:
    """The digits of the number that a `digits` or `short` token stands for.

    Raises:
        ValueError: the source has no fixed count of digits, which the lint refuses.
    """
    count = fixed_digits(contract.column(token.of[0]).pattern)
    if count is None:
        raise ValueError("a token of digits needs a source of a fixed count of digits")
    return count


def token_size(token: TokenColumn, contract: Contract) -> int:
    """The bucket in bytes of a reversible token, the digits of `digits` and `short`, and 0 for a one-way token.

    Raises:
        ValueError: as `digits_of`.
    """
    if token.kind == "reversible":
        return bucket_of(token, contract) or 0
    return 0 if token.kind == "one-way" else digits_of(token, contract)
