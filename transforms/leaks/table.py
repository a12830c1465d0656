"""What both table readers yield, and their common rule: a table is read whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from transforms.leaks.findings import Check


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some consecutive rows: `first_row` is the first one's number in the view, from 1; a string array a column, null if empty."""

    first_row: int
    columns: tuple[pa.Array[Any], ...]

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        return len(self.columns[0])


class TableStructure(Check):
    """The table's file is not exactly a header of the policy's columns and rows of them, in the form that was agreed."""

    rule = "table-structure"


class TableHeader(Check):
    """The table's columns are not those of the policy."""

    rule = "table-columns"


class UnreadableTable(Exception):
    """The rest of the table cannot be read; the reason is among the findings of the reader's checks."""
