"""Opens the keys of a supplier that may still turn tokens back: unlike a run, resolving needs no active epoch."""

from __future__ import annotations

from contextlib import closing
from datetime import date
from types import TracebackType
from typing import Self, final

from transforms.errors import KeyUnavailable
from transforms.keyring.keyset import Epoch, Keyset, State, check_supplier, day_of
from transforms.keyring.open import open_provider, read_current
from transforms.keyring.secret import SecretKey, Unshareable


@final
class ResolvingKeys(Unshareable):
    """A supplier's keys on one day, by epoch. Used as a context manager, it wipes them."""

    __slots__ = ("_day", "_keys", "_keyset")

    def __init__(self, keyset: Keyset, keys: dict[int, SecretKey], now: date) -> None:
        self._keyset = keyset
        self._keys = keys
        self._day = day_of(now)

    @property
    def epochs(self) -> tuple[Epoch, ...]:
        """Every epoch that the supplier has had, destroyed ones too."""
        return self._keyset.epochs

    def refusal(self, number: int, *, for_incident: bool) -> str | None:
        """Why an epoch does not resolve on this day, None if it does.

        Returns:
            The code of `Keyset.resolvable`, or `key-compromised` for a compromised epoch unless it is `for_incident`.
        """
        try:
            epoch = self._keyset.resolvable(number, self._day)
        except KeyUnavailable as error:
            return error.code
        return "key-compromised" if epoch.state is State.COMPROMISED and not for_incident else None

    def key(self, number: int) -> SecretKey:
        """The key of an epoch that may resolve; it stays this object's, to wipe. Errors: as `Keyset.resolvable`."""
        return self._keys[self._keyset.resolvable(number, self._day).number]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for key in self._keys.values():
            key.wipe()


def open_resolving_keys(uri: str, supplier: str, now: date) -> ResolvingKeys:
    """The keys of a supplier, to resolve with on that day. Errors: as `transforms.keyring.open.open_keyset`, but for activity."""
    with closing(open_provider(uri)) as provider:
        # A keyset that was put back would bring destroyed epochs back with it.
        wrapped, keys = read_current(provider, check_supplier(supplier))
        return ResolvingKeys(wrapped.keyset.at(now), keys, now)
