"""The manifest signing key: Ed25519 (RFC 8032), private half never seen outside, public half as PEM."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from transforms.errors import KeyUnavailable
from transforms.keyring.secret import SecretKey, Unshareable


@final
class SigningKey(Unshareable):
    """Signs; the 32-byte seed it is made from may be wiped afterwards."""

    __slots__ = ("_private", "epoch", "notices")

    def __init__(self, seed: SecretKey, epoch: int, notices: tuple[str, ...] = ()) -> None:
        with seed.reveal() as raw:
            self._private = Ed25519PrivateKey.from_private_bytes(raw)
        self.epoch = epoch
        self.notices = notices

    def sign(self, message: bytes) -> bytes:
        """The 64-byte Ed25519 signature of the message."""
        return self._private.sign(message)

    @property
    def public_key(self) -> Ed25519PublicKey:
        """The public half, to verify with."""
        return self._private.public_key()

    def public_bytes(self) -> bytes:
        """The public half as 32 raw bytes."""
        return self.public_key.public_bytes_raw()

    def public_pem(self) -> bytes:
        """The public half as PEM (SubjectPublicKeyInfo, RFC 8410)."""
        return self.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @property
    def key_id(self) -> str:
        """Names the key in a manifest; see `key_id_of`."""
        return key_id_of(self.public_key)


def key_id_of(public: Ed25519PublicKey) -> str:
    """The first 16 hexadecimal digits of SHA-256 over the raw public key: a name, not a proof."""
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]


def load_public_key(path: Path) -> Ed25519PublicKey:
    """The Ed25519 public key in a PEM file.

    Errors: KeyUnavailable, with the code `public-key-invalid`, if the file cannot be read or holds anything else.
    """
    refusal = KeyUnavailable(
        "this is not an Ed25519 public key in PEM", place=str(path), hint="use signing.pub of the key directory",
        code="public-key-invalid",
    )  # fmt: skip
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm):
        raise refusal from None
    if not isinstance(key, Ed25519PublicKey):
        raise refusal
    return key
