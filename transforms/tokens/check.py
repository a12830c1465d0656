"""A wrong primitive must not reach a supplier: known answers before a run, and a sample of its own tokens after it.

Both raise on the first difference and return nothing.
"""

from __future__ import annotations

import hmac
import random
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.cmac import CMAC

from transforms.errors import InternalError
from transforms.tokens.canonicalise import canonical_text
from transforms.tokens.derive import TokenLabel, column_key, tokenise
from transforms.tokens.format import ALPHABET, SYMBOLS, check_symbol
from transforms.tokens.known_answers import check_ff1, check_siv
from transforms.tokens.mac import BLOCK, HEADER, Key, cmac, cmac_fields

# NIST SP 800-38B, appendix D.3 (AES-256): one key, messages of 0, 16, 40 and 64 bytes of one text.
_NIST_KEY: Final = bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
_NIST_TEXT: Final = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)
_NIST_MACS: Final = {
    0: "028962f61b7bf89efc6b551f4667d983",
    16: "28a7023f452e8f82bd4bf28d8c37c35c",
    40: "aaf3d8f1de5640c232f5b169b9c911e6",
    64: "e1992190549f6ed5696a2c056c315410",
}

_SPOT_CHECKS: Final = 8  # tokens of each batch and column

# Frozen by this project (tests/vectors/tokens-v1.json): an epoch key that is no secret, and what it gives.
_EXAMPLE_KEY: Final = bytes(range(32))
_EXAMPLE_LABEL: Final = TokenLabel("example", 1, "name_token", ("surname", "forenames"), "relationship")
_EXAMPLE_PEOPLE: Final = (
    ("00012345", "O\u2019Neill", "  Siobh\u00e1n  Mary ", "WC1-EZ4C072VASRQA65W8"),
    ("00012345", "O'NEILL", "SIOBHA\u0301N MARY", "WC1-EZ4C072VASRQA65W8"),
    ("00012346", "Smith", None, "WC1-ZCKTYSPN31BKCD8TF"),
    ("00012347", None, " ", None),
    ("00012348", "Llanfairpwllgwyngyll-Gogerychwyrndrobwll", "Aneurin", "WC1-2R14AQCZHQMN992SR"),
)


def self_test() -> None:
    """Runs known answers through every column path; a run calls it before it makes a token.

    Raises:
        InternalError: a path gives something else than SP 800-38B, RFC 5297, SP 800-38G or this version of tokens.
    """
    check_siv()
    check_ff1()
    messages = [_NIST_TEXT[:size] for size in _NIST_MACS]
    expected = [bytes.fromhex(mac) for mac in _NIST_MACS.values()]
    column = pa.array([b"before", *messages, None, b"after"], pa.binary()).slice(1, len(messages) + 1)
    paths: tuple[pa.Array[Any] | pa.ChunkedArray[Any], ...] = (
        column,
        column.cast(pa.large_binary()),
        column.dictionary_encode(),
        pa.chunked_array([column.slice(0, 1), column.slice(1)]),
    )
    for path in paths:
        if [row.tobytes() for row in cmac(_NIST_KEY, path)] != [*expected, bytes(BLOCK)]:
            raise InternalError("the column CMAC fails the known answers of SP 800-38B", code="token-self-test-failed")
    framed = cmac_fields(_NIST_KEY, [column, column])
    if [row.tobytes() for row in framed] != [_one_mac(_NIST_KEY, [message, message]) for message in [*messages, b""]]:
        raise InternalError("the column CMAC of framed fields differs from the one-value CMAC", code="token-self-test-failed")
    person, surname, forenames, tokens = (pa.array(texts, pa.string()) for texts in zip(*_EXAMPLE_PEOPLE, strict=True))
    made = tokenise(column_key(_EXAMPLE_KEY, _EXAMPLE_LABEL), "WC1-", person, [surname, forenames])
    if not made.text.equals(tokens):
        raise InternalError("the known answers of tokens version 1 do not come out", code="token-self-test-failed")


def random_rows(total: int) -> list[int]:
    """Which of so many rows to check: a few, or all of fewer.

    They come from the operating system, so that no fault can keep to the rows that are not looked at.
    """
    return random.SystemRandom().sample(range(total), min(total, _SPOT_CHECKS))


def spot_check(
    column_key: Key,
    prefix: str,
    person: pa.Array[Any],
    values: Sequence[pa.Array[Any]],
    tokens: pa.Array[Any],
    rows: Sequence[int] | npt.NDArray[np.int64],
) -> None:
    """Makes the tokens of some rows once more, one value at a time with `cryptography`'s CMAC, and compares.

    Args:
        column_key, prefix, person, values: what `tokenise` was given, n rows.
        tokens: the n tokens that it made.
        rows: the rows to compare; few, for each goes through Python.

    Raises:
        InternalError: a token differs; the error names neither row nor value.
    """
    for row in rows:
        texts = [column[int(row)].as_py() for column in values]
        canonical = [text and canonical_text(text) for text in texts]
        expected = None
        if any(canonical):
            fields = [canonical_text(person[int(row)].as_py()), *canonical]
            expected = prefix + _one_text(_one_mac(column_key, [(text or "").encode() for text in fields]))
        found = tokens[int(row)].as_py()
        if not hmac.compare_digest((found or "").encode(), (expected or "").encode()):
            raise InternalError("a token of this run differs from the one-value computation", code="token-spot-check-failed")


def _one_mac(key: Key, fields: Sequence[bytes]) -> bytes:
    mac = CMAC(algorithms.AES(key))
    for field in fields:
        framed = len(field).to_bytes(HEADER, "big") + field
        mac.update(framed + bytes(-len(framed) % BLOCK))
    return mac.finalize()


def _one_text(mac: bytes) -> str:
    bits = int.from_bytes(mac[:10], "big")
    symbols = "".join(ALPHABET[bits >> 5 * place & 31] for place in reversed(range(SYMBOLS)))
    return symbols + check_symbol(symbols)
