"""The rules of the way back, in one file that is reviewed like a policy: auditor, approvers, limits, and what is shown.

::

    shows = ["surname", "forenames"]        # columns of the export that are shown beside the pay number

    [auditor]
    public_key = "x25519:…"                 # who can read the sealed part of the audit log

    [approvers]                             # whose signature lets a call go over tokens_per_hour
    "j.okafor" = "ed25519:…"

    [limits]                                # each has this default [P11]
    tokens_per_hour = 20                    # without an approver
    tokens_per_call = 200
    tokens_per_day = 1000
    calls_per_hour = 60                     # refused ones count
    approval_hours = 24                     # how long an approval may live
"""

from __future__ import annotations

import base64
import binascii
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.audit.record import digest
from transforms.contract.model import Classification, Contract
from transforms.errors import InvalidInput

AUDITOR: Final = "x25519"
APPROVER: Final = "ed25519"
_RAW_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of the way back is open; every number is a choice of the force's data protection officer [P11, G5]."""

    tokens_per_hour: int = 20
    tokens_per_call: int = 200
    tokens_per_day: int = 1000
    calls_per_hour: int = 60
    approval_hours: int = 24


@dataclass(frozen=True, slots=True)
class Authority:
    """The rules in force. `approvers` are 32-byte Ed25519 public keys by name; `sha256` (hex) is that of the file."""

    shows: tuple[str, ...]
    auditor: X25519PublicKey
    approvers: Mapping[str, bytes]
    limits: Limits
    sha256: str
    source: str

    def check(self, contract: Contract) -> None:
        """Passes if every column that is shown is an identifier in the contract.

        Raises:
            InvalidInput: code `authority-invalid`.
        """
        known = {column.name for column in contract.columns if column.classification is Classification.IDENTIFIER}
        for name in self.shows:
            if name not in known:
                raise _invalid(self.source, f"shows: {name} is no identifier in the contract")


_DEFAULT = Limits()
_Count = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class _Auditor(_Document):
    public_key: str


class _Limits(_Document):
    tokens_per_hour: _Count = _DEFAULT.tokens_per_hour
    tokens_per_call: _Count = _DEFAULT.tokens_per_call
    tokens_per_day: _Count = _DEFAULT.tokens_per_day
    calls_per_hour: _Count = _DEFAULT.calls_per_hour
    approval_hours: Annotated[int, Field(strict=True, ge=1, le=168)] = _DEFAULT.approval_hours


class _File(_Document):
    shows: tuple[str, ...]
    auditor: _Auditor
    approvers: dict[Annotated[str, Field(min_length=1, max_length=100)], str] = Field(default_factory=dict)
    limits: _Limits = _Limits()


def load_authority(path: Path) -> Authority:
    """The rules in a file.

    Raises:
        InvalidInput: code `authority-invalid`.
    """
    try:
        data = path.read_bytes()
        document = _File.model_validate(tomllib.loads(data.decode("utf-8")))
    except OSError:
        raise _invalid(str(path), "the file cannot be read") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise _invalid(str(path), f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['type'].replace('_', ' ')}") from None
    except (ValueError, RecursionError):
        raise _invalid(str(path), "the file is no TOML") from None
    approvers = {name: parse_public(text, APPROVER, f"{path}: approvers.{name}") for name, text in document.approvers.items()}
    if len(set(approvers.values())) != len(approvers) or len({name.casefold() for name in approvers}) != len(approvers):
        raise _invalid(str(path), "approvers: two have one key, or one name")
    return Authority(
        shows=document.shows,
        auditor=X25519PublicKey.from_public_bytes(
            parse_public(document.auditor.public_key, AUDITOR, f"{path}: auditor.public_key")
        ),
        approvers=approvers,
        limits=Limits(**document.limits.model_dump()),
        sha256=digest(data),
        source=str(path),
    )


def public_text(kind: str, raw: bytes) -> str:
    """A public key as the file writes it."""
    return f"{kind}:{base64.b64encode(raw).decode()}"


def parse_public(text: str, kind: str, place: str) -> bytes:
    """The 32 bytes of a public key of that kind.

    Raises:
        InvalidInput: code `authority-invalid`.
    """
    scheme, _, encoded = text.partition(":")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if scheme != kind or len(raw) != _RAW_BYTES:
        raise _invalid(place, f"not a public key of the form {kind}:BASE64")
    return raw


def _invalid(place: str, rule: str) -> InvalidInput:
    return InvalidInput(rule, place=place, hint="docs/resolving.md says what the file holds", code="authority-invalid")
