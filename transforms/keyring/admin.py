"""What a custodian does with keysets: make them, list them, start a new epoch. No report holds a key."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import date

from transforms.errors import KeyUnavailable
from transforms.keyring.envelope import KEY_BYTES, unwrap_all, wrap_all
from transforms.keyring.keyset import (
    INTERNAL,
    RESERVED,
    SIGNING,
    Epoch,
    Keyset,
    State,
    check_name,
    check_supplier,
    day_of,
    first_keyset,
    purpose_of,
)
from transforms.keyring.open import kek_notices, open_provider
from transforms.keyring.provider import Provider
from transforms.keyring.secret import SecretKey
from transforms.keyring.signing import SigningKey


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
    """One keyset; `epochs` is empty for a supplier that has none yet. JSON-ready through `dataclasses.asdict`."""

    name: str
    purpose: str
    algorithm: str
    epochs: tuple[EpochRow, ...]


@dataclass(frozen=True, slots=True)
class ListReport:
    """Every keyset in a store, by name, and what a custodian should be told. JSON-ready through `dataclasses.asdict`."""

    keysets: tuple[KeysetRow, ...]
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NewEpochReport:
    """The epoch that is active now and the one that only resolves from now on (None if none was active)."""

    name: str
    epoch: int
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
            for name in names:
                if name not in present and _create(provider, name, now):
                    created.append(name)
                else:
                    kept.append(name)
            _publish(provider)
        return InitReport(tuple(created), tuple(kept), kek_notices(provider, now))


def list_keysets(uri: str, suppliers: Iterable[str] | None, now: date) -> ListReport:
    """Every keyset of the store, each proven by unwrapping its keys, and a row without epochs for each supplier that has none.

    Errors: UsageError; KeyUnavailable if one keyset cannot be trusted.
    """
    wanted = {check_supplier(supplier) for supplier in suppliers or ()}
    rows = []
    notices = []
    with closing(open_provider(uri)) as provider:
        present = provider.names()
        for name in sorted(wanted.union(present)):
            if name not in present:
                rows.append(_row(name, (), now))
                notices.append(f"{name} has no keyset yet")
                continue
            wrapped = provider.read(name)
            for key in unwrap_all(provider, wrapped).values():
                key.wipe()
            rows.append(_row(name, wrapped.keyset.epochs, now))
            notices.extend(_notices(wrapped.keyset, now))
        notices.extend(kek_notices(provider, now))
    return ListReport(tuple(rows), tuple(notices))


def new_epoch(uri: str, name: str, now: date) -> NewEpochReport:
    """Gives a keyset (a supplier's, `internal` or `signing`) a new key, active at once; the one before only resolves from then on.

    Errors: UsageError; KeyUnavailable if the keyset is missing or cannot be trusted, if the key-encryption key is too old to
    wrap, or if the clock was set back; StoreUnavailable, with the old keyset untouched.
    """
    check_name(name)
    with closing(open_provider(uri)) as provider, provider.changing():
        wrapped = provider.read(name)
        keys = unwrap_all(provider, wrapped)
        keyset = wrapped.keyset.with_new_epoch(now)
        epoch = keyset.epochs[-1]
        keys[epoch.number] = SecretKey.random(KEY_BYTES)
        _check_kek(provider, now)
        provider.replace(wrap_all(provider, keyset, keys))
        for key in keys.values():
            key.wipe()
        if name == SIGNING:
            _publish(provider)
        before = next((old.number for old in wrapped.keyset.epochs if old.state is State.ACTIVE), None)
        return NewEpochReport(
            name, epoch.number, before, epoch.activates.isoformat(), epoch.expires.isoformat(), kek_notices(provider, now)
        )


def _create(provider: Provider, name: str, now: date) -> bool:
    _check_kek(provider, now)
    keyset = first_keyset(name, now)
    with SecretKey.random(KEY_BYTES) as key:
        return provider.create(wrap_all(provider, keyset, {keyset.epochs[-1].number: key}))


def _publish(provider: Provider) -> None:
    """Writes the public halves anew from the keyset, which also mends what a dead new-epoch left behind."""
    wrapped = provider.read(SIGNING)
    keys = unwrap_all(provider, wrapped)
    for epoch in wrapped.keyset.epochs:
        if epoch.number not in keys:
            continue
        with keys[epoch.number] as seed:
            pem = SigningKey(seed, epoch.number).public_pem()
        provider.publish(f"{SIGNING}-{epoch.number}", pem)
        if epoch.state is State.ACTIVE:
            provider.publish(SIGNING, pem)


def _check_kek(provider: Provider, now: date) -> None:
    expires = provider.kek_expires()
    if day_of(now) >= expires:
        raise KeyUnavailable(
            f"the key-encryption key may not wrap new keys since {expires}",
            place=provider.place(INTERNAL),
            hint="keysets that are there still open; see keys/README.md for how to move to a new store",
            code="kek-expired",
        )


def _notices(keyset: Keyset, now: date) -> tuple[str, ...]:
    try:
        return keyset.notices(now)
    except KeyUnavailable as refusal:  # a list shows what is wrong; only a run stops for it
        return (str(refusal),)


def _row(name: str, epochs: tuple[Epoch, ...], now: date) -> KeysetRow:
    purpose = purpose_of(name)
    return KeysetRow(name, purpose.value, purpose.algorithm, tuple(_epoch_row(epoch, day_of(now)) for epoch in epochs))


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
