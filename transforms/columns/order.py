"""Shards by token bits and the order of rows inside them.

The order of a view is that of its first token [R8]. A row's `ORDER` value is 64 bits of the token, spread evenly and ascending as
its text does, so that sorting integers sorts tokens, and its highest bits are the shard.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

ORDER = "#order"  # no column of a view can have this name
SHARD_BITS = 4
SHARDS = 1 << SHARD_BITS


def shard_slices(batch: pa.RecordBatch) -> list[tuple[int, pa.RecordBatch]]:
    """Cuts a batch into its non-empty shards, ascending: (shard number, rows in the order of the batch)."""
    numbers = (batch.column(ORDER).to_numpy() >> np.uint64(64 - SHARD_BITS)).astype(np.uint8)
    grouped = batch.take(_indices(np.argsort(numbers, kind="stable")))  # of 8-bit integers: numpy counts, and does not compare
    bounds = [0, *np.cumsum(np.bincount(numbers, minlength=SHARDS)).tolist()]
    return [(shard, grouped.slice(start, stop - start)) for shard, (start, stop) in enumerate(pairwise(bounds)) if stop > start]


def sort_shard(table: pa.Table, tie_break: str) -> pa.Table:
    """Sorts a whole shard by `ORDER`; rows whose 64 bits are equal are ordered by the text of `tie_break`.

    Without the second key two such rows would keep the order in which they were read, and the bytes of a release would depend on
    the input order [P18].
    """
    order = table.column(ORDER).to_numpy()
    index = np.argsort(order)
    ranked = order[index]
    if bool(np.any(ranked[1:] == ranked[:-1])):
        return table.take(pc.sort_indices(table, sort_keys=[(ORDER, "ascending"), (tie_break, "ascending")]))
    return table.combine_chunks().take(_indices(index))


def _indices(order: np.ndarray) -> pa.Int64Array:
    return pa.array(order, pa.int64())
