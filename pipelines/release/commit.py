"""The steps of the commit protocol on one machine's file systems; `publish` says in which order and why."""

from __future__ import annotations

import calendar
import errno
import os
from collections.abc import Callable
from datetime import date
from enum import StrEnum
from pathlib import Path

from pipelines.release.chain import manifest_digest, read_head
from pipelines.release.dsse import Signer
from pipelines.release.events import Action, Event
from pipelines.release.files import (
    link_or_copy,
    list_tree,
    read_file,
    remove,
    replace,
    settle_files,
    store_errors,
    sync_directory,
    write_new,
)
from pipelines.release.manifest import MANIFEST_NAME
from pipelines.release.proof import CleanRelease
from pipelines.release.record import Record, open_record, sign_head, sign_record
from pipelines.release.store import DIRECTORY_MODE, FILE_MODE, INCOMING, ReleaseStore, Shelf
from transforms.errors import OutcomeUnknown, Refused, StoreUnavailable, store_unavailable


class Step(StrEnum):
    """What publish has just done; a run that stops after any of them leaves a state that the next run finishes."""

    LOCKED = "locked"
    RECONCILED = "reconciled"
    DIRECTORY_MADE = "directory-made"
    FILE_PLACED = "file-placed"
    FILES_ON_DISK = "files-on-disk"
    INTENT_RECORDED = "intent-recorded"
    MANIFEST_WRITTEN = "manifest-written"
    VISIBLE = "visible"
    COMMITTED = "committed"
    RECORD_WRITTEN = "record-written"
    DISCLOSURE_LOGGED = "disclosure-logged"
    HEAD_MOVED = "head-moved"
    INTENT_CLEARED = "intent-cleared"


OnStep = Callable[[Step], None]


def build(shelf: Shelf, clean: CleanRelease, envelope: bytes, record: bytes, on_step: OnStep) -> None:
    """Builds the whole release under its hidden name, the manifest last."""
    release_id, mtime = clean.report.release_id, _midnight(clean.report.date)
    incoming = _incoming(shelf, release_id)
    # A directory of this name without a manifest is no release (read_history saw to that): a copy that somebody left half done.
    remove(shelf.release(release_id))
    paths = tuple(file.path for file in clean.files)
    if list_tree(clean.staging.release)[0] != paths:
        raise _changed(clean)
    with store_errors(shelf.releases):
        incoming.mkdir(mode=0o700)
        on_step(Step.DIRECTORY_MADE)
        for path in paths:
            (incoming / path).parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(clean.staging.release / path, incoming / path)
            on_step(Step.FILE_PLACED)
    if settle_files(incoming, paths, mode=FILE_MODE, mtime=mtime) != clean.files:
        raise _changed(clean)
    with store_errors(shelf.releases):
        for directory in reversed(list_tree(incoming)[1]):
            _settle_directory(incoming / directory, mtime)
        sync_directory(incoming)
    on_step(Step.FILES_ON_DISK)
    replace(shelf.pending, record)
    on_step(Step.INTENT_RECORDED)
    write_new(
        incoming / MANIFEST_NAME, envelope, mode=FILE_MODE, mtime=mtime, temporary=shelf.releases / f"{INCOMING}{MANIFEST_NAME}"
    )
    with store_errors(shelf.releases):
        _settle_directory(incoming, mtime)
    on_step(Step.MANIFEST_WRITTEN)


def make_visible(shelf: Shelf, release_id: str) -> None:
    """The commit: rename(2) of a directory fails if the target is a directory that is not empty, so it replaces no release."""
    source, target = _incoming(shelf, release_id), shelf.release(release_id)
    try:
        source.rename(target)
    except OSError as error:
        if error.errno == errno.EIO:
            raise _outcome_unknown(shelf, release_id) from None
        raise store_unavailable(error, shelf.releases) from None


def confirm_durable(shelf: Shelf, release_id: str) -> None:
    """Waits until the disk holds the release's name.

    Raises:
        OutcomeUnknown: if the disk did not confirm it.
    """
    try:
        sync_directory(shelf.releases)
    except OSError:
        raise _outcome_unknown(shelf, release_id) from None


def complete_record(shelf: Shelf, record: Record, store: ReleaseStore, signer: Signer, on_step: OnStep) -> None:
    """Moves the record from pending to its place, logs the disclosure and moves the head; may be run again after a crash."""
    try:
        replace(shelf.record(record.release_id), sign_record(record, signer))
        on_step(Step.RECORD_WRITTEN)
        if not store.events.has_disclosure(record.supplier, record.release_id):
            store.events.append(_disclosure(record))
        on_step(Step.DISCLOSURE_LOGGED)
        replace(shelf.head, sign_head(record, signer))
        on_step(Step.HEAD_MOVED)
        remove(shelf.pending)
        on_step(Step.INTENT_CLEARED)
    except StoreUnavailable as error:
        raise StoreUnavailable(
            f"release {record.release_id} is published, but its record is incomplete ({error.rule})",
            place=error.place,
            hint="run again once the records can be written: the record is completed and the release left as it is",
            code="record-incomplete",
        ) from None


def reconcile(shelf: Shelf, store: ReleaseStore, signer: Signer) -> None:
    """Finishes or forgets what a publish that died left behind."""
    pending = _read_pending(shelf, store.public_keys)
    if pending is not None and manifest_digest(shelf, pending.release_id) == pending.manifest_sha256:
        head = read_head(shelf, store.public_keys)
        follows = (head.sequence + 1, head.manifest_sha256) if head else (1, None)
        is_head = head is not None and head.manifest_sha256 == pending.manifest_sha256
        if not is_head and (pending.sequence, pending.previous) != follows:
            raise Refused(
                "the release that was being published does not follow the last one",
                place=shelf.supplier,
                hint="compare releases and records with their backup before anything else",
                code="chain-broken",
            )
        confirm_durable(shelf, pending.release_id)
        complete_record(shelf, pending, store, signer, lambda step: None)
    forget(shelf)


def _read_pending(shelf: Shelf, public_keys: tuple[bytes, ...]) -> Record | None:
    data = read_file(shelf.pending)
    return None if data is None else open_record(data, public_keys, shelf.pending)


def forget(shelf: Shelf) -> None:
    """Removes every trace of an attempt that made nothing visible."""
    with store_errors(shelf.releases):
        leftovers = [path for path in shelf.releases.iterdir() if path.name.startswith(INCOMING)]
    for path in leftovers:
        remove(path)
    remove(shelf.pending)


def _incoming(shelf: Shelf, release_id: str) -> Path:
    return shelf.releases / f"{INCOMING}{release_id}"


def _settle_directory(path: Path, mtime: int) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchmod(descriptor, DIRECTORY_MODE)
        os.utime(descriptor, (mtime, mtime))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _midnight(day: date) -> int:
    """The start of a day in UTC, in seconds since the epoch: a time that says nothing about the run [I13, R10]."""
    return calendar.timegm(day.timetuple())


def _disclosure(record: Record) -> Event:
    return Event(
        action=Action.DISCLOSURE,
        when=record.published_at,
        actor=record.actor,
        recipient=record.supplier,
        date=record.date,
        release_id=record.release_id,
    )


def _changed(clean: CleanRelease) -> Refused:
    return Refused(
        "what is staged is not what verify read", place=str(clean.staging.root), hint="stage and verify again", code="proof-stale"
    )


def _outcome_unknown(shelf: Shelf, release_id: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"nobody knows whether release {release_id} is published: the disk did not confirm it",
        place=str(shelf.releases),
        hint="check the disk, then run again: the release is confirmed, or built again",
    )
