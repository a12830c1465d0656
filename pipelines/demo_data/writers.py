"""Writes blocks of text columns as CSV, Parquet or JSON Lines, a block at a time."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.demo_data.cells import Text, columns_of, constant, filled, join, matching, put, swap, where
from pipelines.demo_data.chance import Ints

SUFFIXES = ("csv", "parquet", "jsonl")


class RowWriter(Protocol):
    """Takes blocks in order; a context manager that closes the file."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...

    def write(self, rows: pa.RecordBatch, ragged: Ints) -> None:
        """Appends a block; rows at `ragged` get a cell too many or too few where the format allows it."""


def open_writer(path: Path, suffix: str, schema: pa.Schema) -> RowWriter:
    """A writer for one of SUFFIXES that replaces `path`."""
    if suffix == "parquet":
        return _ParquetWriter(path, schema)
    return (_CsvWriter if suffix == "csv" else _JsonLinesWriter)(path, schema)


class _LineWriter:
    """Writes one line a row."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._names = schema.names
        self._file: BinaryIO = path.open("wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def _append(self, lines: Text, end: str) -> None:
        whole = join(end, lines, constant("", len(lines)))
        _, offsets, data = whole.buffers()
        if data is not None and offsets is not None:
            first, last = np.frombuffer(memoryview(offsets), dtype=np.int32)[[whole.offset, whole.offset + len(whole)]]
            self._file.write(memoryview(data)[first:last])


class _CsvWriter(_LineWriter):
    """RFC 4180: CRLF, and quotes round what needs them; UTF-8 without a byte order mark."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        super().__init__(path, schema)
        self._file.write(",".join(self._names).encode() + b"\r\n")

    def write(self, rows: pa.RecordBatch, ragged: Ints) -> None:
        lines = join(",", *(self._cells(column) for column in columns_of(rows).values()))
        broken = []
        for row in ragged.tolist():
            line: str = lines[row].as_py()
            broken.append(f"{line},surplus" if row % 2 else line.rpartition(",")[0])  # the last column never has a comma
        self._append(put(lines, ragged, broken), "\r\n")

    @staticmethod
    def _cells(column: Text) -> Text:
        cells = filled(column, "")
        awkward = matching(cells, '[",\r\n]')
        if not awkward.any():
            return cells
        quote = constant('"', len(cells))
        return where(awkward, join("", quote, swap(cells, '"', '""'), quote), cells)


class _JsonLinesWriter(_LineWriter):
    """One object a line: every value a string or null."""

    def write(self, rows: pa.RecordBatch, ragged: Ints) -> None:
        del ragged  # an object has no cells to lose
        quote = constant('"', rows.num_rows)
        cells = [constant("{", rows.num_rows)]
        for place, (name, column) in enumerate(columns_of(rows).items()):
            value = filled(join("", quote, self._escaped(column), quote), "null")
            cells += [constant(f'{", " if place else ""}"{name}": ', rows.num_rows), value]
        self._append(join("", *cells, constant("}", rows.num_rows)), "\n")

    @staticmethod
    def _escaped(column: Text) -> Text:
        escaped = swap(swap(column, "\\", "\\\\"), '"', '\\"')
        if not matching(escaped, "[\\x00-\\x1f]").any():
            return escaped
        for code in range(0x20):
            escaped = swap(escaped, chr(code), f"\\u{code:04x}")
        return escaped


class _ParquetWriter:
    """Plain strings; one row group a block."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(path, schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._writer.close()

    def write(self, rows: pa.RecordBatch, ragged: Ints) -> None:
        del ragged  # a column store has no rows to tear
        self._writer.write_batch(rows)
