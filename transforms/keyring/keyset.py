"""Keysets as plain frozen values: states and dates of NIST SP 800-57 part 1, without a key and without a clock.

All dates are UTC days. `now` is always given, never read: a day, or a time with its zone. An epoch may tokenise (or sign) from
`activates` on and up to, not including, `expires`.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Final

from transforms.errors import InternalError, KeyUnavailable, UsageError
from transforms.policy.model import SUPPLIER_PATTERN

# The longest lives of keys in months [C11]; SP 800-57 part 1 rev. 5 section 5.3.6 allows as much or more.
TOKEN_MONTHS: Final = 12
FINGERPRINT_MONTHS: Final = 24
SIGNING_MONTHS: Final = 24
KEK_MONTHS: Final = 24
RESOLVE_ONLY_MONTHS: Final = 36
WARN_DAYS: Final = 30  # [P]: a month to gather two custodians

# Two keysets of the force itself live beside the suppliers'; no supplier may have their names.
INTERNAL: Final = "internal"  # fingerprints that find duplicates inside a run; never seen by a supplier
SIGNING: Final = "signing"  # signs manifests
RESERVED: Final = frozenset({INTERNAL, SIGNING})

NAME: Final = re.compile(SUPPLIER_PATTERN)


class State(StrEnum):
    """States of a key: SP 800-57 part 1 rev. 5 section 7 (without `suspended`, which nothing here uses)."""

    PRE_ACTIVE = "pre-active"
    ACTIVE = "active"
    DEACTIVATED = "deactivated"  # resolves, never tokenises
    COMPROMISED = "compromised"  # resolves for the incident, never tokenises
    DESTROYED = "destroyed"  # no wrapped key is left


TRANSITIONS: Final[Mapping[State, frozenset[State]]] = {
    State.PRE_ACTIVE: frozenset({State.ACTIVE, State.COMPROMISED, State.DESTROYED}),
    State.ACTIVE: frozenset({State.DEACTIVATED, State.COMPROMISED}),
    State.DEACTIVATED: frozenset({State.COMPROMISED, State.DESTROYED}),
    State.COMPROMISED: frozenset({State.DESTROYED}),
    State.DESTROYED: frozenset(),
}


_UNUSED: Final = frozenset({State.COMPROMISED, State.DESTROYED})  # such an epoch need never have been active


class Purpose(StrEnum):
    """What the keys of a keyset are for; a key has one purpose (SP 800-57 part 1 rev. 5 section 5.2)."""

    TOKEN = "token"  # noqa: S105 - a purpose, not a password
    FINGERPRINT = "fingerprint"
    SIGNING = "manifest-signing"

    @property
    def months(self) -> int:
        """The longest time, in months, for which a key of this purpose may be active."""
        match self:
            case Purpose.TOKEN:
                return TOKEN_MONTHS
            case Purpose.FINGERPRINT:
                return FINGERPRINT_MONTHS
            case Purpose.SIGNING:
                return SIGNING_MONTHS

    @property
    def algorithm(self) -> str:
        """What keys of this purpose are used with; part of what the wrapping authenticates [C19]."""
        return "Ed25519" if self is Purpose.SIGNING else "HKDF-SHA-256/AES-256-CMAC"


def purpose_of(name: str) -> Purpose:
    """The purpose of the keyset of that name."""
    return {INTERNAL: Purpose.FINGERPRINT, SIGNING: Purpose.SIGNING}.get(name, Purpose.TOKEN)


def check_name(name: str) -> str:
    """The name if a keyset may have it; UsageError otherwise, so that a name is always a safe file name."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f"a keyset's name does not match {SUPPLIER_PATTERN}",
            hint="name it as its policy names the supplier: small letters, digits and hyphens",
        )
    return name


def check_supplier(name: str) -> str:
    """The name if a supplier may have it: a keyset's name that is not reserved; UsageError otherwise."""
    if name in RESERVED:
        raise UsageError(
            f"the name {name} is reserved for a keyset of the force", hint="give the supplier another name in its policy"
        )
    return check_name(name)


def day_of(now: date) -> date:
    """The UTC day of a day or of a time with its zone; InternalError for a time without a zone."""
    if not isinstance(now, datetime):
        return now
    if now.tzinfo is None:
        raise InternalError("a time without a zone was given as now")
    return now.astimezone(UTC).date()


def add_months(day: date, months: int) -> date:
    """The same day of the month so many months later, or the last day of a shorter month."""
    year, month0 = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month0 + 1, min(day.day, calendar.monthrange(year, month0 + 1)[1]))


