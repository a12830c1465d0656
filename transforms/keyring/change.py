"""One change of one keyset: proven first, kept as the next revision, noted in the ledger, keys wiped whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date

from transforms.keyring.envelope import wrap_all
from transforms.keyring.keyset import SIGNING, Keyset, State, check_name
from transforms.keyring.ledger import Ledger, read_ledger, write_ledger
from transforms.keyring.open import open_provider, read_current
from transforms.keyring.provider import Provider
from transforms.keyring.secret import SecretKey, Unshareable
from transforms.keyring.signing import SigningKey


@dataclass(slots=True, repr=False, eq=False)
class Change(Unshareable):
    """A keyset as it is, and its keys by epoch; the store is locked for as long as this is held."""

    provider: Provider
    ledger: Ledger
    keyset: Keyset
    revision: int
    keys: dict[int, SecretKey]

    def keep(self, keyset: Keyset) -> None:
        """Keeps a keyset in this one's place. Errors: KeyUnavailable; StoreUnavailable."""
        wrapped = wrap_all(self.provider, keyset, self.keys, self.revision + 1)
        self.provider.replace(wrapped)
        write_ledger(self.provider, self.ledger.noting(wrapped))
        if keyset.supplier == SIGNING:
            publish_halves(self.provider, self.ledger)


@contextmanager
def changing(uri: str, name: str, now: date) -> Iterator[Change]:
    """A keyset to change, as it is on that day, with its store locked.

    Errors: UsageError for a name that no keyset may have; KeyUnavailable if the keyset is missing or cannot be trusted.
    """
    check_name(name)
    with closing(open_provider(uri)) as provider, provider.changing():
        ledger = read_ledger(provider)
        wrapped, keys = read_current(provider, name, ledger)
        try:
            yield Change(provider, ledger, wrapped.keyset.at(now), wrapped.revision, keys)
        finally:
            for key in keys.values():
                key.wipe()


def publish_halves(provider: Provider, ledger: Ledger) -> None:
    """Writes the public halves of the signing keys anew, which also mends what a dead new-epoch left behind."""
    wrapped, keys = read_current(provider, SIGNING, ledger)
    for epoch in wrapped.keyset.epochs:
        if epoch.number not in keys:
            continue
        with keys[epoch.number] as seed:
            pem = SigningKey(seed, epoch.number).public_pem()
        provider.publish(f"{SIGNING}-{epoch.number}", pem)
        if epoch.state is State.ACTIVE:
            provider.publish(SIGNING, pem)
