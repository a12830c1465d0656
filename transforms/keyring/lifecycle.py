"""The later states of a key: deactivated, compromised, destroyed (NIST SP 800-57 part 1 rev. 5 section 7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from transforms.errors import KeyUnavailable
from transforms.keyring.change import changing
from transforms.keyring.keyset import Epoch, State


@dataclass(frozen=True, slots=True)
class StateReport:
    """What a change of state did: the epochs that moved, those in that state now, and the keyset's revision."""

    name: str
    state: str
    moved: tuple[int, ...]
    epochs: tuple[int, ...]
    revision: int


def deactivate(uri: str, name: str, now: date) -> StateReport:
    """Ends the active epoch: its tokens resolve, no new ones are made, and that supplier's runs refuse until a new epoch.

    Errors: as `changing`; KeyUnavailable, with the code `key-state`, if no epoch is active.
    """
    with changing(uri, name, now) as change:
        active = next((epoch.number for epoch in change.keyset.epochs if epoch.state is State.ACTIVE), None)
        if active is None:
            raise KeyUnavailable(
                "no epoch is active", place=f"keyset {name}", hint="see supplier-views keys list", code="key-state"
            )
        moved = change.keyset.moved(State.DEACTIVATED, now, active)
        change.keep(moved)
        return _report(name, State.DEACTIVATED, change.keyset.epochs, moved.epochs, change.revision + 1)


def compromise(uri: str, name: str, epoch: int | None, now: date) -> StateReport:
    """Marks one epoch, or every one that is not destroyed, as compromised; it resolves for the incident and makes nothing new.

    Doing it again changes nothing, so that an incident's report can be made as often as it is needed.

    Errors: as `changing`; KeyUnavailable, with the code `key-unknown-epoch` or `key-state`.
    """
    with changing(uri, name, now) as change:
        keyset = change.keyset
        named = [e for e in keyset.epochs if epoch in (None, e.number)]
        if named and all(e.state in (State.COMPROMISED, State.DESTROYED) for e in named):
            return _report(name, State.COMPROMISED, keyset.epochs, keyset.epochs, change.revision)
        moved = keyset.moved(State.COMPROMISED, now, epoch)
        change.keep(moved)
        return _report(name, State.COMPROMISED, keyset.epochs, moved.epochs, change.revision + 1)


def destroy(uri: str, name: str, epoch: int | None, now: date) -> StateReport:
    """Removes the wrapped keys of one epoch, or of all; nobody can turn its tokens back from then on [C2, C13].

    An active epoch is never destroyed: deactivate it first. Doing it again changes nothing, so that a destruction whose record
    could not be written can be recorded later. Copies in backups are for the custodians to remove.

    Errors: as `changing`; KeyUnavailable, with the code `key-unknown-epoch` or `key-state`.
    """
    with changing(uri, name, now) as change:
        keyset = change.keyset
        named = [e for e in keyset.epochs if epoch in (None, e.number)]
        if named and all(e.state is State.DESTROYED for e in named):
            return _report(name, State.DESTROYED, keyset.epochs, keyset.epochs, change.revision)
        moved = keyset.moved(State.DESTROYED, now, epoch)
        change.keep(moved)
        return _report(name, State.DESTROYED, keyset.epochs, moved.epochs, change.revision + 1)


def _report(name: str, state: State, before: tuple[Epoch, ...], after: tuple[Epoch, ...], revision: int) -> StateReport:
    moved = tuple(new.number for old, new in zip(before, after, strict=True) if old != new)
    return StateReport(name, state.value, moved, tuple(epoch.number for epoch in after if epoch.state is state), revision)
