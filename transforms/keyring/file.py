"""The `file:` provider: a private directory (see `directory`), its keys wrapped under one from a key file or a passphrase.

The KEK is DIR/kek.key, 32 random bytes with mode 0600; the file is absent where a passphrase opens the store.

Wrapping is AES-256-GCM (SP 800-38D) under a random 96-bit nonce, which allows 2**32 wrappings under one KEK. A passphrase becomes a
KEK by Argon2id (RFC 9106) with a stored random salt.
"""

from __future__ import annotations

import os
from datetime import date
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from transforms.errors import InternalError, KeyUnavailable
from transforms.keyring import privatefile
from transforms.keyring.directory import KeyDirectory
from transforms.keyring.document import KEK_FORMAT, Argon2Parameters, KekDocument
from transforms.keyring.envelope import KEY_BYTES, encode
from transforms.keyring.keyset import KEK_MONTHS, add_months
from transforms.keyring.location import FileLocation, location_of
from transforms.keyring.secret import SecretKey

_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_MAX_PASSPHRASE: Final = 1024
# SP 800-63B-4 section 3.1.1: a password that stands alone has 15 characters or more.
_MIN_PASSPHRASE: Final = 15
# RFC 9106 section 4, second recommended option.
_MEMORY_KIB: Final = 64 * 1024
_ITERATIONS: Final = 3
_LANES: Final = 4


