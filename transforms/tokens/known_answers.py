"""Official answers that the column paths of AES-SIV and FF1 must give before a run makes a token.

Each check takes the path that it tests, so that a wrong one can be handed to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from transforms.contract.buffers import Bytes
from transforms.errors import InternalError
from transforms.tokens.aes import Key
from transforms.tokens.cells import cells_of
from transforms.tokens.ff1 import Numerals, ff1_decrypt, ff1_encrypt
from transforms.tokens.siv import Associated, Siv, siv_decrypt, siv_encrypt

Seal = Callable[[Key, Bytes, Associated], Bytes]
Unseal = Callable[[Key, Bytes, Associated], tuple[Bytes, npt.NDArray[np.bool_]]]
Permute = Callable[[Key, bytes, int, Numerals], Numerals]

# RFC 5297, appendix A.2: key, three associated strings, plaintext, V || C. Its key is one for AES-128.
_RFC_KEY: Final = bytes.fromhex("7f7e7d7c7b7a79787776757473727170404142434445464748494a4b4c4d4e4f")
_RFC_STRINGS: Final = (
    bytes.fromhex("00112233445566778899aabbccddeeffdeaddadadeaddadaffeeddccbbaa99887766554433221100"),
    bytes.fromhex("102030405060708090a0"),
    bytes.fromhex("09f911029d74e35bd84156c5635688c0"),
)
_RFC_TEXT: Final = b"this is some plaintext to encrypt using SIV-AES"
_RFC_SEALED: Final = bytes.fromhex(
    "7bdb6e3b432667eb06f4d14bff2fbd0fcb900f2fddbe404326601965c889bf17dba77ceb094fa663b7a3f748ba8af829ea64ad544a272e9c485b62a3fd5c0d"
)

# Wycheproof, aes_siv_cmac_test (Apache-2.0), cases 326 and 330: AES-256, one key and string, IVs at the ends of the counter.
_SIV_KEY: Final = bytes(range(64))
_SIV_STRING: Final = bytes(range(16))
_SIV_TEXTS: Final = (bytes.fromhex("bfa1733d07afa03cb3f2eeb81bbde037"), bytes.fromhex("cd53e1763fbb8663afe74dc1bd443e52"))
_SIV_SEALED: Final = (
    bytes.fromhex("000000000000000000000000000000004ce637d6ca9cdf1c2feb0d140865cddb"),
    bytes.fromhex("ffffffffffffffffffffffff7fffffff82b74728b73fc76c14b6bdb999625008"),
)

# NIST's samples 7, 8 and 9 of FF1 (AES-256): radix, tweak, plaintext, ciphertext.
_FF1_KEY: Final = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3cef4359d8d580aa4f7f036d6f04fc6a94")
_FF1_SAMPLES: Final = (
    (10, b"", "0123456789", "6657667009"),
    (10, b"9876543210", "0123456789", "1001623463"),
    (36, b"7777pqrs777", "0123456789abcdefghi", "xs8a0azh2avyalyzuwd"),
)


def check_siv(seal: Seal = siv_encrypt, unseal: Unseal = siv_decrypt) -> None:
    """Official AES-SIV answers come out of a column, and a forged row among them is found and cleared.

    Raises:
        InternalError: some row is another.
    """
    texts, sealed = _rows(*_SIV_TEXTS), _rows(*_SIV_SEALED)
    forged = sealed.copy()
    forged[1, 0] ^= 1
    for strings in ([_SIV_STRING], [cells_of(pa.array([_SIV_STRING] * 2, pa.binary()))]):
        opened, genuine = unseal(_SIV_KEY, sealed, strings)
        partly, found = unseal(_SIV_KEY, forged, strings)
        right = (seal(_SIV_KEY, texts, strings) == sealed).all() and (opened == texts).all() and genuine.all()
        if not right or found.tolist() != [True, False] or partly[1].any() or (partly[0] != texts[0]).any():
            raise InternalError("the column AES-SIV fails official answers", code="token-self-test-failed")
    if Siv(_RFC_KEY).encrypt(_rows(_RFC_TEXT), _RFC_STRINGS)[0].tobytes() != _RFC_SEALED:
        raise InternalError("the column AES-SIV fails the answer of RFC 5297", code="token-self-test-failed")


def check_ff1(encrypt: Permute = ff1_encrypt, decrypt: Permute = ff1_decrypt) -> None:
    """NIST's samples of FF1 for AES-256 come out of a column, both ways.

    Raises:
        InternalError: some row is another.
    """
    for radix, tweak, plain, coded in _FF1_SAMPLES:
        texts, answers = (np.array([[int(numeral, 36) for numeral in text]] * 2, np.uint8) for text in (plain, coded))
        back = decrypt(_FF1_KEY, tweak, radix, answers)
        if (encrypt(_FF1_KEY, tweak, radix, texts) != answers).any() or (back != texts).any():
            raise InternalError("the column FF1 fails the samples of NIST", code="token-self-test-failed")


def _rows(*rows: bytes) -> Bytes:
    return np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), -1)
