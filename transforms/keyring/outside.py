"""A key-encryption key (KEK) that never enters this process: it stays in a token or a key service, which wraps and unwraps.

The keysets lie in a private directory as they do for `file:`. The header there says since when the KEK has been in use, and holds a
check value: a wrong KEK is told from a damaged keyset by it and by nothing else.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal

from transforms.errors import KeyUnavailable
from transforms.keyring.directory import KeyDirectory
from transforms.keyring.document import OUTSIDE_KEK_FORMAT, OutsideKekDocument
from transforms.keyring.envelope import KEY_BYTES, encode
from transforms.keyring.keyset import KEK_MONTHS, add_months
from transforms.keyring.secret import SecretKey


class OutsideKek(KeyDirectory):
    """A base for providers whose KEK stays outside; they add `find_kek`, `encrypt` and `decrypt`."""

    __slots__ = ("_created", "_scheme", "_whose")

    def __init__(self, directory: Path, scheme: Literal["pkcs11", "awskms"], whose: str) -> None:
        super().__init__(directory)
        self._scheme: Literal["pkcs11", "awskms"] = scheme
        self._whose = whose
        self._created: date | None = None

    def find_kek(self, day: date) -> date:
        """Finds the KEK for a new store, or makes it on `day`, which is today, and says since when it has existed.

        Errors: KeyUnavailable.
        """
        raise NotImplementedError

    def encrypt(self, raw: memoryview, context: bytes) -> bytes:
        """The 32 bytes under the KEK, authenticated together with `context`. Errors: KeyUnavailable."""
        raise NotImplementedError

    def decrypt(self, wrapped: bytes, context: bytes) -> bytes | None:
        """What `encrypt` was given; None if the KEK answers that these bytes and this context do not belong together.

        Errors: KeyUnavailable if the KEK does not answer, or refuses to.
        """
        raise NotImplementedError

    def make_header(self, day: date) -> OutsideKekDocument:
        """See `KeyDirectory`."""
        created = self.find_kek(day)
        with SecretKey.random(KEY_BYTES) as probe, probe.reveal() as raw:
            check = self.encrypt(raw, self._check_context(created))
        return OutsideKekDocument(format=OUTSIDE_KEK_FORMAT, scheme=self._scheme, created=created, check=check)

    def open_kek(self) -> None:
        """Asks the KEK to open the check in the header, once; see `KeyDirectory`."""
        self.kek_created()

    def kek_created(self) -> date:
        """The day on which the KEK came into use, proven by the check. Errors: KeyUnavailable."""
        if self._created is not None:
            return self._created
        header = self.read_header()
        scheme = header.scheme if isinstance(header, OutsideKekDocument) else "file"
        if not isinstance(header, OutsideKekDocument) or scheme != self._scheme:
            raise KeyUnavailable(
                f"the key-encryption key of these keysets is kept by {scheme}, not by {self._scheme}",
                place=str(self.header_path),
                hint=f"use the {scheme}: URI that they were made with",
                code="kek-wrong",
            )
        probe = self.decrypt(header.check, self._check_context(header.created))
        if probe is None:
            raise KeyUnavailable(
                f"wrong key-encryption key: it does not open {self.header_path}",
                place=self._whose,
                hint="use the key that the keysets were made with, or restore kek.json from its backup",
                code="kek-wrong",
            )
        self._created = header.created
        return header.created

    def wrap(self, key: SecretKey, context: bytes) -> bytes:
        """The key as the KEK encrypted it; see `Provider`."""
        self.kek_created()
        with key.reveal() as raw:
            return self.encrypt(raw, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> SecretKey | None:
        """The key, or None; see `Provider`."""
        self.kek_created()
        raw = self.decrypt(wrapped, context)
        return SecretKey(raw) if raw is not None and len(raw) == KEY_BYTES else None

    def kek_expires(self) -> date:
        """The first day on which the KEK may not wrap any more."""
        return add_months(self.kek_created(), KEK_MONTHS)

    def close(self) -> None:
        """Nothing is held between two calls, and no secret."""
        self._created = None

    def _check_context(self, created: date) -> bytes:
        return encode(OUTSIDE_KEK_FORMAT, self._scheme, created.isoformat())