class FileProvider(KeyDirectory):
    """Keysets under a `file:` URI. The KEK is read and checked at its first use, and forgotten by `close`."""

    __slots__ = ("_header", "_kek", "_passphrase_file")

    def __init__(self, uri: str) -> None:
        location = location_of(uri)
        if not isinstance(location, FileLocation):
            raise InternalError("another provider's URI was given to the file provider")
        super().__init__(location.directory)
        self._passphrase_file = location.passphrase_file
        self._header: KekDocument | None = None
        self._kek: SecretKey | None = None

    def wrap(self, key: SecretKey, context: bytes) -> bytes:
        """Nonce, ciphertext and tag of the key under the KEK; see `Provider`."""
        with key.reveal() as raw:
            return _seal(self._open_kek(), raw, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> SecretKey | None:
        """The key, or None; see `Provider`."""
        return _open(self._open_kek(), wrapped, context)

    def kek_expires(self) -> date:
        """The first day on which the KEK may not wrap any more."""
        self._open_kek()
        if self._header is None:
            raise InternalError("a key-encryption key is open without its header")
        return add_months(self._header.created, KEK_MONTHS)

    def close(self) -> None:
        """Wipes the KEK."""
        if self._kek is not None:
            self._kek.wipe()
            self._kek = None

    def make_header(self, day: date) -> KekDocument:
        """Writes a key file, or salts the passphrase; see `KeyDirectory`."""
        parameters = None
        if self._passphrase_file is None:
            key_file = self._directory / "kek.key"
            with SecretKey.random(KEY_BYTES) as fresh, fresh.reveal() as raw:
                privatefile.create_whole(key_file, raw)  # one that a dead init left is as good
        else:
            parameters = Argon2Parameters(salt=os.urandom(16), memory_kib=_MEMORY_KIB, iterations=_ITERATIONS, lanes=_LANES)
        with self._kek_material(parameters, fresh=True) as kek, SecretKey.random(KEY_BYTES) as probe, probe.reveal() as raw:
            return KekDocument(
                format=KEK_FORMAT, created=day, argon2id=parameters, check=_seal(kek, raw, _kek_context(day, parameters))
            )

    def open_kek(self) -> None:
        """Reads the key file or stretches the passphrase, once; see `KeyDirectory`."""
        self._open_kek()

    def _open_kek(self) -> SecretKey:
        """The KEK, once it has opened the check in its header: a wrong one is told from a damaged keyset here and nowhere else."""
        if self._kek is not None:
            return self._kek
        header = self.read_header()
        if not isinstance(header, KekDocument):
            raise KeyUnavailable(
                f"the key-encryption key of these keysets is kept elsewhere, by {header.scheme}",
                place=str(self._directory),
                hint=f"use the {header.scheme}: URI that they were made with",
                code="kek-wrong",
            )
        if (header.argon2id is None) != (self._passphrase_file is None):
            raise KeyUnavailable(
                "these keysets are opened by " + ("a key file" if header.argon2id is None else "a passphrase"),
                place=str(self._directory),
                hint="use file:DIR" if header.argon2id is None else "use file:DIR?passphrase-file=PATH",
                code="kek-wrong",
            )
        kek = self._kek_material(header.argon2id, fresh=False)
        probe = _open(kek, header.check, _kek_context(header.created, header.argon2id))
        if probe is None:
            kek.wipe()
            what, where = (
                ("passphrase", self._passphrase_file) if self._passphrase_file else ("key file", self._directory / "kek.key")
            )
            raise KeyUnavailable(
                f"wrong {what}: it does not open {self.header_path}", place=str(where),
                hint=f"use the {what} that the keysets were made with, or restore kek.json from its backup", code="kek-wrong",
            )  # fmt: skip
        probe.wipe()
        self._header, self._kek = header, kek
        return kek

    def _kek_material(self, parameters: Argon2Parameters | None, *, fresh: bool) -> SecretKey:
        if parameters is None or self._passphrase_file is None:
            path = self._directory / "kek.key"
            raw = privatefile.read_private(path, KEY_BYTES, what="key file")
            if len(raw) != KEY_BYTES:
                raise KeyUnavailable(f"the key file is not {KEY_BYTES} bytes long", place=str(path),
                                     hint="restore it from its backup", code="kek-wrong")  # fmt: skip
            return SecretKey(raw)
        passphrase = privatefile.read_private(self._passphrase_file, _MAX_PASSPHRASE, what="passphrase file")
        for line_end in (b"\n", b"\r"):  # an editor's line end is not part of the passphrase
            if passphrase.endswith(line_end):
                passphrase.pop()
        if not passphrase or (fresh and len(passphrase) < _MIN_PASSPHRASE):
            raise KeyUnavailable(f"the passphrase is shorter than {_MIN_PASSPHRASE} bytes", place=str(self._passphrase_file),
                                 hint="use six random words or more", code="passphrase-weak")  # fmt: skip
        kek = bytearray(KEY_BYTES)
        with SecretKey(passphrase) as secret, secret.reveal() as raw_passphrase:
            Argon2id(
                salt=parameters.salt,
                length=KEY_BYTES,
                iterations=parameters.iterations,
                lanes=parameters.lanes,
                memory_cost=parameters.memory_kib,
            ).derive_into(raw_passphrase, kek)  # type: ignore[arg-type]  # takes any buffer
        return SecretKey(kek)


def _kek_context(created: date, parameters: Argon2Parameters | None) -> bytes:
    if parameters is None:
        return encode(KEK_FORMAT, created.isoformat(), "key-file")
    numbers = (parameters.memory_kib, parameters.iterations, parameters.lanes)
    return encode(KEK_FORMAT, created.isoformat(), "argon2id", parameters.salt.hex(), *map(str, numbers))


def _seal(kek: SecretKey, plaintext: memoryview, context: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    with kek.reveal() as raw:
        return nonce + AESGCM(raw).encrypt(nonce, plaintext, context)


def _open(kek: SecretKey, sealed: bytes, context: bytes) -> SecretKey | None:
    if len(sealed) != _NONCE_BYTES + KEY_BYTES + _TAG_BYTES:
        return None
    plaintext = bytearray(KEY_BYTES)
    try:
        with kek.reveal() as raw:
            AESGCM(raw).decrypt_into(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context, plaintext)
    except InvalidTag:
        return None
    return SecretKey(plaintext)
