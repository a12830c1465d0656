"""What every export reader yields: whole Arrow columns with the place of each row (`transforms.contract.places`)."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from transforms.contract.places import BROKEN_SCHEMA, ROW_REF, place_of, row_ref

__all__ = ["BROKEN_SCHEMA", "ROW_REF", "Block", "place_of", "row_ref"]


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows of one source.

    `rows` has the contract's columns in the contract's order as `string` (null for an empty cell) and `row_ref` last;
    `broken` (BROKEN_SCHEMA) lists rows that could not be read as rows at all (ragged, undecodable). Every row of the source is in
    exactly one of the two.
    """

    rows: pa.RecordBatch
    broken: pa.RecordBatch
