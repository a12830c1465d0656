"""Tokens from a file that a supplier sent back."""

from __future__ import annotations

import csv
from pathlib import Path

from transforms.errors import InvalidInput


def read_tokens(path: Path, column: str, limit: int) -> tuple[str, ...]:
    """The distinct values of a column of a CSV file with a header, in the order of the file; blank cells are passed over.

    Reading ends behind `limit` + 1 values: a call that asks for more than it may is refused whatever follows.

    Raises:
        InvalidInput: code `reply-unreadable` if the file is no CSV in UTF-8, or `column-missing`; the file's values are not quoted.
    """
    values: dict[str, None] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            header = next(rows, [])
            if header.count(column) != 1:
                raise InvalidInput(
                    "the file has no such column, or has it twice",
                    place=str(path),
                    hint="name a column of the file's header with --column",
                    code="column-missing",
                )
            place = header.index(column)
            for row in rows:
                value = row[place].strip() if place < len(row) else ""
                if value:
                    values[value] = None
                if len(values) > limit:
                    break
    except (OSError, UnicodeDecodeError, csv.Error):
        raise InvalidInput(
            "the file cannot be read as CSV in UTF-8", place=str(path), hint="save it as CSV, UTF-8", code="reply-unreadable"
        ) from None
    return tuple(values)
