"""The private keys of people: the auditor's, which reads the log, and an approver's, which signs approvals.

Neither belongs on the host that resolves. Each is PKCS #8 in PEM in a file of mode 0600.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from pipelines.audit.authority import APPROVER, AUDITOR, public_text
from transforms.errors import KeyUnavailable
from transforms.keyring.privatefile import create_whole, read_private
from transforms.keyring.secret import Unshareable
from transforms.keyring.signing import key_id_of

_MAX_FILE = 4096


class Role(StrEnum):
    """Whose key."""

    AUDITOR = "auditor"
    APPROVER = "approver"


@final
class ApproverKey(Unshareable):
    """Signs approvals; a `pipelines.release.dsse.Signer`."""

    __slots__ = ("_private",)

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private

    @property
    def key_id(self) -> str:
        """Names the key; see `transforms.keyring.signing.key_id_of`."""
        return key_id_of(self._private.public_key())

    def sign(self, message: bytes) -> bytes:
        """The 64-byte Ed25519 signature of the message."""
        return self._private.sign(message)

    def public_bytes(self) -> bytes:
        """The 32-byte public half."""
        return self._private.public_key().public_bytes_raw()


def make_key(role: Role, path: Path) -> str:
    """Makes a key pair, writes the private half to a new file and returns the public half as the authority file takes it.

    Raises:
        KeyUnavailable: code `key-file-taken` if the file exists; StoreUnavailable if it cannot be written.
    """
    private: X25519PrivateKey | Ed25519PrivateKey
    private = X25519PrivateKey.generate() if role is Role.AUDITOR else Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    if not create_whole(path, pem):
        raise KeyUnavailable("there is a file already", place=str(path), hint="name a new one", code="key-file-taken")
    return public_text(AUDITOR if role is Role.AUDITOR else APPROVER, private.public_key().public_bytes_raw())


def open_auditor_key(path: Path) -> X25519PrivateKey:
    """The auditor's private key. Raises KeyUnavailable."""
    key = _load(path, Role.AUDITOR)
    if not isinstance(key, X25519PrivateKey):
        raise _wrong(path, Role.AUDITOR)
    return key


def open_approver_key(path: Path) -> ApproverKey:
    """An approver's private key. Raises KeyUnavailable."""
    key = _load(path, Role.APPROVER)
    if not isinstance(key, Ed25519PrivateKey):
        raise _wrong(path, Role.APPROVER)
    return ApproverKey(key)


def _load(path: Path, role: Role) -> object:
    content = read_private(path, _MAX_FILE, what=f"key of the {role}")
    try:
        return load_pem_private_key(bytes(content), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _wrong(path, role) from None


def _wrong(path: Path, role: Role) -> KeyUnavailable:
    return KeyUnavailable(
        f"this is not a private key of the {role}",
        place=str(path),
        hint=f"use the file that supplier-views audit keygen --role {role} wrote",
        code="private-key-invalid",
    )
