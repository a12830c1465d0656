"""Where a row stood in the export, as one integer, and the list of places that broke a rule.

A row's place travels with it: `row_ref = source_index * 2**40 + row_number`, where row numbers count data rows from 1 in the order
of the file (a CSV header is not counted, a record with quoted newlines counts once). Quarantine knows places and rules, never a
cell value [R15].
"""

from __future__ import annotations

import pyarrow as pa

ROW_REF = "row_ref"
_ROW_BITS = 40

_BROKEN_FIELDS: dict[str, pa.DataType] = {
    ROW_REF: pa.int64(),
    "rule": pa.string(),  # kebab-case, from a closed list
    "column": pa.string(),  # null where the row as a whole is broken
}
BROKEN_SCHEMA = pa.schema(_BROKEN_FIELDS)


def row_ref(source_index: int, row_number: int) -> int:
    """The place of a row as one integer."""
    return (source_index << _ROW_BITS) | row_number


def place_of(ref: int) -> tuple[int, int]:
    """The source index and row number of a `row_ref`."""
    return ref >> _ROW_BITS, ref & ((1 << _ROW_BITS) - 1)
