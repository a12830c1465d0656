"""The audit log: one canonical JSON object a line, each bound to the line before, never changed and never cut.

::

    RECORDS/audit/log.jsonl       the records
    RECORDS/audit/lock            held by the one call that is at work
    CHECKPOINTS/0000000001.json   see `pipelines.audit.checkpoint`

A crash can leave a torn end: bytes behind the last whole record. Nothing was revealed for them, because a record is on disk before
its answer is shown. They stay where they are, and the next record names their digest; torn bytes that no record vouches for, and
that a checkpoint says were once a whole record, are tampering.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from pipelines.audit.checkpoint import Checkpoint, Checkpoints
from pipelines.audit.record import AuditRecord, Entry, digest, seal
from pipelines.release.dsse import Signer
from pipelines.release.files import make_private_directory, read_file, store_errors, sync_directory
from pipelines.release.staging import exclusive_lock
from pipelines.release.strict_json import canonical_json, parse_canonical
from transforms.errors import Refused, Unavailable

LOG_NAME = "log.jsonl"


@dataclass(frozen=True, slots=True)
class Chain:
    """The records of a log in their order, whole and bound to each other; `torn` is what a crash left behind the last one."""

    records: tuple[AuditRecord, ...]
    digests: tuple[str, ...]
    torn: bytes

    @property
    def next_place(self) -> tuple[int, str | None, str | None]:
        """Sequence, previous digest and torn digest of the record to come."""
        return _next_place(self.digests, self.torn)


@dataclass(frozen=True, slots=True)
class Verified:
    """A log that agrees with its checkpoints. `unconfirmed` is 1 if a crash came between the last record and its checkpoint."""

    chain: Chain
    unconfirmed: int


def audit_directory(records: Path) -> Path:
    """Where the log is below a records root."""
    return records / "audit"


def read_chain(data: bytes, place: str) -> Chain:
    """The chain in the bytes of a log.

    Raises:
        Refused: code `audit-altered`: a line was edited, removed, added or moved.
    """
    records: list[AuditRecord] = []
    digests: list[str] = []
    gap: list[bytes] = []
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    for line in lines:
        try:
            record = parse_canonical(line, AuditRecord)
        except ValueError:
            gap.append(line)
            continue
        if (record.sequence, record.previous, record.torn) != _next_place(digests, b"\n".join(gap)):
            raise _altered(place, f"the chain does not hold behind record {len(records)}")
        records.append(record)
        digests.append(digest(line))
        gap = []
    return Chain(tuple(records), tuple(digests), b"\n".join(gap))


def verify_log(records: Path, checkpoints: Checkpoints) -> Verified:
    """The log below a records root, if it is the one that the checkpoints speak of.

    Raises:
        Refused: `audit-altered`, `audit-truncated`, `audit-forked`, `audit-unconfirmed` (more records lack their checkpoint
            than one crash explains), and what `Checkpoints.read` raises.
    """
    path = audit_directory(records) / LOG_NAME
    chain = read_chain(read_file(path) or b"", str(path))
    confirmed = checkpoints.read()
    missing = len(confirmed) - len(chain.records)
    for checkpoint, found in zip(confirmed, chain.digests, strict=False):
        if checkpoint.record_sha256 != found:
            raise Refused(
                f"record {checkpoint.sequence} is not the one that was confirmed",
                place=str(path),
                hint="this is another log, or one that was written anew; compare it with its backup",
                code="audit-forked",
            )
    if missing > 0:
        raise Refused(
            f"the log ends at record {len(chain.records)}, and {len(confirmed)} were confirmed",
            place=str(path),
            hint="it was cut, or an old copy was put in its place; restore it from its backup",
            code="audit-truncated",
        )
    if missing < -1:
        raise Refused(
            f"{-missing} records have no checkpoint, and a crash leaves one at most",
            place=str(checkpoints.root),
            hint="checkpoints were removed, or records added by something else than supplier-views",
            code="audit-unconfirmed",
        )
    return Verified(chain, -missing)


class AuditLog:
    """A verified log that this process alone may add to, sealed to one auditor."""

    def __init__(self, path: Path, verified: Verified, checkpoints: Checkpoints, signer: Signer, auditor: X25519PublicKey) -> None:
        self._path = path
        self._checkpoints = checkpoints
        self._signer = signer
        self._auditor = auditor
        self._chain = verified.chain
        if verified.unconfirmed:
            self._confirm(self._chain.records[-1].when)

    @property
    def records(self) -> tuple[AuditRecord, ...]:
        """What is in the log, in its order."""
        return self._chain.records

    def append(self, entry: Entry, now: datetime) -> AuditRecord:
        """Adds a record, flushed to disk, and then its checkpoint; when this returns, both will survive a power cut.

        Raises:
            Unavailable: code `clock-behind` if the last record is of a later time.
            StoreUnavailable: one of the two could not be written; nothing may be revealed then.
        """
        last = self._chain.records[-1].when if self._chain.records else None
        if last is not None and now.replace(microsecond=0) < last:
            raise Unavailable(
                f"the clock says {now:%Y-%m-%dT%H:%M:%SZ}, before the last audit record at {last:%Y-%m-%dT%H:%M:%SZ}",
                place=str(self._path),
                hint="set the clock right, then try again",
                code="clock-behind",
            )
        record = seal(entry, now, self._chain.next_place, self._auditor)
        line = canonical_json(record)
        self._write(line)
        self._chain = Chain((*self._chain.records, record), (*self._chain.digests, digest(line)), b"")
        self._confirm(record.when)
        return record

    def _write(self, line: bytes) -> None:
        with store_errors(self._path.parent):
            descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "r+b", buffering=0) as log:
                size = log.seek(0, os.SEEK_END)
                closing = b"\n" if size and os.pread(descriptor, 1, size - 1) != b"\n" else b""
                data = closing + line + b"\n"
                if log.write(data) != len(data):
                    raise OSError(errno.ENOSPC, "short write")
                os.fsync(descriptor)
            sync_directory(self._path.parent)

    def _confirm(self, when: datetime) -> None:
        sequence = len(self._chain.digests)
        self._checkpoints.write(Checkpoint(sequence, self._chain.digests[-1], when), self._signer)


@contextmanager
def open_log(records: Path, checkpoints: Checkpoints, signer: Signer, auditor: X25519PublicKey) -> Iterator[AuditLog]:
    """The audit log below a records root, made if it is not there, verified, and held for this call alone.

    Raises:
        Refused: see `verify_log`: nobody resolves beside a log that does not hold.
        Unavailable: code `run-in-progress` if another call is at work.
    """
    directory = audit_directory(records)
    make_private_directory(records)
    make_private_directory(directory)
    with exclusive_lock(directory / "lock"):
        yield AuditLog(directory / LOG_NAME, verify_log(records, checkpoints), checkpoints, signer, auditor)


def _next_place(digests: Sequence[str], torn: bytes) -> tuple[int, str | None, str | None]:
    return len(digests) + 1, digests[-1] if digests else None, digest(torn) if torn else None


def _altered(place: str, rule: str) -> Refused:
    return Refused(
        rule, place=place, hint="a line was edited, removed, added or moved; compare with the backup", code="audit-altered"
    )
