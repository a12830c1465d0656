"""What the force keeps of every release: the internal manifest and the head of a supplier's chain.

Both are DSSE envelopes of types of their own, so neither can stand in for a manifest or for the other.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pipelines.release.dsse import Signer, open_envelope, sign_envelope
from pipelines.release.manifest import Manifest
from pipelines.release.proof import CleanRelease
from pipelines.release.strict_json import canonical_json, parse_canonical
from transforms.errors import Refused
from transforms.policy.model import Policy

_Kind = TypeVar("_Kind")

RECORD_TYPE = "application/vnd.supplier-views.record.v1+json"
HEAD_TYPE = "application/vnd.supplier-views.head.v1+json"


@dataclass(frozen=True, slots=True)
class Record:
    """The internal manifest of a release [A5]; counts and digests that a supplier must not see are here.

    `published_at` is the time (UTC, to the second) at which publish began to make the release visible; `actor` who ran it.
    `checks` are the leak gate's, `counts` stage's counters and the gate's. `sequence`, `previous` and `manifest_sha256` repeat
    the chain of the supplier's manifests, so that it can be checked after the releases themselves were erased.
    """

    supplier: str
    date: datetime.date
    release_id: str
    sequence: int
    previous: str | None
    manifest_sha256: str
    published_at: datetime.datetime
    actor: str
    delete_by: datetime.date
    dpia: str | None
    full_population: str | None
    files: int
    bytes: int
    rows: int
    counts: Mapping[str, int]
    checks: tuple[str, ...]
    contract_sha256: str
    policy_sha256: str
    export_sha256: str
    key_id: str
    signing_key: str
    software: Mapping[str, str]
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Head:
    """The last release of a supplier: what shows that releases or records were rolled back."""

    supplier: str
    sequence: int
    manifest_sha256: str
    published_at: datetime.datetime


def make_record(
    clean: CleanRelease, policy: Policy, manifest: Manifest, manifest_sha256: str, actor: str, now: datetime.datetime
) -> Record:
    """The internal manifest of a release that is about to be published."""
    report = clean.report
    return Record(
        supplier=report.supplier,
        date=report.date,
        release_id=report.release_id,
        sequence=manifest.sequence,
        previous=manifest.previous,
        manifest_sha256=manifest_sha256,
        published_at=now.replace(microsecond=0),
        actor=actor,
        delete_by=manifest.terms.delete_by,
        dpia=policy.dpia,
        full_population=policy.full_population,
        files=len(clean.files),
        bytes=sum(file.size for file in clean.files),
        rows=report.rows,
        counts=clean.counts,
        checks=clean.checks,
        contract_sha256=report.contract_sha256,
        policy_sha256=report.policy_sha256,
        export_sha256=report.export_sha256,
        key_id=report.tokens.key_id,
        signing_key=manifest.signing_key,
        software=report.software,
        notices=(*report.notices, *clean.notices),
    )


def sign_record(record: Record, signer: Signer) -> bytes:
    """The bytes of a record's file."""
    return sign_envelope(canonical_json(record), RECORD_TYPE, signer)


def sign_head(record: Record, signer: Signer) -> bytes:
    """The bytes of `head.json` when `record` is the last one."""
    head = Head(record.supplier, record.sequence, record.manifest_sha256, record.published_at)
    return sign_envelope(canonical_json(head), HEAD_TYPE, signer)


def open_record(data: bytes, public_keys: tuple[bytes, ...], place: Path) -> Record:
    """A record from the bytes of the file at `place`.

    Raises:
        Refused: code `signature-invalid` or `record-malformed`.
    """
    return _open(data, public_keys, RECORD_TYPE, Record, place)


def open_head(data: bytes, public_keys: tuple[bytes, ...], place: Path) -> Head:
    """The head from the bytes of the file at `place`.

    Raises:
        Refused: code `signature-invalid` or `record-malformed`.
    """
    return _open(data, public_keys, HEAD_TYPE, Head, place)


def _open(data: bytes, public_keys: tuple[bytes, ...], payload_type: str, kind: type[_Kind], place: Path) -> _Kind:
    payload = open_envelope(data, public_keys, payload_type, str(place))
    try:
        return parse_canonical(payload, kind)
    except ValueError:
        raise Refused("not a record of this format", place=str(place), code="record-malformed") from None
