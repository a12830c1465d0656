"""The ledger of a store: which revision each keyset reached, kept apart from the keysets and sealed like them.

A keyset that is put back from an older copy opens, since it is genuine; the ledger shows that it is not the last one. A store that
is put back as a whole, ledger and all, looks as it once looked: that is for the records of the run to find.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from transforms.errors import KeyUnavailable
from transforms.keyring.document import EntryDocument, LedgerDocument, format_ledger, parse_ledger
from transforms.keyring.envelope import seal_holds, seal_of
from transforms.keyring.provider import Provider, WrappedKeyset

LEDGER_FORMAT: Final[Literal["supplier-views/revisions/1"]] = "supplier-views/revisions/1"
_BACKUP: Final = "restore the whole store, revisions.json with it, from one backup"


@dataclass(frozen=True, slots=True)
class Entry:
    """The revision that a keyset reached, and the highest epoch that it ever had."""

    revision: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Ledger:
    """The entries of a store by the keysets' names."""

    entries: Mapping[str, Entry]

    def check(self, wrapped: WrappedKeyset, place: str) -> None:
        """Refuses a keyset that is older than its entry; one that is newer was written by a custodian who died before the ledger.

        Errors: KeyUnavailable, with the code `keyset-rolled-back`.
        """
        entry = self.entries.get(wrapped.keyset.supplier)
        if entry is not None and wrapped.revision < entry.revision:
            raise KeyUnavailable(
                f"the keyset is revision {wrapped.revision}, and the ledger of the store knows revision {entry.revision}",
                place=place,
                hint=f"an older file was put in its place; {_BACKUP}",
                code="keyset-rolled-back",
            )

    def noting(self, wrapped: WrappedKeyset) -> Ledger:
        """This ledger with the revision of one more keyset."""
        entry = Entry(wrapped.revision, wrapped.keyset.epochs[-1].number)
        return Ledger({**self.entries, wrapped.keyset.supplier: entry})


def read_ledger(provider: Provider) -> Ledger:
    """The ledger of a store, proven by its seal. Read it before the keyset, or a change in between looks like a roll-back.

    Errors: KeyUnavailable, with the code `keyset-ledger-missing`, `keyset-invalid` or `key-unwrap-failed`.
    """
    content = provider.read_ledger()
    place = provider.place_of_ledger()
    if content is None:
        raise KeyUnavailable(
            "the ledger of revisions is missing", place=place, hint=f"check the key URI, or {_BACKUP}", code="keyset-ledger-missing"
        )
    document = parse_ledger(content, place)
    if not seal_holds(provider, document.seal, *_fields(document.keysets)):
        raise KeyUnavailable(
            "the seal of the ledger of revisions does not open",
            place=place,
            hint=f"it was edited, damaged or made under another key-encryption key; {_BACKUP}",
            code="key-unwrap-failed",
        )
    return Ledger({entry.supplier: Entry(entry.revision, entry.epoch) for entry in document.keysets})


def write_ledger(provider: Provider, ledger: Ledger) -> None:
    """Keeps a ledger, sealed. Errors: StoreUnavailable; KeyUnavailable."""
    entries = tuple(
        EntryDocument(supplier=name, revision=entry.revision, epoch=entry.epoch) for name, entry in sorted(ledger.entries.items())
    )
    seal = seal_of(provider, *_fields(entries))
    document = LedgerDocument(format=LEDGER_FORMAT, keysets=entries, seal=seal)
    provider.replace_ledger(format_ledger(document))


def _fields(entries: tuple[EntryDocument, ...]) -> tuple[str, ...]:
    return (
        LEDGER_FORMAT,
        *(field for entry in entries for field in (entry.supplier, str(entry.revision), str(entry.epoch))),
    )
