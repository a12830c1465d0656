"""The log of what was done with personal data, after section 62 of the Data Protection Act 2018 [L3].

One JSON object a line in `RECORDS/events.jsonl`, only ever appended to. An event says what happened, when, by whom and for whom;
it never carries a value of the export.
"""

from __future__ import annotations

import datetime
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pipelines.release.files import make_private_directory, read_file, store_errors
from pipelines.release.strict_json import canonical_json, parse_canonical


class Action(StrEnum):
    """What section 62(1) asks to be logged, and the way back from a token to a person."""

    COLLECTION = "collection"
    ALTERATION = "alteration"
    CONSULTATION = "consultation"
    DISCLOSURE = "disclosure"
    COMBINATION = "combination"
    ERASURE = "erasure"
    RE_IDENTIFICATION = "re-identification"


@dataclass(frozen=True, slots=True)
class Event:
    """One operation. `when` is aware; `recipient` is who received data, None where nobody did; `reference` says for what: a purpose
    or a case number."""

    action: Action
    when: datetime.datetime
    actor: str
    recipient: str | None = None
    date: datetime.date | None = None
    release_id: str | None = None
    reference: str | None = None


class EventLog:
    """The log below a records root, which is made private if it is not there."""

    def __init__(self, records: Path) -> None:
        make_private_directory(records)
        self._path = records / "events.jsonl"

    def append(self, event: Event) -> None:
        """Adds one line and flushes it to disk.

        Raises:
            StoreUnavailable: if it could not be written whole; a torn line that a crash leaves is closed by the next append.
        """
        line = canonical_json(event) + b"\n"
        with store_errors(self._path.parent):
            descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "r+b", buffering=0) as log:
                size = log.seek(0, os.SEEK_END)
                if size and os.pread(descriptor, 1, size - 1) != b"\n":
                    line = b"\n" + line
                if log.write(line) != len(line):
                    raise OSError(errno.ENOSPC, "short write")
                os.fsync(descriptor)

    def events(self) -> Iterator[Event]:
        """The events in the order of the log; lines that a crash tore are passed over."""
        for line in (read_file(self._path) or b"").splitlines():
            try:
                yield parse_canonical(line, Event)
            except ValueError:
                continue

    def has_disclosure(self, recipient: str, release_id: str) -> bool:
        """Whether the disclosure of a release is in the log."""
        return any((e.action, e.recipient, e.release_id) == (Action.DISCLOSURE, recipient, release_id) for e in self.events())
