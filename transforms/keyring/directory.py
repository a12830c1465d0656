"""Keysets in one private directory: what every provider does that keeps its keysets in files, whoever holds its key-encryption key.

::

    DIR/                         0700
      kek.json                   0600  header of the key-encryption key (KEK)
      SUPPLIER.keyset.json       0600  wrapped keys, one file a supplier, and internal and signing of the force
      revisions.json             0600  ledger: the revision that each keyset reached
      signing.pub                0644  public half of the active manifest key; signing-N.pub that of epoch N
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path
from typing import Final

from transforms.errors import KeyUnavailable
from transforms.keyring import privatefile
from transforms.keyring.document import AnyKekDocument, format_kek, format_keyset, parse_kek, parse_keyset
from transforms.keyring.keyset import NAME, check_name, day_of
from transforms.keyring.provider import WrappedKeyset
from transforms.keyring.secret import Unshareable

MAX_FILE: Final = 8 * 1024 * 1024
_SUFFIX: Final = ".keyset.json"
_LEDGER: Final = "revisions.json"
_HEADER: Final = "kek.json"


class KeyDirectory(Unshareable):
    """A base for providers whose keysets lie in a private directory; they add the KEK: `make_header`, `open_kek`, wrapping."""

    __slots__ = ("_directory",)

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def make_header(self, day: date) -> AnyKekDocument:
        """The header of a KEK for a new store, which is made first where there is none; called under the store's lock."""
        raise NotImplementedError

    def open_kek(self) -> None:
        """Proves that the KEK is the one of the header. Errors: KeyUnavailable, with the code `kek-wrong` if it is another."""
        raise NotImplementedError

    def prepare(self, now: date) -> None:
        """Makes the directory and a KEK where there is none; see `Provider`.

        Errors: KeyUnavailable, with the code `kek-lost`, if there are keysets whose KEK is gone: a new one could not open them.
        """
        privatefile.make_private_directory(self._directory)
        privatefile.check_private_directory(self._directory)
        with privatefile.exclusive(self._directory):
            privatefile.sweep(self._directory)
            if not (self._directory / _HEADER).exists():
                if self.names():
                    raise KeyUnavailable(
                        "kek.json is gone, and keysets need it",
                        place=str(self._directory),
                        hint="restore it from its backup",
                        code="kek-lost",
                    )
                header = self.make_header(day_of(now))
                privatefile.create_whole(self._directory / _HEADER, format_kek(header))
        self.open_kek()

    def read_header(self) -> AnyKekDocument:
        """The header of the KEK, not proven yet. Errors: KeyUnavailable."""
        privatefile.check_private_directory(self._directory)
        path = self.header_path
        return parse_kek(privatefile.read_private(path, MAX_FILE, what="header of the key-encryption key"), path)

    @property
    def header_path(self) -> Path:
        """Where the header of the KEK is kept."""
        return self._directory / _HEADER

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
        return parse_keyset(privatefile.read_private(path, MAX_FILE, what=f"keyset of {name}"), name, path)

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
        return bytes(privatefile.read_private(self._directory / _LEDGER, MAX_FILE, what="ledger of revisions"))

    def replace_ledger(self, ledger: bytes) -> None:
        """Keeps DIR/revisions.json."""
        privatefile.replace_whole(self._directory / _LEDGER, ledger)

    def publish(self, name: str, public: bytes) -> None:
        """Writes DIR/NAME.pub with mode 0644."""
        privatefile.replace_whole(self._directory / f"{check_name(name)}.pub", public, 0o644)
