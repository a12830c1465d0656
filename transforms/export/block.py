"""What every export reader yields: whole Arrow columns with the place of each row (`transforms.contract.places`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from transforms.contract.places import BROKEN_SCHEMA, ROW_REF, place_of, row_ref

__all__ = ["BLOCK_ROWS", "BROKEN_SCHEMA", "ROW_REF", "Block", "empty_to_null", "place_of", "row_ref", "to_blocks"]

BLOCK_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows of one source.

    `rows` has the contract's columns in the contract's order as `string` (null for an empty cell) and `row_ref` last;
    `broken` (BROKEN_SCHEMA) lists rows that could not be read as rows at all (ragged, undecodable). Every row of the source is in
    exactly one of the two.
    """

    rows: pa.RecordBatch
    broken: pa.RecordBatch


def empty_to_null(column: pa.StringArray) -> pa.StringArray:
    """The column with a null for every empty string, so that all formats say the same of an empty cell."""
    empty = pc.equal(column, pa.scalar(""))
    return pc.if_else(empty, pa.scalar(None, pa.string()), column) if pc.any(empty).as_py() else column


def to_blocks(rows: pa.Table, refs: npt.NDArray[np.int64], broken: Sequence[tuple[int, str]]) -> Iterator[Block]:
    """Cuts what a reader parsed at once into blocks of at most `BLOCK_ROWS` rows.

    Args:
        rows: the contract's columns in the contract's order, as `string`.
        refs: `row_ref` of each of them.
        broken: `row_ref` and rule of each row that could not be read.

    Yields:
        At least one block, even if there are no rows; `broken` travels with the first.
    """
    listed = pa.record_batch(
        [
            pa.array([ref for ref, _ in broken], pa.int64()),
            pa.array([rule for _, rule in broken], pa.string()),
            pa.nulls(len(broken), pa.string()),
        ],
        schema=BROKEN_SCHEMA,
    )
    placed = rows.append_column(ROW_REF, pa.array(refs, pa.int64())).combine_chunks()
    for batch in placed.to_batches(max_chunksize=BLOCK_ROWS) or [pa.RecordBatch.from_pylist([], schema=placed.schema)]:
        yield Block(batch, listed)
        listed = listed.slice(0, 0)
