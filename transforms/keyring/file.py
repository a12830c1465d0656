"""The `file:` provider: keysets in one private directory, wrapped under a key from a key file or a passphrase.

::

    DIR/                         0700
      kek.json                   0600  header of the key-encryption key (KEK)
      kek.key                    0600  the KEK itself, 32 random bytes; absent where a passphrase opens the store
      SUPPLIER.keyset.json       0600  wrapped keys, one file a supplier, and internal and signing of the force
      revisions.json             0600  ledger: the revision that each keyset reached
      signing.pub                0644  public half of the active manifest key; signing-N.pub that of epoch N

Wrapping is AES-256-GCM (SP 800-38D) under a random 96-bit nonce, which allows 2**32 wrappings under one KEK. A passphrase becomes a
KEK by Argon2id (RFC 9106) with a stored random salt.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from datetime import date
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from transforms.errors import InternalError, KeyUnavailable
from transforms.keyring import privatefile
from transforms.keyring.document import (
    KEK_FORMAT,
    Argon2Parameters,
    KekDocument,
    format_kek,
    format_keyset,
    parse_kek,
    parse_keyset,
)
from transforms.keyring.envelope import KEY_BYTES, encode
from transforms.keyring.keyref import file_location
from transforms.keyring.keyset import KEK_MONTHS, NAME, add_months, check_name, day_of
from transforms.keyring.provider import WrappedKeyset
from transforms.keyring.secret import SecretKey, Unshareable

_SUFFIX: Final = ".keyset.json"
_LEDGER: Final = "revisions.json"
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_MAX_FILE: Final = 8 * 1024 * 1024
_MAX_PASSPHRASE: Final = 1024
# SP 800-63B-4 section 3.1.1: a password that stands alone has 15 characters or more.
_MIN_PASSPHRASE: Final = 15
# RFC 9106 section 4, second recommended option.
_MEMORY_KIB: Final = 64 * 1024
_ITERATIONS: Final = 3
_LANES: Final = 4


class FileProvider(Unshareable):
    """Keysets under a `file:` URI. The KEK is read and checked at its first use, and forgotten by `close`."""

    __slots__ = ("_directory", "_header", "_kek", "_passphrase_file")

    def __init__(self, uri: str) -> None:
        location = file_location(uri)
        self._directory = location.directory
        self._passphrase_file = location.passphrase_file
        self._header: KekDocument | None = None
        self._kek: SecretKey | None = None

    def prepare(self, now: date) -> None:
        """Makes the directory and a KEK where there is none; see `Provider`.

        Errors: KeyUnavailable, with the code `kek-lost`, if there are keysets whose KEK is gone: a new one could not open them.
        """
        privatefile.make_private_directory(self._directory)
        privatefile.check_private_directory(self._directory)
        with privatefile.exclusive(self._directory):
            privatefile.sweep(self._directory)
            if not (self._directory / "kek.json").exists():
                self._make_kek(day_of(now))
        self._open_kek()

    def changing(self) -> AbstractContextManager[None]:
        """The store's lock; see `Provider`."""
        privatefile.check_private_directory(self._directory)
        return privatefile.exclusive(self._directory)

    def names(self) -> tuple[str, ...]:
        """The names of the keysets, sorted."""
        privatefile.check_private_directory(self._directory)
        names = (path.name.removesuffix(_SUFFIX) for path in self._directory.glob(f"*{_SUFFIX}"))
        return tuple(sorted(name for name in names if NAME.fullmatch(name)))

    def place(self, name: str) -> str:
        """The path of the keyset's file."""
        return str(self._directory / f"{check_name(name)}{_SUFFIX}")

    def read(self, name: str) -> WrappedKeyset:
        """The keyset of that name; see `Provider`."""
        privatefile.check_private_directory(self._directory)
        path = self._directory / f"{check_name(name)}{_SUFFIX}"
        return parse_keyset(privatefile.read_private(path, _MAX_FILE, what=f"keyset of {name}"), name, path)

    def create(self, keyset: WrappedKeyset) -> bool:
        """Keeps a new keyset; False if the name is taken."""
        name = check_name(keyset.keyset.supplier)
        return privatefile.create_whole(self._directory / f"{name}{_SUFFIX}", format_keyset(keyset))

    def replace(self, keyset: WrappedKeyset) -> None:
        """Keeps a keyset in the place of an older one."""
        name = check_name(keyset.keyset.supplier)
        privatefile.replace_whole(self._directory / f"{name}{_SUFFIX}", format_keyset(keyset), overwrite=True)

    def place_of_ledger(self) -> str:
        """The path of the ledger's file."""
        return str(self._directory / _LEDGER)

    def read_ledger(self) -> bytes | None:
        """The bytes of DIR/revisions.json, None where there is none."""
        privatefile.check_private_directory(self._directory)
        if not os.path.lexists(self._directory / _LEDGER):
            return None
        return bytes(privatefile.read_private(self._directory / _LEDGER, _MAX_FILE, what="ledger of revisions"))

    def replace_ledger(self, ledger: bytes) -> None:
        """Keeps DIR/revisions.json."""
        privatefile.replace_whole(self._directory / _LEDGER, ledger)

    def publish(self, name: str, public: bytes) -> None:
        """Writes DIR/NAME.pub with mode 0644."""
        privatefile.replace_whole(self._directory / f"{check_name(name)}.pub", public, 0o644)

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

    def _make_kek(self, day: date) -> None:
        if self.names():
            raise KeyUnavailable(
                "kek.json is gone, and keysets need it",
                place=str(self._directory),
                hint="restore it from its backup",
                code="kek-lost",
            )
        parameters = None
        if self._passphrase_file is None:
            key_file = self._directory / "kek.key"
            with SecretKey.random(KEY_BYTES) as fresh, fresh.reveal() as raw:
                privatefile.create_whole(key_file, raw)  # one that a dead init left is as good
        else:
            parameters = Argon2Parameters(salt=os.urandom(16), memory_kib=_MEMORY_KIB, iterations=_ITERATIONS, lanes=_LANES)
        with self._kek_material(parameters, fresh=True) as kek, SecretKey.random(KEY_BYTES) as probe, probe.reveal() as raw:
            header = KekDocument(
                format=KEK_FORMAT, created=day, argon2id=parameters, check=_seal(kek, raw, _kek_context(day, parameters))
            )
        privatefile.create_whole(self._directory / "kek.json", format_kek(header))

    def _open_kek(self) -> SecretKey:
        """The KEK, once it has opened the check in its header: a wrong one is told from a damaged keyset here and nowhere else."""
        if self._kek is not None:
            return self._kek
        privatefile.check_private_directory(self._directory)
        path = self._directory / "kek.json"
        header = parse_kek(privatefile.read_private(path, _MAX_FILE, what="header of the key-encryption key"), path)
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
                f"wrong {what}: it does not open {path}", place=str(where),
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
