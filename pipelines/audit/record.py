"""One line of the audit log: an open part that proves the chain, and a part that only the auditor can read.

docs/spec/audit.md describes the format for another implementation. Who asked, for which case, which tokens and which people came
out are sealed to the auditor's public key with HPKE (RFC 9180, base mode); what the limits need stays open: time, kind, counts.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from pipelines.release.strict_json import canonical_json
from transforms.errors import KeyUnavailable

_INFO: Final = b"supplier-views/audit/1\x00"


class Command(StrEnum):
    """Which way back was taken."""

    RESOLVE = "resolve"
    SUBJECT = "subject"


class Stage(StrEnum):
    """How far a call came. `asked` is on disk before a key is opened, `answered` before anything is shown."""

    ASKED = "asked"
    ANSWERED = "answered"
    REFUSED = "refused"
    FAILED = "failed"


class Purpose(StrEnum):
    """The closed list of reasons for which anybody may look behind a token."""

    SUPPLIER_REPLY = "supplier-reply"  # a supplier's reply has to be joined to people
    OPERATIONAL_QUERY = "operational-query"  # a named card, parcel or shift has to be traced
    SUBJECT_REQUEST = "subject-request"  # somebody uses their rights under articles 15 to 22 of the UK GDPR
    INCIDENT = "incident"  # a breach or a suspected one; the only purpose that opens a compromised epoch
    INVESTIGATION = "investigation"  # of misconduct or crime
    EFFECTIVENESS_TEST = "effectiveness-test"  # testing under section 172 of the Data Protection Act 2018


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be recorded: the open facts of one stage of one call, and the details that are sealed.

    `call` is a random name that the stages of one call share. `count` is the number of tokens (or people) asked for, `rules` the
    SHA-256 (hex) of the authority file that was in force, `approval` that of the approval that was used.
    """

    call: str
    command: Command
    stage: Stage
    purpose: Purpose
    count: int
    rules: str
    details: Mapping[str, Any]
    code: str | None = None
    approval: str | None = None


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """A line of the log.

    `previous` is the SHA-256 (hex) of the line before, None in the first; `torn` that of what a crash left between the two, None if
    there is nothing. `sealed` is base 64 of the HPKE encapsulated key (32 bytes) and ciphertext.
    """

    sequence: int
    previous: str | None
    torn: str | None
    when: datetime.datetime
    call: str
    command: Command
    stage: Stage
    purpose: Purpose
    code: str | None
    count: int
    rules: str
    approval: str | None
    sealed: str


def digest(data: bytes) -> str:
    """SHA-256 in lower-case hex."""
    return hashlib.sha256(data).hexdigest()


def seal(entry: Entry, when: datetime.datetime, place: tuple[int, str | None, str | None], auditor: X25519PublicKey) -> AuditRecord:
    """The record of an entry at a place of the chain: its sequence, the digest before it and that of a torn end.

    The open part is HPKE's `info`, so the sealed part opens in this record and in no other.
    """
    sequence, previous, torn = place
    bare = AuditRecord(
        sequence=sequence,
        previous=previous,
        torn=torn,
        when=when.replace(microsecond=0),
        call=entry.call,
        command=entry.command,
        stage=entry.stage,
        purpose=entry.purpose,
        code=entry.code,
        count=entry.count,
        rules=entry.rules,
        approval=entry.approval,
        sealed="",
    )
    sealed = _suite().encrypt(canonical_json(entry.details), auditor, info=_INFO + canonical_json(bare))
    return dataclasses.replace(bare, sealed=base64.b64encode(sealed).decode())


def unseal(record: AuditRecord, auditor: X25519PrivateKey) -> Mapping[str, Any]:
    """The sealed details of a record.

    Raises:
        KeyUnavailable: code `audit-unsealed`, whatever the reason: another key, or a record that was altered.
    """
    bare = dataclasses.replace(record, sealed="")
    try:
        sealed = base64.b64decode(record.sealed, validate=True)
        details: Mapping[str, Any] = json.loads(_suite().decrypt(sealed, auditor, info=_INFO + canonical_json(bare)))
    except (InvalidTag, ValueError):
        raise KeyUnavailable(
            "the record does not open",
            place=f"record {record.sequence}",
            hint="use the auditor's private key that was in force then; if it was, the record was altered",
            code="audit-unsealed",
        ) from None
    return details


def _suite() -> Suite:
    return Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
