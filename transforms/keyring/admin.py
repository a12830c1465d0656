"""What a custodian does with keysets: make them, list them, check them, start a new epoch. No report holds a key."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import date

from transforms.errors import KeyUnavailable, UsageError
from transforms.keyring.change import changing, publish_halves
from transforms.keyring.envelope import KEY_BYTES, wrap_all
from transforms.keyring.keyset import (
    INTERNAL,
    RESERVED,
    SIGNING,
    Epoch,
    Keyset,
    State,
    check_supplier,
    day_of,
    first_keyset,
    purpose_of,
)
from transforms.keyring.ledger import Entry, Ledger, read_ledger, write_ledger
from transforms.keyring.open import kek_notices, open_provider, read_current
from transforms.keyring.provider import Provider
from transforms.keyring.secret import SecretKey


@dataclass(frozen=True, slots=True)
class InitReport:
    """The keysets that `init` made and those that were there already, by name; JSON-ready through `dataclasses.asdict`."""

    created: tuple[str, ...]
    kept: tuple[str, ...]
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EpochRow:
    """One epoch. Dates are ISO 8601 days.

    `days_left` counts to `expires` for an active epoch, to the end of the resolve-only period for a deactivated or compromised one,
    is below zero when that has passed, and is None for the others.
    """

    epoch: int
    state: str
    created: str
    activates: str
    expires: str
    days_left: int | None


@dataclass(frozen=True, slots=True)
class KeysetRow:
    """One keyset; JSON-ready through `dataclasses.asdict`.

    `revision` counts its changes; it is 0, and `epochs` is empty, for a supplier that has none yet.
    """

    name: str
    purpose: str
    algorithm: str
    revision: int
    epochs: tuple[EpochRow, ...]


@dataclass(frozen=True, slots=True)
class ListReport:
    """Every keyset in a store, by name, and what a custodian should be told. JSON-ready through `dataclasses.asdict`."""

    keysets: tuple[KeysetRow, ...]
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NewEpochReport:
    """The new epoch, and the one that only resolves from its first day on (None if none was active).

    `state` is `active`, or `pre-active` before that day.
    """

    name: str
    epoch: int
    state: str
    deactivated: int | None
    activates: str
    expires: str
    notices: tuple[str, ...]


def init(uri: str, suppliers: Iterable[str], now: date) -> InitReport:
    """Makes the keysets that are missing: one for each supplier, and the force's own two; never changes one that is there.

    Makes the store too if there is none. Two at once are as good as one after the other; one that died may be run again.

    Errors: UsageError for a name that no supplier may have, before anything is made; KeyUnavailable; StoreUnavailable.
    """
    names = sorted({*map(check_supplier, suppliers), *RESERVED})
    created: list[str] = []
    kept: list[str] = []
    with closing(open_provider(uri)) as provider:
        provider.prepare(now)
        with provider.changing():
            present = set(provider.names())
            if not present and provider.read_ledger() is None:
                write_ledger(provider, Ledger({}))
            ledger = read_ledger(provider)
            for name in names:
                if name in present:
                    kept.append(name)
                    continue
                ledger = _create(provider, name, now, ledger)
                created.append(name)
            publish_halves(provider, ledger)
        return InitReport(tuple(created), tuple(kept), kek_notices(provider, now))


def list_keysets(uri: str, suppliers: Iterable[str] | None, now: date) -> ListReport:
    """Every keyset of the store, each proven by unwrapping its keys, and a row without epochs for each supplier that has none.

    Errors: UsageError; KeyUnavailable if one keyset cannot be trusted.
    """
    wanted = {check_supplier(supplier) for supplier in suppliers or ()}
    rows = []
    notices = []
    with closing(open_provider(uri)) as provider:
        ledger = read_ledger(provider)
        present = provider.names()
        for name in sorted(wanted.union(present)):
            if name not in present:
                rows.append(_row(name, 0, (), now))
                notices.append(f"{name} has no keyset yet")
                continue
            wrapped, keys = read_current(provider, name, ledger)
            for key in keys.values():
                key.wipe()
            rows.append(_row(name, wrapped.revision, wrapped.keyset.at(now).epochs, now))
            notices.extend(_notices(wrapped.keyset.at(now), now))
        notices.extend(kek_notices(provider, now))
    return ListReport(tuple(rows), tuple(notices))


def new_epoch(uri: str, name: str, now: date, *, activates: date | None = None, rehearse: bool = False) -> NewEpochReport:
    """Gives a keyset (a supplier's, `internal` or `signing`) a new key, active at once; the one before only resolves from then on.

    With `activates`, a supplier's (or `internal`'s) new key is pre-active, and all of that happens on that day. With `rehearse` it
    refuses what it would refuse and reports what it would report, makes no key and writes nothing.

    Errors: UsageError; KeyUnavailable if the keyset is missing or cannot be trusted, if the key-encryption key is too old to
    wrap, if a pre-active epoch waits, or if the clock was set back; StoreUnavailable, with the old keyset untouched.
    """
    if activates is not None and name == SIGNING:
        # `signing.pub` names the active key, and nobody writes the store on the day on which that would change.
        raise UsageError("a signing key cannot be made for a later day", hint="run keys new-epoch on that day")
    with changing(uri, name, now) as change:
        keyset = change.keyset.with_new_epoch(now, activates)
        epoch = keyset.epochs[-1]
        _check_kek(change.provider, now)
        if not rehearse:
            change.keys[epoch.number] = SecretKey.random(KEY_BYTES)
            change.keep(keyset)
        before = next((old.number for old in change.keyset.epochs if old.state is State.ACTIVE), None)
        return NewEpochReport(
            name,
            epoch.number,
            epoch.state.value,
            before,
            epoch.activates.isoformat(),
            epoch.expires.isoformat(),
            kek_notices(change.provider, now),
        )


def check_keysets(uri: str, suppliers: Iterable[str], now: date) -> ListReport:
    """As `list_keysets`, but refuses what would stop a run on that day: a keyset that is missing or has no usable epoch.

    Notices name what expires soon, and every key that is kept after the end of its resolve-only period.

    Errors: UsageError; KeyUnavailable.
    """
    report = list_keysets(uri, suppliers, now)
    overdue: list[str] = []
    with closing(open_provider(uri)) as provider:
        for row in report.keysets:
            if not row.epochs:
                raise KeyUnavailable(
                    f"the keyset of {row.name} is missing",
                    place=provider.place(row.name),
                    hint="make it with supplier-views keys init",
                    code="key-file-missing",
                )
            keyset = provider.read(row.name).keyset.at(now)
            keyset.active(now)
            overdue.extend(
                f"{row.name}, epoch {epoch.number}, is due to be destroyed since {epoch.resolves_until}"
                for epoch in keyset.epochs
                if epoch.state in (State.DEACTIVATED, State.COMPROMISED) and day_of(now) >= epoch.resolves_until
            )
    return ListReport(report.keysets, (*report.notices, *overdue))


def _create(provider: Provider, name: str, now: date, ledger: Ledger) -> Ledger:
    _check_kek(provider, now)
    lost = ledger.entries.get(name, Entry(0, 0))
    keyset = first_keyset(name, now, lost.epoch + 1)  # a number never means two keys, even when a keyset was lost
    with SecretKey.random(KEY_BYTES) as key:
        wrapped = wrap_all(provider, keyset, {keyset.epochs[-1].number: key}, lost.revision + 1)
    provider.create(wrapped)
    noted = ledger.noting(wrapped)
    write_ledger(provider, noted)
    return noted


def _check_kek(provider: Provider, now: date) -> None:
    expires = provider.kek_expires()
    if day_of(now) >= expires:
        raise KeyUnavailable(
            f"the key-encryption key may not wrap new keys since {expires}",
            place=provider.place(INTERNAL),
            hint="keysets that are there still open; move to a new key-encryption key with supplier-views keys rewrap",
            code="kek-expired",
        )


def _notices(keyset: Keyset, now: date) -> tuple[str, ...]:
    try:
        return keyset.notices(now)
    except KeyUnavailable as refusal:  # a list shows what is wrong; only a run stops for it
        return (str(refusal),)


def _row(name: str, revision: int, epochs: tuple[Epoch, ...], now: date) -> KeysetRow:
    purpose = purpose_of(name)
    rows = tuple(_epoch_row(epoch, day_of(now)) for epoch in epochs)
    return KeysetRow(name, purpose.value, purpose.algorithm, revision, rows)


def _epoch_row(epoch: Epoch, day: date) -> EpochRow:
    until = {State.ACTIVE: epoch.expires, State.DEACTIVATED: epoch.resolves_until, State.COMPROMISED: epoch.resolves_until}
    end = until.get(epoch.state)
    return EpochRow(
        epoch.number,
        epoch.state.value,
        epoch.created.isoformat(),
        epoch.activates.isoformat(),
        epoch.expires.isoformat(),
        None if end is None else (end - day).days,
    )
