"""Wraps the keys of a keyset so that each is bound to its header.

The associated data of a wrapped key is the injective encoding (`encode`) of format, purpose, supplier, epoch, state, dates and
algorithm: a key under another name or number, or beside an edited state or date, does not open.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from transforms.errors import KeyUnavailable
from transforms.keyring.keyset import Epoch, Keyset, State
from transforms.keyring.provider import Provider, WrappedKeyset
from transforms.keyring.secret import SecretKey

FORMAT: Final[Literal["supplier-views/keyset/1"]] = "supplier-views/keyset/1"
KEY_BYTES: Final = 32


def encode(*fields: str) -> bytes:
    """The UTF-8 of the fields, each after its length in bytes as four bytes, big-endian: no two lists of fields encode alike."""
    encoded = [field.encode() for field in fields]
    return b"".join(len(field).to_bytes(4, "big") + field for field in encoded)


def context_of(keyset: Keyset, epoch: Epoch) -> bytes:
    """What the wrapped key of that epoch is bound to."""
    return encode(
        FORMAT, keyset.purpose, keyset.supplier, str(epoch.number), epoch.state,
        epoch.created.isoformat(), epoch.activates.isoformat(), epoch.expires.isoformat(), keyset.purpose.algorithm,
    )  # fmt: skip


def wrap_all(provider: Provider, keyset: Keyset, keys: Mapping[int, SecretKey]) -> WrappedKeyset:
    """The keyset with its keys wrapped, each anew; destroyed epochs have none."""
    return WrappedKeyset(
        keyset,
        {
            epoch.number: provider.wrap(keys[epoch.number], context_of(keyset, epoch))
            for epoch in keyset.epochs
            if epoch.state is not State.DESTROYED
        },
    )


def unwrap_all(provider: Provider, wrapped: WrappedKeyset) -> dict[int, SecretKey]:
    """The keys by epoch; with them the header is proven, for every epoch that is not destroyed.

    Errors: KeyUnavailable, always the same whatever is wrong, with the code `key-unwrap-failed` [C20].
    """
    keys = {}
    for epoch in wrapped.keyset.epochs:
        if epoch.state is State.DESTROYED:
            continue
        blob = wrapped.wrapped.get(epoch.number, b"")
        key = provider.unwrap(blob, context_of(wrapped.keyset, epoch))
        if key is None:
            raise KeyUnavailable(
                f"the wrapped key of epoch {epoch.number} does not open",
                place=provider.place(wrapped.keyset.supplier),
                hint="the file was edited, damaged or wrapped under another key-encryption key; restore it from its backup",
                code="key-unwrap-failed",
            )
        keys[epoch.number] = key
    return keys
