"""How a view travels through staging and what its file looks like, for CSV and for Parquet.

Rows of a CSV view are rendered once, as soon as they are tokens, and only lines are sorted and copied after that.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from transforms.columns.order import ORDER
from transforms.columns.render import LINE, csv_header, csv_lines, text_bytes
from transforms.columns.view import View, plain_columns, view_names
from transforms.contract.model import Contract
from transforms.contract.places import ROW_REF
from transforms.policy.model import Policy


def spill_batch(view: View, refs: pa.Array[Any], contract: Contract, policy: Policy) -> pa.RecordBatch:
    """The rows of a view as they wait in staging: what will be written, the sort key, and each row's place in the export."""
    if policy.delivery_format == "csv":
        payload = {LINE: csv_lines(list(view.columns.values()), plain_columns(policy, contract))}
    else:
        payload = dict(view.columns)
    return pa.record_batch({**payload, ORDER: pa.array(view.order), ROW_REF: refs})


def tie_break(policy: Policy) -> str:
    """The spilled column that orders rows whose sort keys are equal."""
    return LINE if policy.delivery_format == "csv" else policy.sort_token.name


def people_file(policy: Policy) -> str:
    """The name of the table's file in a release."""
    return f"people.{policy.delivery_format}"


def write_people(path: Path, shards: Iterable[pa.Table], policy: Policy) -> int:
    """Writes the table of a release from its sorted shards, in order.

    The bytes depend on the rows and their order alone: Parquet is written one row group a shard, without statistics, the Arrow
    schema or any other key-value metadata, and from plain columns, never dictionaries [R4, R7].

    Returns:
        The number of rows written.
    """
    with path.open("xb") as out:
        return _write_csv(out, shards, policy) if policy.delivery_format == "csv" else _write_parquet(out, shards, policy)


def _write_csv(out: BinaryIO, shards: Iterable[pa.Table], policy: Policy) -> int:
    out.write(csv_header(view_names(policy)))
    written = 0
    for table in shards:
        for lines in table.column(LINE).chunks:
            out.write(text_bytes(lines))
        written += table.num_rows
    return written


def _write_parquet(out: BinaryIO, shards: Iterable[pa.Table], policy: Policy) -> int:
    names = view_names(policy)
    schema = pa.schema({name: pa.string() for name in names})
    written = 0
    with pq.ParquetWriter(
        out, schema, use_dictionary=False, write_statistics=False, store_schema=False, compression="zstd"
    ) as writer:
        for table in shards:
            if table.num_rows:
                writer.write_table(table.select(list(names)).cast(schema), row_group_size=table.num_rows)
                written += table.num_rows
    return written
