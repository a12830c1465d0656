"""Opens keys where they are used: in a DoFn's `setup()`, from a URI and a name, on a given day [C10, C14].

The key-encryption key is in memory only while one of these functions runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from contextlib import closing, contextmanager, suppress
from datetime import date
from types import TracebackType
from typing import Self, final

from transforms.errors import KeyUnavailable
from transforms.keyring.envelope import unwrap_all
from transforms.keyring.file import FileProvider
from transforms.keyring.keyset import INTERNAL, SIGNING, WARN_DAYS, Epoch, Keyset, State, check_supplier, day_of
from transforms.keyring.ledger import Ledger, read_ledger
from transforms.keyring.location import AwsKmsLocation, FileLocation, Pkcs11Location, location_of
from transforms.keyring.provider import Provider, WrappedKeyset
from transforms.keyring.secret import SecretKey, Unshareable
from transforms.keyring.signing import SigningKey


@final
class OpenKeyset(Unshareable):
    """A keyset with its keys, on one day: `active` may tokenise, the others only resolve.

    `notices` is what a custodian should be told, in sentences without a secret. Used as a context manager, it wipes its keys.
    """

    __slots__ = ("_day", "_keys", "active", "keyset", "notices")

    def __init__(self, keyset: Keyset, keys: dict[int, SecretKey], now: date, notices: tuple[str, ...]) -> None:
        self.keyset = keyset
        self.active: Epoch = keyset.active(now)
        self.notices = notices
        self._keys = keys
        self._day = day_of(now)

    def key(self, epoch: int | None = None) -> SecretKey:
        """The active epoch's key, or that of an epoch that may still resolve; it stays this object's, to wipe.

        Errors: KeyUnavailable; see `Keyset.resolvable`.
        """
        if epoch is None:
            return self._keys[self.active.number]
        return self._keys[self.keyset.resolvable(epoch, self._day).number]

    def wipe(self) -> None:
        """Wipes every key; a second call does nothing. Errors: see `SecretKey.wipe`."""
        for key in self._keys.values():
            key.wipe()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.wipe()


def open_provider(uri: str) -> Provider:
    """The provider that the URI names; nothing is read yet.

    Errors: UsageError for a URI of no known form; KeyUnavailable, with the code `key-provider-missing`, where the provider's extra
    is not installed.
    """
    match location_of(uri):
        case FileLocation():
            return FileProvider(uri)
        case Pkcs11Location():
            with _needing("pkcs11", {"pkcs11"}):
                from transforms.keyring.pkcs11 import Pkcs11Provider
            return Pkcs11Provider(uri)
        case AwsKmsLocation():
            with _needing("awskms", {"boto3", "botocore"}):
                from transforms.keyring.awskms import AwsKmsProvider
            return AwsKmsProvider(uri)


@contextmanager
def _needing(extra: str, modules: Set[str]) -> Iterator[None]:
    """Explains an import that fails because an extra is not installed; any other failure is a bug and goes through."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in modules:
            raise
        raise KeyUnavailable(
            f"the {extra} provider is not installed", place="key URI", hint=f"pip install 'supplier-views[{extra}]'",
            code="key-provider-missing",
        ) from None  # fmt: skip


def open_keyset(uri: str, supplier: str, now: date) -> OpenKeyset:
    """The keyset of a supplier, to tokenise with on that day.

    Errors: UsageError for a URI of no known form or a name that no supplier may have; KeyUnavailable if the keyset is missing,
    exposed, edited, wrapped under another key, or has no epoch that is active on that day.
    """
    return _open(uri, check_supplier(supplier), now)


def open_fingerprint_key(uri: str, now: date) -> SecretKey:
    """The force's own key for finding duplicates inside a run; no supplier's. Errors: as `open_keyset`."""
    return _open(uri, INTERNAL, now).key()


def open_signing_key(uri: str, now: date) -> SigningKey:
    """The key that signs manifests on that day. Errors: as `open_keyset`."""
    with _open(uri, SIGNING, now) as opened:
        return SigningKey(opened.key(), opened.active.number, opened.notices)


def open_verification_keys(uri: str, now: date) -> tuple[bytes, ...]:
    """The 32-byte public halves of every signing key that the force has had, newest first: a rotation leaves old signatures valid.

    A key that is past use, compromised or destroyed is left out: what it signed proves nothing. Errors: as `open_keyset`.
    """
    with _open(uri, SIGNING, now) as opened:
        found = []
        for epoch in reversed(opened.keyset.epochs):
            if epoch.state is State.COMPROMISED:
                continue
            with suppress(KeyUnavailable):
                found.append(SigningKey(opened.key(epoch.number), epoch.number).public_bytes())
        return tuple(found)


def own_key_notices(uri: str, now: date) -> tuple[str, ...]:
    """What a custodian should be told of the force's own two keysets, each sentence once. Errors: as `open_keyset`."""
    notices: dict[str, None] = {}
    for name in (INTERNAL, SIGNING):
        with _open(uri, name, now) as opened:
            notices |= dict.fromkeys(opened.notices)
    return tuple(notices)


def read_current(provider: Provider, name: str, ledger: Ledger | None = None) -> tuple[WrappedKeyset, dict[int, SecretKey]]:
    """A keyset with its keys, proven to be whole and the last that its store knows of.

    Errors: KeyUnavailable, with the codes of `read_ledger` and `unwrap_all`, or `keyset-rolled-back`.
    """
    known = ledger or read_ledger(provider)
    wrapped = provider.read(name)
    keys = unwrap_all(provider, wrapped)
    try:
        known.check(wrapped, provider.place(name))
    except KeyUnavailable:
        for key in keys.values():
            key.wipe()
        raise
    return wrapped, keys


def open_ledger(uri: str) -> Ledger:
    """The ledger of a store, proven by its seal. Errors: as `read_ledger`."""
    with closing(open_provider(uri)) as provider:
        return read_ledger(provider)


def kek_notices(provider: Provider, now: date) -> tuple[str, ...]:
    """Whether the key-encryption key has `WARN_DAYS` days or fewer left to wrap with, or none."""
    expires = provider.kek_expires()
    left = (expires - day_of(now)).days
    if left > WARN_DAYS:
        return ()
    return (f"the key-encryption key wraps no new key from {expires} on, days left: {max(left, 0)}",)


def _open(uri: str, name: str, now: date) -> OpenKeyset:
    with closing(open_provider(uri)) as provider:
        wrapped, keys = read_current(provider, name)
        keyset = wrapped.keyset.at(now)
        return OpenKeyset(keyset, keys, now, (*keyset.notices(now), *kek_notices(provider, now)))
