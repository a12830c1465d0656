"""The history of a supplier's releases: whole, in order, and not rolled back [A6].

The records carry the chain, because they are kept for years while releases are erased when their time is over. Whatever does not
fit stops the supplier's next release: an honest history has no gap, no fork, no edit and no end that is earlier than its head.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from pipelines.release.files import read_file
from pipelines.release.manifest import MANIFEST_NAME, digest_of
from pipelines.release.record import Head, Record, open_head, open_record
from pipelines.release.store import Shelf
from transforms.errors import Refused, Unavailable


@dataclass(frozen=True, slots=True)
class History:
    """The records of a supplier's releases in their order, all checked."""

    records: tuple[Record, ...]

    @property
    def last(self) -> Record | None:
        """The record of the last release, None before the first."""
        return self.records[-1] if self.records else None

    def on(self, business_date: date) -> Record | None:
        """The record of the release of that date, None if there is none."""
        return next((record for record in self.records if record.date == business_date), None)


def read_head(shelf: Shelf, public_keys: tuple[bytes, ...]) -> Head | None:
    """The head, None before the first release.

    Raises:
        Refused: code `signature-invalid`.
    """
    data = read_file(shelf.head)
    return None if data is None else open_head(data, public_keys, shelf.head)


def check_clock(head: Head | None, supplier: str, now: datetime) -> None:
    """Refuses to work with a clock that is behind the last release's time.

    Raises:
        Unavailable: code `clock-behind`.
    """
    if head is not None and now < head.published_at:
        raise Unavailable(
            f"the clock says {now:%Y-%m-%dT%H:%M:%SZ}, before the last release at {head.published_at:%Y-%m-%dT%H:%M:%SZ}",
            place=supplier,
            hint="set the clock right, then run again",
            code="clock-behind",
        )


def read_history(shelf: Shelf, public_keys: tuple[bytes, ...], today: date) -> History:
    """A supplier's history, checked against its head and against the releases that are there.

    A release may be missing once its `delete_by` is over; its record may not.

    Raises:
        Refused: code `signature-invalid`, `chain-broken` (gap, fork, edit, reorder), `chain-rolled-back`, `release-missing`,
            `release-altered` or `release-unknown`.
    """
    records = read_records(shelf, public_keys)
    previous: str | None = None
    for position, record in enumerate(records, start=1):
        if (record.sequence, record.previous) != (position, previous):
            raise _refused(shelf, "the chain of releases has a gap or a fork", "chain-broken")
        previous = record.manifest_sha256
    _check_head(shelf, records, read_head(shelf, public_keys))
    _check_releases(shelf, records, today)
    return History(records)


def read_records(shelf: Shelf, public_keys: tuple[bytes, ...]) -> tuple[Record, ...]:
    """The records of a supplier's releases in their order, each one signed; nothing before the first.

    Raises:
        Refused: code `signature-invalid` or `record-malformed`; `chain-broken` if one stands under another release's name.
    """
    if not shelf.records.is_dir():
        return ()
    records = (_read_record(shelf, release_id, public_keys) for release_id in shelf.record_ids())
    return tuple(sorted(records, key=lambda record: record.sequence))


def manifest_digest(shelf: Shelf, release_id: str) -> str | None:
    """SHA-256 (hex) of a release's manifest, None if there is no manifest and so no release.

    Raises:
        Refused: code `release-altered` if a link stands where the release's directory must be.
    """
    if shelf.release(release_id).is_symlink():
        raise _refused(shelf, f"release {release_id} is a link", "release-altered")
    data = read_file(shelf.release(release_id) / MANIFEST_NAME)
    return None if data is None else digest_of(data)


def _read_record(shelf: Shelf, release_id: str, public_keys: tuple[bytes, ...]) -> Record:
    record = open_record(read_file(shelf.record(release_id)) or b"", public_keys, shelf.record(release_id))
    if (record.supplier, record.release_id) != (shelf.supplier, release_id):
        raise _refused(shelf, "a record stands under another release's name", "chain-broken")
    return record


def _check_head(shelf: Shelf, records: tuple[Record, ...], head: Head | None) -> None:
    last = records[-1] if records else None
    expected = None if last is None else Head(last.supplier, last.sequence, last.manifest_sha256, last.published_at)
    if head != expected:
        raise _refused(shelf, "the last record is not the one that the head names", "chain-rolled-back")


def _check_releases(shelf: Shelf, records: tuple[Record, ...], today: date) -> None:
    known = {record.release_id: record for record in records}
    for release_id, record in known.items():
        digest = manifest_digest(shelf, release_id)
        if digest is None and today <= record.delete_by:
            raise _refused(shelf, f"release {release_id} or its manifest is missing before its time", "release-missing")
        if digest is not None and digest != record.manifest_sha256:
            raise _refused(shelf, f"the manifest of release {release_id} was altered", "release-altered")
    for release_id in shelf.release_ids():
        if release_id not in known and manifest_digest(shelf, release_id) is not None:
            raise _refused(shelf, f"release {release_id} has a manifest and no record", "release-unknown")


def _refused(shelf: Shelf, rule: str, code: str) -> Refused:
    return Refused(
        rule, place=shelf.supplier, hint="compare releases and records with their backup before anything else", code=code
    )
