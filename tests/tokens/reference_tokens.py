"""A second implementation of docs/spec/tokens.md: row by row, in plain Python, sharing no code with the product.

It is written from the specification. Code points are classified by the caller's Unicode tables; use it on text of Unicode 15.0.
"""

from __future__ import annotations

import unicodedata2
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

APOSTROPHES = {0x2018, 0x2019, 0x02BC, 0x00B4, 0x0060, 0x2032, 0x1FFD, 0x1FEF}
DASHES = {0x2010, 0x2011, 0x2012, 0x2013, 0x2014, 0x2015, 0x2212}
INVISIBLE = [
    (0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x200B, 0x200F),
    (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
]  # fmt: skip
HIDDEN = {point for low, high in INVISIBLE for point in range(low, high + 1)}
SPACES = {0x20, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000}
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def plain(text: str) -> str:
    kept = []
    for character in text:
        point = ord(character)
        if point in HIDDEN:
            continue
        kept.append("'" if point in APOSTROPHES else "-" if point in DASHES else character)
    return "".join(kept)


def canonical(text: str | None) -> str | None:
    if text is None:
        return None
    text = unicodedata2.normalize("NFKC", plain(text))
    text = plain(unicodedata2.normalize("NFKC", text.casefold()))
    words, word = [], ""
    for character in text + " ":
        if ord(character) not in SPACES:
            word += character
        elif word:
            words.append(word)
            word = ""
    return " ".join(words) or None


def lp(text: str) -> bytes:
    return len(text.encode()).to_bytes(2, "big") + text.encode()


def column_key(epoch_key: bytes, supplier: str, epoch: int, column: str, of: list[str], scope: str, release: str | None) -> bytes:
    info = lp("supplier-views/token/1") + lp(supplier) + lp(str(epoch)) + lp(column) + len(of).to_bytes(2, "big")
    for name in of:
        info += lp(name)
    info += lp(scope)
    if scope == "transaction":
        assert release is not None
        info += lp(release)
    return HKDF(SHA256(), 32, None, info).derive(epoch_key)


def message(fields: list[str | None]) -> bytes:
    whole = b""
    for field in fields:
        data = (field or "").encode()
        whole += len(data).to_bytes(2, "big") + data
        while len(whole) % 16:
            whole += b"\0"
    return whole


def times_two(element: int) -> int:
    element *= 2
    return element ^ 37 if element >= 32 else element


def token(key: bytes, prefix: str, person: str, values: list[str | None]) -> str | None:
    canonicals = [canonical(value) for value in values]
    if all(value is None for value in canonicals):
        return None
    mac = CMAC(algorithms.AES(key))
    mac.update(message([canonical(person), *canonicals]))
    bits = "".join(f"{byte:08b}" for byte in mac.finalize())[:80]
    digits = [int(bits[at : at + 5], 2) for at in range(0, 80, 5)]
    interim = 0
    for digit in digits:
        interim = times_two(interim ^ digit)
    return prefix + "".join(CROCKFORD[digit] for digit in [*digits, interim])
