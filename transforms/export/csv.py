"""CSV exports (RFC 4180): every cell as text, every row at its own number, nothing guessed.

Deviations of a file from RFC 4180 and what becomes of them:

* too few or too many fields, a blank line: the row is quarantined as `ragged-row`;
* a quote inside an unquoted field, text behind a closing quote: `stray-quote`;
* bytes that are not text in the declared encoding: `encoding`;
* a carriage return alone, outside of quotes: `lone-carriage-return`;
* LF instead of CRLF, no line end after the last row: accepted;
* a cell that is empty, quoted or not: null.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv

from transforms.contract.model import Contract
from transforms.contract.places import row_ref
from transforms.errors import ExportError, InternalError
from transforms.export.block import Block, to_blocks
from transforms.export.csv_layout import Indexes, Layout, blank_rows, lay_out, rows_with_lone_returns
from transforms.export.encoding import UTF8_BOM, skip_byte_order_mark, undecodable_rows
from transforms.export.header import check_columns
from transforms.export.pieces import CHUNK_BYTES, Piece, read_start, whole_rows

_MAX_HEADER_BYTES = 1024 * 1024
_HEADER_CHUNK_BYTES = 64 * 1024


def check_csv_header(stream: BinaryIO, contract: Contract, place: str) -> None:
    """Passes if the file's first row names exactly the contract's columns, in any order.

    Raises:
        ExportError: `empty-file`, `encoding`, `line-ends`, `header-unreadable`, `unknown-column`, `missing-column`,
            `repeated-column`.
    """
    _read_header(stream, contract, place, _HEADER_CHUNK_BYTES)


def read_csv(
    stream: BinaryIO, contract: Contract, source_index: int, place: str, *, chunk_bytes: int = CHUNK_BYTES
) -> Iterator[Block]:
    """Reads a CSV from its start.

    Args:
        stream: the open file, seekable.
        contract: names the columns and declares the encoding.
        source_index: which source this is; becomes part of every `row_ref`.
        place: file name for messages.
        chunk_bytes: how much to read at once; what is yielded together depends on it, the rows do not.

    Raises:
        ExportError: as `check_csv_header`, and `unclosed-quote`, `row-too-long`.
    """
    names, rest = _read_header(stream, contract, place, min(chunk_bytes, _HEADER_CHUNK_BYTES))
    for piece in whole_rows(stream, rest, lay_out, place=place, chunk_bytes=chunk_bytes):
        yield from _blocks(piece, names, contract, source_index)


def _read_header(stream: BinaryIO, contract: Contract, place: str, chunk_bytes: int) -> tuple[list[str], bytes]:
    """The column names in the file's order, and what was read behind the header."""
    stream.seek(0)
    data = skip_byte_order_mark(read_start(stream), contract.encoding, place)
    at_end = False
    while not (layout := lay_out(data)).ends.size:
        if at_end or len(data) > _MAX_HEADER_BYTES:
            raise _unreadable_header(place, data)
        chunk = stream.read(chunk_bytes)
        at_end = not chunk
        data += chunk or b"\n"
    end = int(layout.ends[0]) + 1
    header = data[:end].removesuffix(b"\n").removesuffix(b"\r")
    if layout.stray[:1].tolist() == [0] or b"\r" in header:
        raise _unreadable_header(place, header)
    try:
        names = next(csv.reader(io.StringIO(header.decode(contract.encoding), newline="")), [])
    except UnicodeDecodeError:
        raise ExportError(
            f"the header is not {contract.encoding}", place=place, hint="the encoding is declared in the contract", code="encoding"
        ) from None
    except csv.Error:
        raise _unreadable_header(place, header) from None
    if any("\0" in name for name in names):
        raise ExportError(
            "the header holds NUL bytes", place=place, hint=f"have the export saved as {contract.encoding}", code="encoding"
        )
    check_columns(names, contract, place)
    return names, data[end:]


