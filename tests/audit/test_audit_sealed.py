"""The sealed part of a record opens for the auditor and in its record only; a second implementation of HPKE opens it too."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pipelines.audit.record import Purpose, unseal
from transforms.errors import KeyUnavailable

if TYPE_CHECKING:
    from conftest import Book

DETAILS = {"actor": "r.mensah", "asked": ["WC1-7K3M9X2PQRTV8HJED"], "login_uid": None, "uid": 1001}


def test_the_auditor_reads_what_was_sealed(book: Book) -> None:
    assert unseal(book.write(details=DETAILS), book.auditor) == DETAILS


def test_nobody_else_does(book: Book) -> None:
    with pytest.raises(KeyUnavailable) as refusal:
        unseal(book.write(details=DETAILS), X25519PrivateKey.generate())
    assert refusal.value.code == "audit-unsealed"


def test_a_sealed_part_does_not_open_in_another_record(book: Book) -> None:
    first, second = book.write(details=DETAILS), book.write(details=DETAILS)
    assert first.sealed != second.sealed
    for moved in (replace(second, sealed=first.sealed), replace(first, count=1), replace(first, purpose=Purpose.INVESTIGATION)):
        with pytest.raises(KeyUnavailable):
            unseal(moved, book.auditor)


def extract(salt: bytes, material: bytes) -> bytes:
    mac = hmac.HMAC(salt or bytes(32), hashes.SHA256())
    mac.update(material)
    return mac.finalize()


def expand(key: bytes, info: bytes, size: int) -> bytes:
    block, out = b"", b""
    for count in range(1, size // 32 + 2):
        mac = hmac.HMAC(key, hashes.SHA256())
        mac.update(block + info + bytes([count]))
        block = mac.finalize()
        out += block
    return out[:size]


def labelled_extract(suite: bytes, salt: bytes, label: bytes, material: bytes) -> bytes:
    return extract(salt, b"HPKE-v1" + suite + label + material)


def labelled_expand(suite: bytes, key: bytes, label: bytes, info: bytes, size: int) -> bytes:
    return expand(key, size.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info, size)


def open_base(private: X25519PrivateKey, info: bytes, sealed: bytes) -> bytes:
    """RFC 9180 base mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, from its sections 4.1, 5.1 and 5.2."""
    kem, suite = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x02"
    encapsulated, ciphertext = sealed[:32], sealed[32:]
    shared = private.exchange(X25519PublicKey.from_public_bytes(encapsulated))
    context = encapsulated + private.public_key().public_bytes_raw()
    secret = labelled_expand(kem, labelled_extract(kem, b"", b"eae_prk", shared), b"shared_secret", context, 32)
    schedule = b"\x00" + labelled_extract(suite, b"", b"psk_id_hash", b"") + labelled_extract(suite, b"", b"info_hash", info)
    prk = labelled_extract(suite, secret, b"secret", b"")
    key, nonce = labelled_expand(suite, prk, b"key", schedule, 32), labelled_expand(suite, prk, b"base_nonce", schedule, 12)
    return AESGCM(key).decrypt(nonce, ciphertext, b"")


def test_a_second_implementation_opens_a_record_from_its_line(book: Book) -> None:
    book.write(details=DETAILS)
    record = json.loads(book.lines[0])
    sealed, record["sealed"] = record["sealed"], ""
    bare = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    plain = open_base(book.auditor, b"supplier-views/audit/1\x00" + bare, base64.b64decode(sealed))
    assert json.loads(plain) == DETAILS
