"""Where releases go and where the force keeps its records of them.

::

    OUT/SUPPLIER/RELEASE-ID/          a release; a supplier reads these
    OUT/SUPPLIER/.incoming-…          a release in the making, mode 0700; nothing else is hidden here
    RECORDS/SUPPLIER/RELEASE-ID.json  internal manifest, signed
    RECORDS/SUPPLIER/head.json        the last release, signed: shows a roll-back
    RECORDS/SUPPLIER/pending.json     the record of the release that is being published right now
    RECORDS/SUPPLIER/lock
    RECORDS/events.jsonl              log of operations on personal data
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pipelines.release.events import EventLog
from pipelines.release.files import make_directory, make_private_directory, store_errors
from pipelines.release.manifest import MANIFEST_NAME
from pipelines.release.stage_report import is_release_id
from pipelines.release.staging import exclusive_lock

INCOMING = ".incoming-"
DIRECTORY_MODE = 0o750
FILE_MODE = 0o640


def last_release(directory: Path, before: date) -> Path | None:
    """The last complete release of a supplier's directory that is of an earlier date; None if there is none."""
    with store_errors(directory):
        names = sorted(path.name for path in directory.glob("20*")) if directory.is_dir() else []
    earlier = [name for name in names if is_release_id(name) and name[:10] < before.isoformat()]
    complete = [name for name in earlier if (directory / name / MANIFEST_NAME).is_file()]
    return directory / complete[-1] if complete else None


@dataclass(frozen=True, slots=True)
class Shelf:
    """One supplier's part of a store."""

    supplier: str
    releases: Path
    records: Path

    @property
    def head(self) -> Path:
        """The file of the last release."""
        return self.records / "head.json"

    @property
    def pending(self) -> Path:
        """The file of the release that is being published."""
        return self.records / "pending.json"

    def record(self, release_id: str) -> Path:
        """The file of one release's internal manifest."""
        return self.records / f"{release_id}.json"

    def release(self, release_id: str) -> Path:
        """The directory of one release."""
        return self.releases / release_id

    def record_ids(self) -> tuple[str, ...]:
        """The releases that have a record, in the order of their ids."""
        with store_errors(self.records):
            names = [path.stem for path in self.records.iterdir() if path.suffix == ".json"]
        return tuple(sorted(name for name in names if is_release_id(name)))

    def release_ids(self) -> tuple[str, ...]:
        """What a supplier can see here, in the order of the names; a name that is no release id is listed too."""
        with store_errors(self.releases):
            return tuple(sorted(path.name for path in self.releases.iterdir() if not path.name.startswith(".")))


@dataclass(frozen=True, slots=True)
class ReleaseStore:
    """Releases and records on one machine's file systems.

    `public_keys` are the 32-byte public halves of the manifest signing key and of the ones before it, whose signatures still count.
    """

    root: Path
    records: Path
    public_keys: tuple[bytes, ...]

    @property
    def events(self) -> EventLog:
        """The log of operations on personal data."""
        return EventLog(self.records)

    @contextmanager
    def locked(self, supplier: str) -> Iterator[Shelf]:
        """A supplier's shelf, made if it is not there, that no other process publishes to meanwhile.

        Raises:
            Unavailable: code `run-in-progress` if another process does.
            StoreUnavailable: if the store cannot be written, or others can read the records.
        """
        shelf = Shelf(supplier=supplier, releases=self.root / supplier, records=self.records / supplier)
        make_directory(self.root, DIRECTORY_MODE)
        make_directory(shelf.releases, DIRECTORY_MODE)
        make_private_directory(self.records)
        make_private_directory(shelf.records)
        with exclusive_lock(shelf.records / "lock"):
            yield shelf
