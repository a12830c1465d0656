"""Where pages are kept: `RECORDS/reports/DATE/NUMBER/report.json` and `report.html`, and an index of all runs beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Final

from pipelines.release.files import make_private_directory, read_file, remove, replace, store_errors
from pipelines.reporting.model import Report, read_report
from transforms.errors import Refused, Unavailable

MODEL: Final = "report.json"
PAGE: Final = "report.html"
INDEX: Final = "index.html"
MOST_READ: Final = 400  # runs that an index lists, and that a page looks back on
_DATE: Final = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,5}")


def reports_directory(records: Path) -> Path:
    """Where the pages of a records directory are."""
    return records / "reports"


def claim(records: Path, day: date) -> tuple[Path, int]:
    """A directory of its own for the page of one run, and the run's number on that business date.

    Raises:
        StoreUnavailable: it cannot be made, or others can enter the records.
    """
    make_private_directory(records)
    make_private_directory(reports_directory(records))
    directory = reports_directory(records) / day.isoformat()
    make_private_directory(directory)
    number = max((int(path.name) for path in _numbered(directory)), default=0) + 1
    while True:
        path = directory / str(number)
        with store_errors(directory):
            try:
                path.mkdir(mode=0o700)
            except FileExistsError:  # another run of the date began at this very moment
                number += 1
            else:
                return path, number


def keep(directory: Path, model: bytes, html: str) -> Path:
    """Writes model and page whole, each in one step; the page's path. Raises StoreUnavailable."""
    replace(directory / MODEL, model)
    replace(directory / PAGE, html.encode())
    return directory / PAGE


def give_up(directory: Path) -> None:
    """Removes what was written of a page that must not be kept."""
    with suppress(Unavailable):
        remove(directory)


def find(records: Path, day: date | None) -> Path:
    """The directory of the last page of a date, or of all dates.

    Raises:
        Unavailable: code `report-missing`.
    """
    for directory in _newest_first(records):
        if day is None or directory.parent.name == day.isoformat():
            return directory
    raise Unavailable(
        "no report is kept of this date" if day else "no report is kept",
        place=str(reports_directory(records)),
        hint="every run writes one; check --records and --date",
        code="report-missing",
    )


def load(directory: Path) -> Report:
    """The model in a page's directory. Raises: as `read_report`."""
    return read_report(read_file(directory / MODEL) or b"", str(directory / MODEL))


def load_all(records: Path) -> list[tuple[Path, Report]]:
    """The last `MOST_READ` pages that can be read, the newest first; one that was edited or is of another format is passed over."""
    found: list[tuple[Path, Report]] = []
    for directory in _newest_first(records):
        if len(found) >= MOST_READ:
            break
        with suppress(Refused):
            found.append((directory, load(directory)))
    return found


def write_index(records: Path, html: str) -> Path:
    """Replaces the index in one step. Raises StoreUnavailable."""
    path = reports_directory(records) / INDEX
    replace(path, html.encode())
    return path


def _newest_first(records: Path) -> Iterator[Path]:
    root = reports_directory(records)
    days = sorted((path for path in _entries(root) if _DATE.fullmatch(path.name)), reverse=True)
    for day in days:
        for directory in sorted(_numbered(day), key=lambda path: int(path.name), reverse=True):
            if (directory / MODEL).is_file():
                yield directory


def _numbered(directory: Path) -> list[Path]:
    return [path for path in _entries(directory) if _NUMBER.fullmatch(path.name)]


def _entries(directory: Path) -> list[Path]:
    with store_errors(directory):
        return list(directory.iterdir()) if directory.is_dir() else []
