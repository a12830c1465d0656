"""Dead Simple Signing Envelope, version 1, with Ed25519.

The signature covers the payload and its type through the pre-authentication encoding, so an envelope of one type cannot stand
in for another. Source: https://github.com/secure-systems-lab/dsse protocol.md and envelope.md (v1.0); RFC 8032 for Ed25519.
"""

from __future__ import annotations

import base64
import json
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from pipelines.release.strict_json import canonical_json
from transforms.errors import InternalError, Refused


class Signer(Protocol):
    """An Ed25519 signing key: it signs, names itself and gives its public half, and never its private one."""

    @property
    def key_id(self) -> str:
        """A name for people and logs; never trusted when a signature is checked."""

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature of `message`."""

    def public_bytes(self) -> bytes:
        """The 32-byte public key (RFC 8032, section 5.1.5)."""


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """`"DSSEv1" SP len(type) SP type SP len(body) SP body`, lengths in bytes as ASCII decimals (DSSE protocol.md)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign_envelope(payload: bytes, payload_type: str, signer: Signer) -> bytes:
    """An envelope with one signature, as canonical JSON.

    Raises:
        InternalError: if the signature that the signer returned does not verify under its own public key; a faulty signer must
            not leave behind a file that nobody can check.
    """
    signature = signer.sign(pre_authentication_encoding(payload_type, payload))
    envelope = envelope_bytes(payload, payload_type, signer.key_id, signature)
    try:
        open_envelope(envelope, (signer.public_bytes(),), payload_type)
    except Refused:
        raise InternalError("the signer made a signature that its own public key refuses", code="faulty-signer") from None
    return envelope


def open_envelope(data: bytes, public_keys: tuple[bytes, ...], payload_type: str, place: str = "") -> bytes:
    """The payload of an envelope that one of the 32-byte `public_keys` signed as `payload_type`.

    `keyid` is not read at all: every signature is tried with every key [A4]. Standard and URL-safe base64 are both accepted, as
    DSSE asks of a verifier.

    Raises:
        Refused: code `signature-invalid`, the same for every kind of failure [C20].
    """
    try:
        payload = _payload_if_signed(json.loads(data), public_keys, payload_type)
    except (ValueError, TypeError, KeyError, RecursionError):
        payload = None
    if payload is None:
        raise Refused(
            "the signature does not verify",
            place=place,
            hint="check that the public key is the right one",
            code="signature-invalid",
        )
    return payload


def envelope_bytes(payload: bytes, payload_type: str, key_id: str, signature: bytes) -> bytes:
    """The canonical JSON of an envelope with one signature."""
    return canonical_json(
        {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": payload_type,
            "signatures": [{"keyid": key_id, "sig": base64.b64encode(signature).decode()}],
        }
    )


def first_signature(data: bytes) -> bytes:
    """The first signature of an envelope that `open_envelope` has accepted; says nothing about whose it is."""
    signature: str = json.loads(data)["signatures"][0]["sig"]
    return _decode(signature)


def _payload_if_signed(envelope: dict[str, object], public_keys: tuple[bytes, ...], payload_type: str) -> bytes | None:
    signatures = envelope["signatures"]
    if envelope["payloadType"] != payload_type or not isinstance(signatures, list):
        return None
    payload = _decode(envelope["payload"])
    message = pre_authentication_encoding(payload_type, payload)
    for entry in signatures:
        signature = _decode(entry["sig"])
        for public_key in public_keys:
            if _verifies(public_key, signature, message):
                return payload
    return None


def _verifies(public_key: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _decode(text: object) -> bytes:
    if not isinstance(text, str):
        raise TypeError("base64 must be text")
    return base64.b64decode(text.translate(str.maketrans("-_", "+/")), validate=True)
