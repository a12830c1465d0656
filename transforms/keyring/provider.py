"""The one interface of every place that can keep keysets.

A provider keeps wrapped keysets and owns a key-encryption key that need not be visible to this program: `wrap` and `unwrap` may
as well be calls to a hardware module or a key service. Each lives in a file of its own; `open.open_provider` finds it by its URI.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from transforms.keyring.keyset import Keyset
from transforms.keyring.secret import SecretKey


@dataclass(frozen=True, slots=True)
class WrappedKeyset:
    """A keyset and, for each epoch that is not destroyed, its key as the provider wrapped it.

    `revision` counts the changes of this keyset, from 1; `seal` authenticates all of it, destroyed epochs too.
    """

    keyset: Keyset
    wrapped: Mapping[int, bytes]
    revision: int
    seal: bytes


class Provider(Protocol):
    """A store of wrapped keysets and the key-encryption key (KEK) that opens them.

    Every method raises KeyUnavailable if the store or the KEK cannot be used and StoreUnavailable if it cannot be written.
    """

    def prepare(self, now: date) -> None:
        """Makes an empty store and a KEK where there is none; changes nothing otherwise."""

    def changing(self) -> AbstractContextManager[None]:
        """Keeps every other writer of this store out for as long as it is held."""

    def names(self) -> tuple[str, ...]:
        """The names of the keysets that are kept, sorted."""

    def place(self, name: str) -> str:
        """Where the keyset of that name is kept, for messages."""

    def read(self, name: str) -> WrappedKeyset:
        """The keyset of that name; its header is not to be trusted before its keys are unwrapped."""

    def create(self, keyset: WrappedKeyset) -> bool:
        """Keeps a new keyset; False, and nothing is changed, if the name is taken."""

    def replace(self, keyset: WrappedKeyset) -> None:
        """Keeps a keyset in the place of an older one, in one step; the older one's bytes are overwritten as well as that goes."""

    def place_of_ledger(self) -> str:
        """Where the ledger of revisions is kept, for messages."""

    def read_ledger(self) -> bytes | None:
        """The ledger of revisions as it was kept last; None where there is none."""

    def replace_ledger(self, ledger: bytes) -> None:
        """Keeps a ledger in the place of an older one, in one step."""

    def publish(self, name: str, public: bytes) -> None:
        """Puts a public half where everybody may read it, in one step."""

    def wrap(self, key: SecretKey, context: bytes) -> bytes:
        """The key encrypted under the KEK with authenticated encryption, bound to `context`."""

    def unwrap(self, wrapped: bytes, context: bytes) -> SecretKey | None:
        """The key; None, whatever the reason, unless the same KEK wrapped exactly these bytes with exactly this context [C20]."""

    def kek_expires(self) -> date:
        """The first day on which the KEK may not wrap any more [C11]."""

    def close(self) -> None:
        """Forgets the KEK."""