@dataclass(frozen=True, slots=True)
class Epoch:
    """One key's header: its number (from 1), its state, and the days it was created, is active from and expires on."""

    number: int
    state: State
    created: date
    activates: date
    expires: date

    def moved_to(self, state: State, now: date) -> Epoch:
        """This epoch in another state; leaving `active` early moves `expires` to that day.

        Errors: KeyUnavailable where SP 800-57 has no such transition.
        """
        if state not in TRANSITIONS[self.state]:
            ways = " or ".join(sorted(TRANSITIONS[self.state])) or "nowhere"
            raise KeyUnavailable(
                f"epoch {self.number} cannot go from {self.state} to {state}",
                hint=f"from {self.state} it can go to {ways}",
                code="key-state",
            )
        expires = min(self.expires, max(day_of(now), self.activates)) if self.state is State.ACTIVE else self.expires
        return replace(self, state=state, expires=expires)

    @property
    def resolves_until(self) -> date:
        """The first day on which this epoch may not even resolve, and is due to be destroyed [C11]."""
        return add_months(self.expires, RESOLVE_ONLY_MONTHS)


@dataclass(frozen=True, slots=True)
class Keyset:
    """The epochs of one supplier (or of a reserved name), numbered upwards; at most one is active.

    Errors: KeyUnavailable if numbers, dates, states or cryptoperiods contradict each other.
    """

    supplier: str
    epochs: tuple[Epoch, ...]

    def __post_init__(self) -> None:
        numbers = [epoch.number for epoch in self.epochs]
        if not numbers or numbers[0] < 1 or numbers != sorted(set(numbers)):
            raise self._refusal("epoch numbers do not go up from 1", "keyset-invalid", "restore the keyset from its backup")
        if sum(epoch.state is State.ACTIVE for epoch in self.epochs) > 1:
            raise self._refusal("more than one epoch is active", "keyset-invalid", "restore the keyset from its backup")
        for epoch in self.epochs:
            if not epoch.created <= epoch.activates <= epoch.expires <= add_months(epoch.activates, self.purpose.months):
                raise self._refusal(
                    f"dates of epoch {epoch.number} are out of order or longer than {self.purpose.months} months",
                    "keyset-invalid",
                    "restore the keyset from its backup",
                )

    @property
    def purpose(self) -> Purpose:
        """What the keys are for."""
        return purpose_of(self.supplier)

    def active(self, now: date) -> Epoch:
        """The one epoch that may tokenise on that day.

        Errors: KeyUnavailable, with the code `key-not-active`, `key-not-yet-active` (a clock that was set back looks like this) or
        `key-expired`.
        """
        day = day_of(now)
        epoch = next((epoch for epoch in self.epochs if epoch.state is State.ACTIVE), None)
        rotate = f"run supplier-views keys new-epoch for {self.supplier}"
        if epoch is None:
            raise self._refusal("no epoch is active", "key-not-active", rotate)
        if day < epoch.activates:
            raise self._refusal(
                f"epoch {epoch.number} is not active before {epoch.activates}, and today is {day}",
                "key-not-yet-active",
                "check whether the clock of this machine was set back",
            )
        if day >= epoch.expires:
            raise self._refusal(f"epoch {epoch.number} expired on {epoch.expires}", "key-expired", rotate)
        return epoch

    def notices(self, now: date) -> tuple[str, ...]:
        """What a custodian should be told on that day: the active epoch expires within `WARN_DAYS` days."""
        epoch = self.active(now)
        left = (epoch.expires - day_of(now)).days
        if left > WARN_DAYS:
            return ()
        return (f"key of {self.supplier}, epoch {epoch.number}, expires on {epoch.expires}, days left: {left}",)

    def resolvable(self, number: int, now: date) -> Epoch:
        """The epoch of that number if its key may still turn tokens back on that day.

        Errors: KeyUnavailable, with the code `key-unknown-epoch`, `key-destroyed`, `key-not-yet-active` or `key-expired`.
        """
        epoch = next((epoch for epoch in self.epochs if epoch.number == number), None)
        if epoch is None:
            raise self._refusal(f"there is no epoch {number}", "key-unknown-epoch", "list the epochs with supplier-views keys list")
        if epoch.state is State.DESTROYED:
            raise self._refusal(f"the key of epoch {number} is destroyed", "key-destroyed", "its tokens cannot be turned back")
        if epoch.state is State.PRE_ACTIVE:
            raise self._refusal(f"epoch {number} was never active", "key-not-yet-active", "no token was made under it")
        if day_of(now) >= epoch.resolves_until:
            raise self._refusal(
                f"epoch {number} resolved until {epoch.resolves_until}", "key-expired", "its key is due to be destroyed"
            )
        return epoch

    def at(self, now: date) -> Keyset:
        """This keyset as it is on that day: a pre-active epoch whose day has come is active, and the one before only resolves.

        The file says pre-active until its next change, so that a run, which may read keys and not write them, takes a new key on
        the day that its custodians chose.
        """
        day = day_of(now)
        due = next((epoch for epoch in self.epochs if epoch.state is State.PRE_ACTIVE and epoch.activates <= day), None)
        if due is None:
            return self
        before = tuple(
            replace(epoch, state=State.DEACTIVATED, expires=min(epoch.expires, due.activates))
            if epoch.state is State.ACTIVE
            else epoch
            for epoch in self.epochs
        )
        return Keyset(self.supplier, tuple(replace(due, state=State.ACTIVE) if epoch is due else epoch for epoch in before))

    def with_new_epoch(self, now: date, activates: date | None = None) -> Keyset:
        """This keyset with one more epoch, active from that day; the one that was active only resolves from then on.

        With `activates`, a later day, the new epoch is pre-active until then, and nothing else changes.

        Errors: UsageError if `activates` is no later day, or one on which the active epoch has expired; KeyUnavailable if a
        pre-active epoch waits already, or if that day is before an epoch was made: the clock was set back.
        """
        day = day_of(now)
        last = self.epochs[-1]
        waiting = next((epoch for epoch in self.epochs if epoch.state is State.PRE_ACTIVE), None)
        if waiting is not None:
            raise self._refusal(
                f"epoch {waiting.number} waits to become active on {waiting.activates}",
                "key-state",
                "let it, or remove it with supplier-views keys destroy",
            )
        if day < max(epoch.created if epoch.state in _UNUSED else epoch.activates for epoch in self.epochs):
            raise self._refusal(
                f"epoch {last.number} is of {last.activates}, and today is {day}",
                "key-not-yet-active",
                "check whether the clock of this machine was set back",
            )
        if activates is not None:
            self._hold_day(activates, day)
            prepared = replace(_active_epoch(last.number + 1, activates, self.purpose), state=State.PRE_ACTIVE, created=day)
            return Keyset(self.supplier, (*self.epochs, prepared))
        old = tuple(epoch.moved_to(State.DEACTIVATED, day) if epoch.state is State.ACTIVE else epoch for epoch in self.epochs)
        return Keyset(self.supplier, (*old, _active_epoch(last.number + 1, day, self.purpose)))

    def moved(self, state: State, now: date, number: int | None = None) -> Keyset:
        """This keyset with one epoch, or where no number is given every epoch that is not in it yet, moved to that state.

        Destroyed epochs are left alone unless they are named. Errors: KeyUnavailable, with the code `key-unknown-epoch`, or
        `key-state` where SP 800-57 has no such transition or there is nothing to move.
        """
        if number is None:
            numbers = {epoch.number for epoch in self.epochs if epoch.state not in (state, State.DESTROYED)}
        else:
            numbers = {number} & {epoch.number for epoch in self.epochs}
            if not numbers:
                raise self._refusal(
                    f"there is no epoch {number}", "key-unknown-epoch", "list the epochs with supplier-views keys list"
                )
        if not numbers:
            raise self._refusal(f"no epoch is left to become {state}", "key-state", "see supplier-views keys list")
        return Keyset(self.supplier, tuple(e.moved_to(state, now) if e.number in numbers else e for e in self.epochs))

    def _hold_day(self, activates: date, day: date) -> None:
        active = next((epoch for epoch in self.epochs if epoch.state is State.ACTIVE), None)
        if activates <= day or (active is not None and activates > active.expires):
            latest = "" if active is None else f", and no later than {active.expires}, when epoch {active.number} expires"
            raise UsageError(f"a key can be made for a day after {day}{latest}", hint="without --activates it is active at once")

    def _refusal(self, rule: str, code: str, hint: str) -> KeyUnavailable:
        return KeyUnavailable(rule, place=f"keyset {self.supplier}", hint=hint, code=code)


def first_keyset(name: str, now: date, number: int = 1) -> Keyset:
    """A keyset with one epoch, active from that day for as long as its purpose allows."""
    return Keyset(name, (_active_epoch(number, day_of(now), purpose_of(name)),))


def _active_epoch(number: int, day: date, purpose: Purpose) -> Epoch:
    return Epoch(number, State.ACTIVE, created=day, activates=day, expires=add_months(day, purpose.months))
