"""What every export reader yields: whole Arrow columns with the place of each row.

A row's place travels with it as one integer: `row_ref = source_index * 2**40 + row_number`, where row numbers count data rows from
1 in the order of the file (a CSV header is not counted, a record with quoted newlines counts once).
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

ROW_REF = "row_ref"
_ROW_BITS = 40

BROKEN_SCHEMA = pa.schema(
    [
        (ROW_REF, pa.int64()),
        ("rule", pa.string()),  # kebab-case, from a closed list
        ("column", pa.string()),  # null where the row as a whole is broken
    ]
)


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows of one source.

    `rows` has the contract's columns in the contract's order as `string` (null for an empty cell) and `row_ref` last;
    `broken` (BROKEN_SCHEMA) lists rows that could not be read as rows at all (ragged, undecodable). Every row of the source is in
    exactly one of the two.
    """

    rows: pa.RecordBatch
    broken: pa.RecordBatch


def row_ref(source_index: int, row_number: int) -> int:
    """The place of a row as one integer."""
    return (source_index << _ROW_BITS) | row_number


def place_of(ref: int) -> tuple[int, int]:
    """The source index and row number of a `row_ref`."""
    return ref >> _ROW_BITS, ref & ((1 << _ROW_BITS) - 1)
