"""A second implementation of sections 7 to 10 of docs/spec/tokens.md: row by row, sharing no code with the product."""

from __future__ import annotations

import unicodedata2
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from reference_siv_ff1 import ff1, siv
from reference_tokens import CROCKFORD, canonical, lp, times_two

LABELS = {
    "reversible": "supplier-views/token-siv/1",
    "digits": "supplier-views/token-ff1-digits/1",
    "short": "supplier-views/token-ff1-short/1",
}


def kind_key(epoch_key: bytes, kind: str, supplier: str, epoch: int, column: str, of: list[str], release: str | None) -> bytes:
    info = lp(LABELS[kind]) + lp(supplier) + lp(str(epoch)) + lp(column) + len(of).to_bytes(2, "big")
    info += b"".join(lp(name) for name in of)
    info += lp("relationship") if release is None else lp("transaction") + lp(release)
    return HKDF(SHA256(), 64 if kind == "reversible" else 32, None, info).derive(epoch_key)


def plaintext(bucket: int, person: str, others: list[str | None]) -> bytes:
    whole = b""
    for field in [canonical(person), *others]:
        data = b"" if field is None else field.encode()
        whole += len(data).to_bytes(2, "big") + data
    assert len(whole) <= bucket
    return whole + bytes(bucket - len(whole))


def text(prefix: str, data: bytes) -> str:
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    digits = [int(bits[at : at + 5], 2) for at in range(0, len(bits), 5)]
    interim = 0
    for digit in digits:
        interim = times_two(interim ^ digit)
    return prefix + "".join(CROCKFORD[digit] for digit in [*digits, interim])


def reversible(
    key: bytes,
    supplier: str,
    epoch: int,
    column: str,
    bucket: int,
    prefix: str,
    person: str,
    row: dict[str, str | None],
    key_name: str,
) -> str | None:
    """`row` has the values of the source columns, in order; `key_name` is the name of the person key."""
    written = {
        name: None if canonical(value) is None else unicodedata2.normalize("NFC", value or "") for name, value in row.items()
    }
    if all(value is None for value in written.values()):
        return None
    others = [value for name, value in written.items() if name != key_name]
    data = siv(key, plaintext(bucket, person, others), [supplier.encode(), column.encode(), str(epoch).encode()])
    return text(prefix, data)


def number(key: bytes, kind: str, supplier: str, epoch: int, column: str, prefix: str, person: str) -> str:
    tweak = lp(supplier) + lp(column) + lp(str(epoch))
    if kind == "digits":
        return "".join(map(str, ff1(key, tweak, 10, [int(digit) for digit in person])))
    coded = "".join(map(str, ff1(key, tweak, 10, [int(digit) for digit in person.rjust(12, "0")])))
    return text(prefix, int(coded).to_bytes(5, "big"))