def _unreadable_header(place: str, header: bytes) -> ExportError:
    if b"\r" in header:
        return ExportError(
            "lines end in a carriage return alone",
            place=place,
            hint="have the export saved with CRLF or LF line ends",
            code="line-ends",
        )
    return ExportError(
        "the first row is no CSV header", place=place, hint="a quote is unclosed or stands inside a name", code="header-unreadable"
    )


def _blocks(piece: Piece[Layout], names: list[str], contract: Contract, source_index: int) -> Iterator[Block]:
    data, layout = piece.data, piece.layout
    refs = np.arange(layout.ends.size, dtype=np.int64) + row_ref(source_index, piece.first_row)
    rules = _rows_not_csv(data, layout, contract.encoding, columns=len(names))
    broken = [(int(refs[row]), rule) for row, rule in rules.items()]
    if rules:
        data = _without_rows(data, layout.ends, rules)
        refs = np.delete(refs, list(rules))
    if contract.encoding != "utf-8" and not (text := bytes(data)).isascii():
        data = memoryview(text.decode(contract.encoding).encode("utf-8"))
    rows, ragged = _parse(data, names, contract, multiline=layout.multiline)
    if rows.num_rows + len(ragged) != refs.size:
        raise InternalError("the CSV parser saw other rows than the row finder")
    if ragged:
        broken += [(int(refs[row]), "ragged-row") for row in ragged]
        refs = np.delete(refs, ragged)
    yield from to_blocks(rows, refs, broken)


def _rows_not_csv(data: memoryview, layout: Layout, encoding: str, *, columns: int) -> dict[int, str]:
    """The rule that each row breaks whose text must not reach the parser; in order."""
    found: tuple[tuple[str, Indexes], ...] = (
        ("stray-quote", layout.stray),
        ("encoding", undecodable_rows(data, layout.ends, encoding)),
        ("lone-carriage-return", rows_with_lone_returns(data, layout)),
        # In a file of one column a blank line is a row with an empty cell.
        ("ragged-row", blank_rows(data, layout) if columns > 1 else layout.ends[:0]),
    )
    rules: dict[int, str] = {}
    for rule, rows in found:
        for row in rows.tolist():
            rules.setdefault(row, rule)
    return dict(sorted(rules.items()))


def _without_rows(data: memoryview, ends: Indexes, rows: Iterable[int]) -> memoryview:
    kept, position = [], 0
    for row in rows:
        kept.append(data[position : int(ends[row - 1]) + 1 if row else 0])
        position = int(ends[row]) + 1
    kept.append(data[position:])
    return memoryview(b"".join(kept))


def _parse(data: memoryview, names: list[str], contract: Contract, *, multiline: bool) -> tuple[pa.Table, list[int]]:
    """The rows as text in the contract's column order, and the indexes of those with too few or too many fields."""
    ragged: list[int] = []

    def skip(row: pyarrow.csv.InvalidRow) -> Literal["skip"]:
        ragged.append((row.number or 0) - 1)  # numbered from 1 where one thread reads
        return "skip"

    types: dict[str, pa.DataType] = dict.fromkeys(names, pa.string())
    if not data:
        return pa.schema(types).empty_table().select(contract.names), ragged
    if data[: len(UTF8_BOM)] == UTF8_BOM:
        # The parser takes a mark off every buffer, also where it is the first character of a value.
        data = memoryview(UTF8_BOM + data)
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(data),  # type: ignore[arg-type]
            read_options=pyarrow.csv.ReadOptions(use_threads=False, column_names=names, block_size=len(data) + 1),
            parse_options=pyarrow.csv.ParseOptions(
                newlines_in_values=multiline, ignore_empty_lines=False, invalid_row_handler=skip
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                check_utf8=False,  # the whole piece has been
                column_types=types,
                include_columns=list(contract.names),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid:
        # The message quotes cells.
        raise InternalError("the CSV parser refused rows that the row finder had passed") from None
    return table, ragged
