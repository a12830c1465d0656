"""What an exposed key reaches, and what became of a key: both from the records of the force.

The report of an incident reads every record of one supplier, and nothing else: a year of nightly releases is 365 small files.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from pipelines.release.dsse import open_envelope, sign_envelope
from pipelines.release.files import make_private_directory, read_file, write_new
from pipelines.release.record import Record, open_record
from pipelines.release.store import Shelf
from pipelines.release.strict_json import canonical_json, parse_canonical
from transforms.errors import KeyUnavailable, Refused
from transforms.keyring.admin import KeysetRow
from transforms.keyring.keyset import RESERVED, State
from transforms.keyring.lifecycle import StateReport, compromise, destroy
from transforms.keyring.open import open_signing_key, open_verification_keys

DESTRUCTION_TYPE: Final = "application/vnd.supplier-views.destruction.v1+json"
DESTROYED: Final = "destroyed"


@dataclass(frozen=True, slots=True)
class Destruction:
    """The record that a key was destroyed [C13]; `recorded_at` (UTC, to the second) is when it was written, `actor` by whom."""

    keyset: str
    epoch: int
    revision: int
    recorded_at: datetime
    actor: str
    signing_key: str


def compromise_keyset(uri: str, records: Path, name: str, epoch: int | None, now: datetime) -> dict[str, Any]:
    """Marks epochs as compromised, then names every release that went out under one of them [L9].

    The marking comes first and stands whatever the records say; doing it again makes the report again.

    Returns:
        The summary: the state, `releases` (view, epoch, release, date, published_at, delete_by, people, files, manifest), `dates`
        (first and last), `people_at_least` (the largest release) and `people_at_most` (each release counted anew), `unverified`
        (records whose signature or form is wrong) and `missing` (sequence numbers without a record). An incident must reckon with
        what is unverified or missing as if it had been reached.

    Raises:
        KeyUnavailable: the store cannot be opened, or the state forbids it.
        StoreUnavailable: the records cannot be read.
    """
    report = compromise(uri, name, epoch, now)
    if name in RESERVED:
        # Neither key makes a token; a release's records cannot say more than the manual does.
        return {**asdict(report), "releases": [], "notices": [f"{name} makes no tokens; see Compromise in keys/README.md"]}
    public_keys = open_verification_keys(uri, now.date())
    return {**asdict(report), **_reached(Shelf(name, records, records / name), report, public_keys)}


def destroy_keyset(uri: str, records: Path, name: str, epoch: int | None, actor: str, now: datetime) -> dict[str, Any]:
    """Destroys keys and keeps a signed record of each; a record that a dead run left out is written by the next [C13].

    Returns:
        The summary: the state, and `destruction_records`, the paths of the records of every destroyed epoch.

    Raises:
        KeyUnavailable: the store or its signing key cannot be opened (nothing is destroyed then), or the state forbids it.
        StoreUnavailable: the store or the records cannot be written.
    """
    signer = open_signing_key(uri, now.date())
    directory = records / DESTROYED
    make_private_directory(records)
    make_private_directory(directory)
    report = destroy(uri, name, epoch, now)
    paths = []
    for number in report.epochs:
        path = directory / f"{name}-{number}.json"
        if read_file(path) is None:
            done = Destruction(name, number, report.revision, now.replace(microsecond=0), actor, signer.key_id)
            data = sign_envelope(canonical_json(done), DESTRUCTION_TYPE, signer)
            write_new(path, data, mode=0o600, temporary=directory / f".new-{name}-{number}")
        paths.append(str(path))
    return {**asdict(report), "destruction_records": paths}


def check_destroyed(uri: str, records: Path, keysets: Iterable[KeysetRow], now: datetime) -> tuple[str, ...]:
    """Holds the signed records of destroyed keys against the store that they speak of.

    Returns:
        Notices: of every destroyed epoch without a record, and of every record that does not verify.

    Raises:
        KeyUnavailable: code `keyset-rolled-back` if the store holds a key that a record says was destroyed; or the store cannot be
            opened.
        StoreUnavailable: the records cannot be read.
    """
    public_keys = open_verification_keys(uri, now.date())
    notices = []
    for row in keysets:
        for epoch in row.epochs:
            path = records / DESTROYED / f"{row.name}-{epoch.epoch}.json"
            data = read_file(path)
            destroyed = epoch.state == State.DESTROYED
            if data is None:
                if destroyed:
                    notices.append(f"{row.name}, epoch {epoch.epoch}, is destroyed and has no record: run keys destroy again")
            elif not _proves(data, public_keys, path, row.name, epoch.epoch):
                notices.append(f"the record {path} proves nothing: it is not of this key, or its signature does not verify")
            elif not destroyed:
                raise KeyUnavailable(
                    f"epoch {epoch.epoch} of {row.name} was destroyed, and the store holds its key",
                    place=str(path),
                    hint="the store was put back to an older copy; destroy the key again, and remove that copy",
                    code="keyset-rolled-back",
                )
    return tuple(notices)


def _proves(data: bytes, public_keys: tuple[bytes, ...], path: Path, name: str, epoch: int) -> bool:
    try:
        record = parse_canonical(open_envelope(data, public_keys, DESTRUCTION_TYPE, str(path)), Destruction)
    except (Refused, ValueError):
        return False
    return (record.keyset, record.epoch) == (name, epoch)


def _reached(shelf: Shelf, report: StateReport, public_keys: tuple[bytes, ...]) -> dict[str, Any]:
    epochs = {f"{report.name}/{number}": number for number in report.epochs}
    found: list[Record] = []
    unverified: list[str] = []
    if shelf.records.is_dir():
        for release_id in shelf.record_ids():
            path = shelf.record(release_id)
            try:
                record = open_record(read_file(path) or b"", public_keys, path)
            except Refused:
                unverified.append(str(path))
                continue
            found.append(record)
        if read_file(shelf.pending) is not None:
            unverified.append(str(shelf.pending))
    found.sort(key=lambda record: record.sequence)
    last = found[-1].sequence if found else 0
    reached = [record for record in found if record.key_id in epochs]
    dates: list[date] = [record.date for record in reached]
    return {
        "releases": [_row(record, epochs[record.key_id]) for record in reached],
        "dates": [min(dates).isoformat(), max(dates).isoformat()] if dates else [],
        "people_at_least": max((record.rows for record in reached), default=0),
        "people_at_most": sum(record.rows for record in reached),
        "unverified": unverified,
        "missing": sorted({*range(1, last + 1)} - {record.sequence for record in found}),
    }


def _row(record: Record, epoch: int) -> dict[str, Any]:
    return {
        "view": record.supplier,
        "epoch": epoch,
        "release": record.release_id,
        "date": record.date.isoformat(),
        "published_at": record.published_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "delete_by": record.delete_by.isoformat(),
        "people": record.rows,
        "files": record.files,
        "manifest_sha256": record.manifest_sha256,
    }
