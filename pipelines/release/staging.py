"""Where a view waits before it is published: one private root, one lock, nothing left behind.

::

    STAGING/                     0700
      photo-cache/               sealed prints of earlier nights (`pipelines.photo_cache`): no sweep of views touches it
      lock                       held by the one run that works here; its text says that the directory is ours to sweep
      DATE/SUPPLIER/
        release/                 the supplier's files, without the manifest
        order.npy                row places in the view's order, for the order check; never leaves
        stage.json               written last by stage: without it the attempt is dead
        proof.json               written by verify
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from pipelines.release.files import make_directory, make_private_directory, read_file, remove, replace, store_errors, sync_tree
from pipelines.release.stage_report import StageReport, check_names
from pipelines.release.strict_json import canonical_json, parse_canonical
from transforms.errors import Refused, StoreUnavailable, Unavailable

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LOCK = "lock"
_LOCK_TEXT = b"supplier-views sweeps this directory after every run.\n"
# A view that was staged and not published in a day never will be: the next night stages its own [R16].
_STALE_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SupplierStaging:
    """The staged area of one supplier and date; a pair of names until `begin` makes it."""

    root: Path
    supplier: str
    date: date

    @property
    def release(self) -> Path:
        """The directory of the supplier's files."""
        return self.root / "release"

    @property
    def report(self) -> Path:
        """Stage's report, `stage.json`."""
        return self.root / "stage.json"

    @property
    def proof(self) -> Path:
        """Verify's signed proof, `proof.json`."""
        return self.root / "proof.json"

    def begin(self) -> None:
        """Wipes what an earlier attempt left and makes the empty area."""
        self.wipe()
        make_directory(self.root.parent, 0o700)
        make_directory(self.root, 0o700)
        make_directory(self.release, 0o700)

    def wipe(self) -> None:
        """Removes the area with all that is in it; links are removed, never followed."""
        remove(self.root)

    def write_report(self, report: StageReport) -> None:
        """Flushes the staged files to disk, then writes `stage.json`: the one step that makes the area a staged view.

        Raises:
            InvalidInput: if supplier or release id cannot be directory names.
            StoreUnavailable: if the disk is full or cannot be written.
        """
        check_names(report.supplier, report.date, report.release_id)
        sync_tree(self.release)
        replace(self.report, canonical_json(report))

    def read_report(self) -> StageReport:
        """Stage's report.

        Raises:
            Unavailable: code `not-staged` if there is none.
            Refused: code `stage-malformed` if it is not exactly a report of this supplier and date.
        """
        data = read_file(self.report)
        if data is None:
            raise Unavailable("nothing is staged", place=str(self.root), hint="run stage for this date first", code="not-staged")
        try:
            report = parse_canonical(data, StageReport)
        except ValueError:
            raise self._malformed() from None
        if (report.supplier, report.date) != (self.supplier, self.date):
            raise self._malformed()
        check_names(report.supplier, report.date, report.release_id)
        return report

    def _malformed(self) -> Refused:
        return Refused("not a stage report of this view", place=str(self.report), hint="stage again", code="stage-malformed")


@dataclass(frozen=True, slots=True)
class Staging:
    """A staging root whose lock this process holds."""

    root: Path

    def area(self, business_date: date, supplier: str) -> SupplierStaging:
        """The area of one supplier and date, which need not exist."""
        check_names(supplier, business_date, f"{business_date.isoformat()}-000000")
        return SupplierStaging(root=self.root / business_date.isoformat() / supplier, supplier=supplier, date=business_date)

    def sweep(self, now: datetime) -> None:
        """Removes attempts that died before their report, views that nobody published within a day, and empty dates.

        Nobody else can be at work here while the lock is held. Only date directories are touched, and links are never followed.
        """
        with store_errors(self.root):
            dates = sorted(path for path in self.root.iterdir() if _DATE.fullmatch(path.name))
        for day in dates:
            if day.is_symlink() or not day.is_dir():
                remove(day)
                continue
            with store_errors(day):
                for area in sorted(day.iterdir()):
                    if not _is_live(area, now):
                        remove(area)
                if not any(day.iterdir()):
                    day.rmdir()


@contextmanager
def open_staging(root: Path, now: datetime) -> Iterator[Staging]:
    """Makes and locks a staging root for one run, with umask 077, sweeping it before and after [R16].

    The lock goes with the process, however it dies. `now` (aware) decides which unpublished views are stale.

    Raises:
        Unavailable: code `run-in-progress` if another run holds the lock.
        StoreUnavailable: if the root cannot be written, or others can enter it; code `staging-foreign` if it holds files that are
            not ours.
    """
    umask = os.umask(0o077)
    try:
        make_private_directory(root)
        _refuse_foreign(root)
        with exclusive_lock(root / _LOCK):
            if read_file(root / _LOCK) != _LOCK_TEXT:
                with store_errors(root):
                    (root / _LOCK).write_bytes(_LOCK_TEXT)
            staging = Staging(root)
            staging.sweep(now)
            try:
                yield staging
            finally:
                staging.sweep(now)
    finally:
        os.umask(umask)


def _refuse_foreign(root: Path) -> None:
    """Refuses a directory that is neither empty nor a staging root: what is swept there must be nobody else's."""
    if read_file(root / _LOCK) == _LOCK_TEXT:
        return
    with store_errors(root):
        if any(path.name != _LOCK for path in root.iterdir()):
            raise StoreUnavailable(
                "the directory holds files and is no staging root",
                place=str(root),
                hint="name an empty directory, or one that does not exist yet; what is staged there is swept after every run",
                code="staging-foreign",
            )


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Holds an advisory lock on a file for as long as the block runs, without waiting for it.

    Raises:
        Unavailable: code `run-in-progress` if another process holds it.
    """
    with store_errors(path.parent):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        with store_errors(path.parent):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Unavailable(
                    "another run is at work here",
                    place=str(path.parent),
                    hint="wait until it ends; the lock goes with its process",
                    code="run-in-progress",
                ) from None
        yield
    finally:
        os.close(descriptor)


def _is_live(area: Path, now: datetime) -> bool:
    report = area / "stage.json"
    if area.is_symlink() or report.is_symlink() or not report.is_file():
        return False
    return now.timestamp() - report.stat().st_mtime < _STALE_AFTER.total_seconds()
