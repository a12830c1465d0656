"""Shards and order of rows."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from transforms.columns.order import ORDER, SHARDS, shard_slices, sort_shard

ORDERS = st.lists(st.integers(0, 2**64 - 1), max_size=60)


def batch(orders: list[int]) -> pa.RecordBatch:
    return pa.record_batch({ORDER: pa.array(np.array(orders, dtype=np.uint64)), "line": pa.array([f"{o:020}" for o in orders])})


@given(ORDERS)
def test_shards_hold_every_row_once_and_follow_one_another(orders: list[int]) -> None:
    shards = shard_slices(batch(orders))
    assert [number for number, _ in shards] == sorted({number for number, _ in shards})
    assert all(0 <= number < SHARDS for number, _ in shards)
    in_shards = [value for _, rows in shards for value in rows.column(ORDER).to_pylist()]
    assert in_shards == sorted(orders, key=lambda value: value >> 60)


@given(ORDERS)
def test_a_row_s_shard_is_its_highest_bits(orders: list[int]) -> None:
    for number, rows in shard_slices(batch(orders)):
        assert {value >> 60 for value in rows.column(ORDER).to_pylist()} == {number}


@given(st.permutations([(7, "b"), (7, "a"), (3, "z"), (7, "c"), (9, "a")]))
def test_rows_with_equal_bits_are_ordered_by_text_whatever_the_input_order(rows: list[tuple[int, str]]) -> None:
    orders, lines = zip(*rows, strict=True)
    table = pa.table({ORDER: pa.array(orders, pa.uint64()), "line": pa.array(lines)})
    assert sort_shard(table, "line").column("line").to_pylist() == ["z", "a", "b", "c", "a"]
