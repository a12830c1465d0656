"""Parquet exports: text columns only, so that leading zeros survive [H1]."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.contract.model import Contract
from transforms.contract.places import row_ref
from transforms.errors import ExportError
from transforms.export.block import BLOCK_ROWS, Block, empty_to_null, to_blocks
from transforms.export.encoding import is_utf8
from transforms.export.header import check_columns

_READ_BUFFER_BYTES = 1024 * 1024


def check_parquet_header(stream: BinaryIO, contract: Contract, place: str) -> None:
    """Passes if the file's schema has exactly the contract's columns, in any order, as text.

    Text is a string of any Arrow kind, dictionary-encoded or not; a date is read as `YYYY-MM-DD`, and a column without a type (all
    null) as null.

    Raises:
        ExportError: `empty-file`, `parquet-unreadable`, `column-type`, `unknown-column`, `missing-column`, `repeated-column`.
    """
    _open(stream, contract, place)


def read_parquet(stream: BinaryIO, contract: Contract, source_index: int, place: str) -> Iterator[Block]:
    """Reads a Parquet file from its start, a batch of rows at a time. An empty string is null, as an empty CSV cell is.

    Raises:
        ExportError: as `check_parquet_header`.
    """
    file = _open(stream, contract, place)
    row = 1
    with _scrubbed(place):
        batches = file.iter_batches(batch_size=BLOCK_ROWS, columns=list(contract.names), use_threads=False)
    while True:
        with _scrubbed(place):
            batch = next(batches, None)
            if batch is None:
                return
            rows, undecodable = _as_text(batch, contract)
        refs = np.arange(batch.num_rows, dtype=np.int64) + row_ref(source_index, row)
        row += batch.num_rows
        broken = [(int(refs[at]), "encoding") for at in undecodable]
        yield from to_blocks(rows, np.delete(refs, undecodable), broken)


def _open(stream: BinaryIO, contract: Contract, place: str) -> pq.ParquetFile:
    if stream.seek(0, 2) == 0:
        raise ExportError("the file is empty", place=place, hint="ask HR for the export again", code="empty-file")
    stream.seek(0)
    with _scrubbed(place):
        file = pq.ParquetFile(stream, buffer_size=_READ_BUFFER_BYTES, pre_buffer=False)
        schema = file.schema_arrow
    check_columns(schema.names, contract, place)
    wrong = [field.name for field in schema if not _is_text(field.type)]
    if wrong:
        raise ExportError(
            f"columns are not text: {', '.join(wrong)}",
            place=place,
            hint="have them exported as text, so leading zeros survive",
            code="column-type",
        )
    return file


@contextmanager
def _scrubbed(place: str) -> Iterator[None]:
    """Arrow's messages may quote what they stumbled on; an error of the store keeps its own."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ExportError(
            "the file is not readable as Parquet",
            place=place,
            hint="it is truncated, damaged or encrypted",
            code="parquet-unreadable",
        ) from None


def _is_text(kind: pa.DataType) -> bool:
    if isinstance(kind, pa.DictionaryType):
        kind = kind.value_type
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return text or pa.types.is_null(kind) or pa.types.is_date32(kind)


def _as_text(batch: pa.RecordBatch, contract: Contract) -> tuple[pa.Table, list[int]]:
    """The batch as `string` columns in the contract's order without its undecodable rows, and the indexes of those."""
    columns = [cast(pa.StringArray, batch.column(name).cast(pa.string())) for name in contract.names]
    undecodable = sorted({row for column in columns for row in _undecodable(column)})
    table = pa.table([empty_to_null(column) for column in columns], names=list(contract.names))
    if undecodable:
        table = table.take(np.delete(np.arange(batch.num_rows), undecodable))
    return table, undecodable


def _undecodable(column: pa.StringArray) -> Iterator[int]:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        for row, value in enumerate(column.cast(pa.binary()).to_pylist()):
            if value is not None and not is_utf8(value):
                yield row
