"""Moves a store to a new key-encryption key without changing a token."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import date

from transforms.errors import InternalError, KeyUnavailable
from transforms.keyring.change import publish_halves
from transforms.keyring.envelope import unwrap_all, wrap_all
from transforms.keyring.keyset import SIGNING
from transforms.keyring.ledger import read_ledger, write_ledger
from transforms.keyring.open import kek_notices, open_provider, read_current
from transforms.keyring.provider import Provider
from transforms.keyring.secret import SecretKey


@dataclass(frozen=True, slots=True)
class RewrapReport:
    """The keysets that a new store holds, by name; JSON-ready through `dataclasses.asdict`."""

    rewrapped: tuple[str, ...]
    notices: tuple[str, ...]


def rewrap(uri: str, target_uri: str, now: date) -> RewrapReport:
    """Writes every keyset of a store into another store, which is made with a key-encryption key of its own.

    The old store is not changed. The new one opens only once its ledger is there, which is written last, when every key in it was
    read back and found to be the same: whoever dies before leaves the old store, and does it again.

    Errors: UsageError for a URI of no known form; KeyUnavailable, with the code `store-taken`, if the other store is complete
    already; otherwise as `list_keysets`; StoreUnavailable.
    """
    with closing(open_provider(uri)) as source, closing(open_provider(target_uri)) as target, source.changing():
        ledger = read_ledger(source)
        target.prepare(now)
        with target.changing():
            if target.read_ledger() is not None:
                raise KeyUnavailable(
                    "there is a store already",
                    place=target.place_of_ledger(),
                    hint="rewrap into a directory that does not exist",
                    code="store-taken",
                )
            names = source.names()
            for name in names:
                wrapped, keys = read_current(source, name, ledger)
                target.replace(wrap_all(target, wrapped.keyset, keys, wrapped.revision))
                _compare(target, name, keys)
            if SIGNING in names:
                publish_halves(target, ledger)
            write_ledger(target, ledger)
        return RewrapReport(names, kek_notices(target, now))


def _compare(target: Provider, name: str, keys: dict[int, SecretKey]) -> None:
    """Reads a keyset back, and wipes both sides: InternalError unless they hold the same keys."""
    written = unwrap_all(target, target.read(name))
    same = written == keys
    for key in (*written.values(), *keys.values()):
        key.wipe()
    if not same:
        raise InternalError(f"the keyset of {name} was not written as it was read", place=target.place(name))
