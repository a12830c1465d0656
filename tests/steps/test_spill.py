"""Spilled rows come back whole, shard by shard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transforms.columns.order import ORDER, SHARD_BITS, SHARDS
from transforms.steps.spill import SpillFile, read_shards

_ORDERS = st.lists(st.lists(st.integers(0, 2**64 - 1), max_size=20), max_size=4)


def _batch(orders: list[int], start: int) -> pa.RecordBatch:
    refs = pa.array(range(start, start + len(orders)), pa.int64())
    return pa.record_batch({ORDER: pa.array(np.array(orders, np.uint64)), "ref": refs})


@pytest.fixture(scope="module")
def attempts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("attempts")


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_ORDERS, st.integers(1, 3))
def test_every_row_comes_back_once_in_the_shard_of_its_leading_bits(attempts: Path, orders: list[list[int]], files: int) -> None:
    spill_files = [SpillFile(str(attempts)) for _ in range(files)]
    expected: dict[int, int] = {}
    for number, part in enumerate(orders):
        start = 100 * number
        expected |= {start + at: order for at, order in enumerate(part)}
        spill_files[number % files].add(_batch(part, start))
    spills = [spill for spill in (file.close() for file in spill_files) if spill is not None]

    shards = list(read_shards(spills))
    assert len(shards) == SHARDS
    found: dict[int, int] = {}
    for shard, table in enumerate(shards):
        if table is None:
            continue
        assert table.num_rows > 0
        for order, ref in zip(table.column(ORDER).to_pylist(), table.column("ref").to_pylist(), strict=True):
            assert order >> (64 - SHARD_BITS) == shard
            assert ref not in found
            found[ref] = order
    assert found == expected


def test_shards_follow_each_other_in_the_order_of_tokens(attempts: Path) -> None:
    orders = [shard << (64 - SHARD_BITS) for shard in range(SHARDS)]
    spill = SpillFile(str(attempts))
    spill.add(_batch(orders[::-1], 0))
    closed = spill.close()
    assert closed is not None
    tables = [table for table in read_shards([closed]) if table is not None]
    assert [table.column(ORDER).to_pylist() for table in tables] == [[order] for order in orders]


def test_a_spill_to_which_nothing_was_added_makes_no_file(tmp_path: Path) -> None:
    spill = SpillFile(str(tmp_path))
    spill.add(_batch([], 0))
    assert spill.close() is None
    assert list(tmp_path.iterdir()) == []


def test_a_spill_is_for_its_owner_alone_and_two_never_share_a_file(tmp_path: Path) -> None:
    closed = []
    for _ in range(2):
        spill = SpillFile(str(tmp_path))
        spill.add(_batch([1, 2], 0))
        closed.append(spill.close())
    paths = {Path(spill[0]) for spill in closed if spill is not None}
    assert paths == set(tmp_path.iterdir())
    assert len(paths) == 2
    assert {path.stat().st_mode & 0o777 for path in paths} == {0o600}
