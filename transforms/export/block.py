"""What every export reader yields: whole Arrow columns with the place of each row (`transforms.contract.places`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from transforms.contract.places import BROKEN_SCHEMA, ROW_REF

BLOCK_ROWS = 65_536
_GATHERED_ROWS = 49_152
_GATHERED_BYTES = 32 << 20


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


def gather(blocks: Iterable[Block]) -> Iterator[Block]:
    """Joins neighbouring blocks until they hold tens of thousands of rows, or tens of megabytes.

    A reader is fastest on pieces that fit the processor's cache, and everything after it on larger batches.
    """
    waiting: list[Block] = []
    rows = size = 0
    for block in blocks:
        waiting.append(block)
        rows += block.rows.num_rows
        size += block.rows.nbytes
        if rows >= _GATHERED_ROWS or size >= _GATHERED_BYTES:
            yield _joined(waiting)
            waiting, rows, size = [], 0, 0
    if waiting:
        yield _joined(waiting)


def _joined(blocks: list[Block]) -> Block:
    if len(blocks) == 1:
        return blocks[0]
    return Block(_concat([block.rows for block in blocks]), _concat([block.broken for block in blocks]))


def _concat(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return pa.Table.from_batches(batches).combine_chunks().to_batches()[0] if any(b.num_rows for b in batches) else batches[0]
