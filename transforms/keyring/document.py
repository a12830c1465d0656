"""The files of a key directory as JSON: a keyset, the ledger of revisions, and the header of the key-encryption key.

What the fields mean is in docs/spec/keysets.md. Only this edge is pydantic; inside, keysets are frozen dataclasses.
"""

from __future__ import annotations

import base64
import binascii
from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, TypeAdapter, ValidationError

from transforms.errors import KeyUnavailable
from transforms.keyring.envelope import FORMAT
from transforms.keyring.keyset import Epoch, Keyset, State, purpose_of
from transforms.keyring.provider import WrappedKeyset

KEK_FORMAT: Final[Literal["supplier-views/kek/1"]] = "supplier-views/kek/1"
OUTSIDE_KEK_FORMAT: Final[Literal["supplier-views/outside-kek/1"]] = "supplier-views/outside-kek/1"


def _decode(value: object) -> object:
    # pydantic's own base 64 type skips foreign characters; one key has one text here.
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error:
        raise ValueError("not base 64") from None


_Base64 = Annotated[bytes, BeforeValidator(_decode), PlainSerializer(lambda raw: base64.b64encode(raw).decode(), when_used="json")]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class _EpochDocument(_Document):
    epoch: Annotated[int, Field(strict=True, ge=1, le=9999)]
    state: State
    created: date
    activates: date
    expires: date
    wrapped_key: Annotated[_Base64, Field(min_length=1, max_length=4096)] | None


class _KeysetDocument(_Document):
    format: Literal["supplier-views/keyset/2"]
    supplier: str
    algorithm: str
    revision: Annotated[int, Field(strict=True, ge=1)]
    epochs: Annotated[tuple[_EpochDocument, ...], Field(min_length=1, max_length=1000)]
    seal: Annotated[_Base64, Field(min_length=1, max_length=4096)]


class EntryDocument(_Document):
    """The revision that a keyset reached, and the highest epoch that it ever had."""

    supplier: str
    revision: Annotated[int, Field(strict=True, ge=1)]
    epoch: Annotated[int, Field(strict=True, ge=1, le=9999)]


class LedgerDocument(_Document):
    """The ledger of a store's revisions, sealed."""

    format: Literal["supplier-views/revisions/1"]
    keysets: tuple[EntryDocument, ...]
    seal: Annotated[_Base64, Field(min_length=1, max_length=4096)]


class Argon2Parameters(_Document):
    """Parameters of Argon2id; the floor is the second recommended option of RFC 9106 section 4."""

    salt: Annotated[_Base64, Field(min_length=16, max_length=64)]
    memory_kib: Annotated[int, Field(strict=True, ge=64 * 1024, le=2 * 1024 * 1024)]
    iterations: Annotated[int, Field(strict=True, ge=3, le=64)]
    lanes: Annotated[int, Field(strict=True, ge=4, le=64)]


class KekDocument(_Document):
    """The header of the key-encryption key: when it was made, how it is opened, and what tells a wrong one from the right one.

    `argon2id` is null where a key file opens it. `check` is a random value wrapped under it, bound to the other fields.
    """

    format: Literal["supplier-views/kek/1"]
    created: date
    argon2id: Argon2Parameters | None
    check: Annotated[_Base64, Field(min_length=1, max_length=4096)]


class OutsideKekDocument(_Document):
    """The header of a key-encryption key that stays in a token or a key service: whose it is, and since when it has been there.

    `check` is a random value wrapped under it, bound to the other fields.
    """

    format: Literal["supplier-views/outside-kek/1"]
    scheme: Literal["pkcs11", "awskms"]
    created: date
    check: Annotated[_Base64, Field(min_length=1, max_length=4096)]


AnyKekDocument = KekDocument | OutsideKekDocument
_ANY_KEK: Final[TypeAdapter[AnyKekDocument]] = TypeAdapter(Annotated[AnyKekDocument, Field(discriminator="format")])
_D = TypeVar("_D", bound=_Document)


def parse_keyset(content: bytes | bytearray, name: str, place: Path) -> WrappedKeyset:
    """The keyset in a file that should hold the one of that name.

    Errors: KeyUnavailable, which quotes nothing of the content, with the code `keyset-invalid`.
    """
    document = _parse(_KeysetDocument, content, place)
    if document.supplier != name:
        raise _invalid(place, "the keyset is of another supplier than the file's name")
    if document.algorithm != purpose_of(name).algorithm:
        raise _invalid(place, "the keyset is for an algorithm that this version does not know")
    epochs = tuple(Epoch(e.epoch, e.state, e.created, e.activates, e.expires) for e in document.epochs)
    if any((e.state is State.DESTROYED) != (e.wrapped_key is None) for e in document.epochs):
        raise _invalid(place, "an epoch lacks its wrapped key, or is destroyed and still has one")
    wrapped = {e.epoch: e.wrapped_key for e in document.epochs if e.wrapped_key is not None}
    return WrappedKeyset(Keyset(name, epochs), wrapped, document.revision, document.seal)


def format_keyset(wrapped: WrappedKeyset) -> bytes:
    """The file of that keyset: indented JSON, so that a custodian can read the header."""
    keyset = wrapped.keyset
    return _format(
        _KeysetDocument(
            format=FORMAT,
            supplier=keyset.supplier,
            algorithm=keyset.purpose.algorithm,
            revision=wrapped.revision,
            epochs=tuple(
                _EpochDocument(
                    epoch=epoch.number,
                    state=epoch.state,
                    created=epoch.created,
                    activates=epoch.activates,
                    expires=epoch.expires,
                    wrapped_key=wrapped.wrapped.get(epoch.number),
                )
                for epoch in keyset.epochs
            ),
            seal=wrapped.seal,
        )
    )


def parse_ledger(content: bytes, place: str) -> LedgerDocument:
    """The ledger in a file; its seal is not checked here. Errors: KeyUnavailable, with the code `keyset-invalid`."""
    return _parse(LedgerDocument, content, Path(place))


def format_ledger(document: LedgerDocument) -> bytes:
    """The file of that ledger."""
    return _format(document)


def parse_kek(content: bytes | bytearray, place: Path) -> AnyKekDocument:
    """The header in a file. Errors: KeyUnavailable, with the code `keyset-invalid`."""
    try:
        return _ANY_KEK.validate_json(content)
    except ValidationError:
        raise _not_whole(place) from None


def format_kek(document: AnyKekDocument) -> bytes:
    """The file of that header."""
    return _format(document)


def _format(document: _Document) -> bytes:
    return document.model_dump_json(indent=2).encode() + b"\n"


def _parse(kind: type[_D], content: bytes | bytearray, place: Path) -> _D:
    try:
        return kind.model_validate_json(content)
    except ValidationError:
        raise _not_whole(place) from None


def _not_whole(place: Path) -> KeyUnavailable:
    return _invalid(place, "the file is not whole, or not of a format that this version reads")


def _invalid(place: Path, rule: str) -> KeyUnavailable:
    return KeyUnavailable(rule, place=str(place), hint="restore it from its backup; never edit it", code="keyset-invalid")
