"""Wraps the keys of a keyset so that each is bound to its header.

The associated data of a wrapped key is the injective encoding (`encode`) of format, purpose, supplier, epoch, state, dates and
algorithm: a key under another name or number, or beside an edited state or date, does not open.

A seal over the whole keyset adds what no single key can see: an epoch that was taken out, one that was marked as destroyed, and the
revision. It is a random value wrapped with the keyset as associated data, so that any provider can seal, even one that shows its
KEK to nobody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final, Literal

from transforms.errors import KeyUnavailable
from transforms.keyring.keyset import Epoch, Keyset, State
from transforms.keyring.provider import Provider, WrappedKeyset
from transforms.keyring.secret import SecretKey

FORMAT: Final[Literal["supplier-views/keyset/2"]] = "supplier-views/keyset/2"
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


def seal_of(provider: Provider, *fields: str) -> bytes:
    """What authenticates the fields: a random value that the provider wraps and `seal_holds` unwraps with them."""
    with SecretKey.random(KEY_BYTES) as witness:
        return provider.wrap(witness, _sealed(fields))


def seal_holds(provider: Provider, seal: bytes, *fields: str) -> bool:
    """Whether the same KEK made this seal over exactly these fields."""
    witness = provider.unwrap(seal, _sealed(fields))
    if witness is None:
        return False
    witness.wipe()
    return True


def wrap_all(provider: Provider, keyset: Keyset, keys: Mapping[int, SecretKey], revision: int) -> WrappedKeyset:
    """The keyset with its keys wrapped, each anew, and sealed as that revision; destroyed epochs have no key."""
    wrapped = {
        epoch.number: provider.wrap(keys[epoch.number], context_of(keyset, epoch))
        for epoch in keyset.epochs
        if epoch.state is not State.DESTROYED
    }
    return WrappedKeyset(keyset, wrapped, revision, seal_of(provider, *_fields(keyset, wrapped, revision)))


def unwrap_all(provider: Provider, wrapped: WrappedKeyset) -> dict[int, SecretKey]:
    """The keys by epoch; with them the header is proven, for every epoch that is not destroyed.

    Errors: KeyUnavailable, always the same whatever is wrong, with the code `key-unwrap-failed` [C20].
    """
    refusal = KeyUnavailable(
        "the keyset's seal or one of its wrapped keys does not open",
        place=provider.place(wrapped.keyset.supplier),
        hint="the file was edited, damaged or wrapped under another key-encryption key; restore the store from its backup",
        code="key-unwrap-failed",
    )
    if not seal_holds(provider, wrapped.seal, *_fields(wrapped.keyset, wrapped.wrapped, wrapped.revision)):
        raise refusal
    keys: dict[int, SecretKey] = {}
    for epoch in wrapped.keyset.epochs:
        if epoch.state is State.DESTROYED:
            continue
        blob = wrapped.wrapped.get(epoch.number, b"")
        key = provider.unwrap(blob, context_of(wrapped.keyset, epoch))
        if key is None:
            for opened in keys.values():
                opened.wipe()
            raise refusal
        keys[epoch.number] = key
    return keys


def _fields(keyset: Keyset, wrapped: Mapping[int, bytes], revision: int) -> tuple[str, ...]:
    epochs = (
        field
        for epoch in keyset.epochs
        for field in (context_of(keyset, epoch).hex(), hashlib.sha256(wrapped.get(epoch.number, b"")).hexdigest())
    )
    return (FORMAT, keyset.supplier, str(revision), *epochs)


def _sealed(fields: tuple[str, ...]) -> bytes:
    # Hashed, because a key service takes only a short context.
    return encode("supplier-views/seal/1", hashlib.sha256(encode(*fields)).hexdigest())
